//! The proxies that are compared, each started on one processor.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::arguments::Build;
use super::configurations::{self, Place};
use super::system;
use super::wire::message_length;
use super::works::Setting;

/// Who is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// `proxy_pass`: signs nothing, logs nothing. The yardstick.
    Nginx,
    /// Forwards, signs nothing, logs nothing.
    Haproxy,
    /// A build of countersign: authenticates, decides, signs, logs and counts.
    Countersign(Build),
}

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
    pub fn label(&self) -> &str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Countersign(build) => &build.label,
        }
    }

    /// The label as people read it.
    pub fn name(&self) -> String {
        match self {
            Self::Nginx | Self::Haproxy => self.label().to_owned(),
            Self::Countersign(build) => format!("countersign, {}", build.label),
        }
    }

    /// Starts it; `Started::wait` waits for its first answer.
    pub fn start(&self, directory: &Path, endpoint: &Endpoint, setting: Setting) -> Started {
        let address = free_address();
        let directory = directory.join(self.label());
        fs::create_dir_all(&directory).unwrap();
        let cpus =
            if setting.workers == 1 { system::PROXY_CPU.to_string() } else { format!("0-{}", setting.workers - 1) };
        let mut command = Command::new("taskset");
        command.args(["-c", &cpus]);
        let place = Place { directory: &directory, address, endpoint };
        match self {
            Self::Nginx => configurations::nginx(&mut command, &place, setting),
            Self::Haproxy => configurations::haproxy(&mut command, &place, setting),
            Self::Countersign(build) => configurations::countersign(&mut command, &build.file, &place, setting),
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

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
