//! The proxies that are compared, and how they are started.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::arguments::Build;
use super::callers::{Callers, Clients};
use super::configurations::{self, Endpoint, Place};
use super::ends::ask;
use super::socket::{Address, Socket};
use super::system;
use super::works::{Beside, Setting, Work};

/// A proxy that is measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// `proxy_pass`: signs nothing, logs nothing. Most figures are compared with it.
    Nginx,
    /// Forwards, signs nothing, logs nothing.
    Haproxy,
    /// A build of countersign: authenticates, decides, signs, logs and counts.
    Countersign(Build),
}

/// A running proxy, killed on drop.
pub struct Started {
    child: Child,
    output: PathBuf,
    pub address: Address,
    /// The address of countersign's admin listener.
    #[allow(dead_code)]
    pub admin: SocketAddr,
    /// From the start of the process to the end of its first response.
    pub first_answer: Duration,
}

impl Peer {
    /// Whether it does this work. Works that are compared with another work of the same build differ from it in how
    /// they are signed, which only countersign does.
    pub const fn does(&self, work: &Work) -> bool {
        matches!(self, Self::Countersign(_)) || !matches!(work.beside, Beside::Own(_))
    }

    pub fn label(&self) -> &str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Countersign(build) => &build.label,
        }
    }

    /// The label for a table or a picture.
    pub fn name(&self) -> String {
        match self {
            Self::Nginx | Self::Haproxy => self.label().to_owned(),
            Self::Countersign(build) => format!("countersign, {}", build.label),
        }
    }

    /// Starts it; `Started::wait` waits for its first response. The certificates are in `shared`.
    pub fn start(&self, shared: &Path, endpoint: &Endpoint, setting: Setting) -> Started {
        let [address, admin] = free_addresses();
        let directory = shared.join(self.label());
        // countersign watches the directory of its configuration: each line of a log there would wake it
        let output = directory.join("log");
        fs::create_dir_all(&output).unwrap();
        let address = if setting.clients == Clients::Socket {
            Address::Unix(output.join(address.port().to_string()))
        } else {
            Address::Tcp(address)
        };
        let output = output.join("output");
        let cpus =
            if setting.workers == 1 { system::PROXY_CPU.to_string() } else { format!("0-{}", setting.workers - 1) };
        let mut command = Command::new("taskset");
        command.args(["-c", &cpus]);
        let place = Place { directory: &directory, shared, address: &address, admin, endpoint };
        match self {
            Self::Nginx => configurations::nginx(&mut command, &place, setting),
            Self::Haproxy => configurations::haproxy(&mut command, &place, setting),
            Self::Countersign(build) => configurations::countersign(&mut command, &build.file, &place, setting),
        }
        let log = File::create(&output).unwrap();
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Started { child, output, address, admin, first_answer: began.elapsed() }
    }
}

impl Started {
    /// Connects until the proxy listens, and waits for its first response; `turn` runs the endpoint meanwhile.
    pub fn wait(mut self, began: Instant, callers: &Callers, turn: impl FnMut()) -> Self {
        let patience = Instant::now() + Duration::from_secs(20);
        let mut socket = loop {
            match Socket::connect(&self.address, callers.tls.as_ref()) {
                Ok(socket) => break socket,
                Err(_) if Instant::now() < patience => {}
                Err(error) => panic!("{error}: the proxy does not listen: {}", self.output()),
            }
        };
        let response = ask(&mut socket, &callers.requests[0], turn);
        let text = String::from_utf8_lossy(&response);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}\n{}", self.output());
        self.first_answer = began.elapsed();
        self
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    pub fn pids(&self) -> Vec<u32> {
        system::family(self.child.id())
    }

    #[allow(dead_code)] // only the training load uses it
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a service manager does, by SIGTERM, and waits for its end.
    #[allow(dead_code)]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.output());
    }
}

impl Drop for Started {
    /// Kills it: a drain would wait for requests under way, and the endpoint does not run any more.
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return; // its id may be that of another process now
        }
        for pid in self.pids().into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _gone = kill_process(pid, Signal::KILL);
        }
        self.child.wait().unwrap();
    }
}

fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
