//! The proxies that are compared, each started on one processor with the settings its users would give it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::system;
use super::wire::message_length;

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Signs, decides, logs and counts.
    Countersign,
    /// The same with AWS Signature Version 4.
    CountersignV4,
    /// `proxy_pass`: signs nothing, logs nothing. The yardstick.
    Nginx,
    /// Forwards, signs nothing, logs nothing.
    Haproxy,
}

pub const PEERS: [Peer; 4] = [Peer::Nginx, Peer::Haproxy, Peer::Countersign, Peer::CountersignV4];

/// The endpoint behind a proxy.
#[derive(Clone)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// The authority of its certificate, when it has one.
    pub ca: Option<PathBuf>,
}

/// A proxy at work, ended on drop.
pub struct Started {
    child: Child,
    output: PathBuf,
    pub address: SocketAddr,
    /// From the start of the process to the end of its first answer.
    pub first_answer: Duration,
}

impl Peer {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Countersign => "countersign",
            Self::CountersignV4 => "countersign, aws-v4",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Starts it and waits for its first answer.
    pub fn start(self, directory: &Path, endpoint: &Endpoint, workers: usize) -> Started {
        let address = free_address();
        let directory = directory.join(self.name());
        fs::create_dir_all(&directory).unwrap();
        let cpus = if workers == 1 { system::PROXY_CPU.to_string() } else { format!("0-{}", workers - 1) };
        let mut command = Command::new("taskset");
        command.args(["-c", &cpus]);
        match self {
            Self::Nginx => nginx(&mut command, &directory, address, endpoint, workers),
            Self::Haproxy => haproxy(&mut command, &directory, address, endpoint, workers),
            Self::Countersign => countersign(&mut command, &directory, (address, ""), endpoint, workers),
            Self::CountersignV4 => countersign(&mut command, &directory, (address, V4), endpoint, workers),
        }
        // not beside the configuration, which countersign watches: each line would have it look there
        let output = directory.join("log");
        fs::create_dir_all(&output).unwrap();
        let output = output.join("output");
        let log = File::create(&output).unwrap();
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Started { child, output, address, first_answer: began.elapsed() }
    }
}

impl Started {
    /// Asks until there is an answer; `turn` lets the endpoint answer meanwhile.
    pub fn wait(mut self, began: Instant, request: &[u8], mut turn: impl FnMut()) -> Self {
        let patience = Instant::now() + Duration::from_secs(20);
        let mut stream = loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < patience => {}
                Err(error) => {
                    panic!("{error}: the proxy does not listen: {}", fs::read_to_string(&self.output).unwrap())
                }
            }
        };
        stream.write_all(request).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut received = Vec::new();
        while message_length(&received).is_none_or(|length| received.len() < length) {
            turn();
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) => panic!("no answer: {}", String::from_utf8_lossy(&received)),
                Ok(count) => received.extend_from_slice(&piece[..count]),
                Err(_) => assert!(Instant::now() < patience, "no answer in time"),
            }
        }
        assert!(received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&received));
        self.first_answer = began.elapsed();
        self
    }

    pub fn pids(&self) -> Vec<u32> {
        system::family(self.child.id())
    }
}

impl Drop for Started {
    /// At once: a drain would wait for the clients' last requests, which nobody answers any more.
    fn drop(&mut self) {
        for pid in self.pids().into_iter().filter_map(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.child.wait().unwrap();
    }
}

/// The token by which countersign knows the client of the benchmark, and its SHA-256.
pub const TOKEN: &str = "benchmark";
const TOKEN_SHA256: &str = "0e89820860c342f2c7ec694d144023b10301c2accdd078cb5167a06d0c3d5bcc";

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn nginx(command: &mut Command, directory: &Path, address: SocketAddr, endpoint: &Endpoint, workers: usize) {
    let (scheme, tls) = match &endpoint.ca {
        None => ("http", String::new()),
        Some(ca) => (
            "https",
            format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {}; proxy_ssl_name localhost;", ca.display()),
        ),
    };
    let text = format!(
        "worker_processes {workers}; pid {0}/pid; error_log {0}/error.log; events {{ worker_connections 15000; }}
         http {{ access_log off; keepalive_requests 1000000000;
           client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
           fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; client_body_buffer_size 256k;
           upstream endpoint {{ server {1}; keepalive 128; keepalive_requests 1000000000; }}
           server {{ listen {address} backlog=4096; location / {{
             proxy_pass {scheme}://endpoint; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; {tls} }} }} }}",
        directory.display(),
        endpoint.address,
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, text).unwrap();
    command.arg("nginx").arg("-p").arg(directory).arg("-c").arg(file).args(["-g", "daemon off;"]);
}

fn haproxy(command: &mut Command, directory: &Path, address: SocketAddr, endpoint: &Endpoint, workers: usize) {
    let tls = endpoint.ca.as_ref().map_or(String::new(), |ca| format!("ssl verify required ca-file {}", ca.display()));
    let text = format!(
        "global\n nbthread {workers}\n maxconn 6000\ndefaults\n mode http\n timeout connect 5s\n \
         timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend in\n \
         bind {address}\n default_backend out\nbackend out\n server endpoint {} {tls}\n",
        endpoint.address
    );
    let file = directory.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    command.arg("haproxy").args(["-db", "-f"]).arg(file);
}

/// The lines of a route that signs Version 4.
const V4: &str = "profile = { dialect = \"aws-v4\", region = \"us-east-1\", service = \"iam\" }\n";

fn countersign(
    command: &mut Command,
    directory: &Path,
    (address, profile): (SocketAddr, &str),
    endpoint: &Endpoint,
    workers: usize,
) {
    let binary = env!("CARGO_BIN_EXE_countersign");
    let (scheme, ca) = match &endpoint.ca {
        None => ("http", String::new()),
        Some(ca) => ("https", format!("ca_file = \"{}\"\n", ca.display())),
    };
    let (identity, sealed, file) =
        (directory.join("identity"), directory.join("main.age"), directory.join("countersign.toml"));
    if !sealed.exists() {
        use countersign::credentials::seal::{Existing, seal, write_secret_file};
        let identities = countersign::credentials::Identities::generate();
        let key = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
            "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;
        write_secret_file(&identity, &identities.to_file(jiff::Timestamp::UNIX_EPOCH), Existing::Refuse).unwrap();
        write_secret_file(&sealed, &seal(key, &identities.recipients()).unwrap(), Existing::Refuse).unwrap();
    }
    let text = format!(
        "[listener.bench]\naddress = \"{address}\"\nauthenticate = [\"token\"]\nhosts = [\"localhost\"]\n\
         [listener.bench.limits]\nconnections = 6000\n\
         [client.bench]\ntoken_sha256 = \"{TOKEN_SHA256}\"\n\
         allow = [\"main:Get*\", \"main:List*\"]\ndeny = [\"main:CreateJob\"]\n\
         [route.main]\nendpoint = \"{scheme}://{}/\"\n{ca}{profile}[route.main.limits]\nin_flight = 6000\npool = 128\n\
         [key.main]\nfile = \"{}\"\nidentity_file = \"{}\"\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
         [process]\nworkers = {workers}\n",
        endpoint.address,
        sealed.display(),
        identity.display()
    );
    fs::write(&file, text).unwrap();
    command.args([binary, "run", "--config"]).arg(file);
}
