//! A sandbox and a proxy as the tests of the whole program need them: in a directory of their own, as an ordinary user.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::credentials::{Identities, document};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};

/// As `countersign sandbox` documents its example key.
pub(crate) const KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
pub(crate) const OTHER_KEY: (&str, &str) = ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY");
/// Nobody in particular; `/proc` of a process that can be dumped would belong to it.
pub(crate) const USER: u32 = 65532;

/// A process and what it has written so far.
pub(crate) struct Program {
    pub(crate) process: Child,
    output: Arc<Mutex<String>>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let output = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
        for stream in streams {
            let output = Arc::clone(&output);
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut output = output.lock().unwrap();
                    output.push_str(&line);
                    output.push('\n');
                }
            });
        }
        Self { process, output }
    }

    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The rest of the first line that holds `text`, once there is one.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some((_, rest)) = self.output().split_once(text) {
                return rest.lines().next().unwrap_or_default().to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "no `{text}` in\n{}", self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub(crate) fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.process.id()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// A sandbox to call, and a proxy in front of it that reads its key from `keys/..data/main.age`.
pub(crate) struct Scene {
    directory: tempfile::TempDir,
    identities: Identities,
    endpoint: String,
    _sandbox: Program,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        // what is no secret stands apart: its directory can be read while the proxy serves
        fs::create_dir(path("etc")).unwrap();
        let mut sandbox = countersign(&["sandbox", "--listen", "127.0.0.1:0", "--ca-out"]);
        let sandbox = Program::start(sandbox.arg(path("etc/ca.pem")));
        let port = sandbox.wait_for("listening on https://127.0.0.1:");
        let identities = Identities::generate();
        for name in ["keys", "keys/..one", "keys/..two", "identities", "elsewhere"] {
            fs::create_dir(path(name)).unwrap();
        }
        write_secret_file(&path("identities/main"), &identities.to_file(Timestamp::UNIX_EPOCH), Existing::Refuse)
            .unwrap();
        symlink("..one", path("keys/..data")).unwrap();
        symlink("..data/main.age", path("keys/main.age")).unwrap();
        // the name makes every connection ask the C library, which reads files of its own
        let scene = Self { directory, identities, endpoint: format!("https://localhost:{port}/"), _sandbox: sandbox };
        scene.put("keys/..one/main.age", KEY);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, (id, secret): (&str, &str)) {
        let text = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
        document::parse(text.as_bytes()).unwrap();
        let sealed = seal(text.as_bytes(), &self.identities.recipients()).unwrap();
        write_secret_file(&self.path(name), &sealed, Existing::Replace).unwrap();
        self.give_away();
    }

    /// Everything belongs to the user that the proxy runs as, when root runs the tests.
    pub(crate) fn give_away(&self) {
        if rustix::process::geteuid().is_root() {
            let mut all = vec![self.directory.path().to_owned()];
            while let Some(path) = all.pop() {
                chown(&path, Some(USER), Some(USER)).unwrap();
                if path.is_dir() && !path.is_symlink() {
                    all.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                }
            }
        }
    }

    /// `countersign COMMAND` with this configuration; `process` and whatever follows stand at its end.
    pub(crate) fn command(&self, command: &str, process: &str) -> Command {
        let quoted = |name: &str| toml::Value::from(self.path(name).display().to_string());
        let text = format!(
            "[listener.local]\naddress = \"127.0.0.1:0\"\nany_local = true\n\
             [route.ie]\nendpoint = \"{}\"\nca_file = {}\n[key.main]\nfile = {}\nidentity_file = {}\n\
             [process]\nworkers = 2\n{process}\n",
            self.endpoint,
            quoted("etc/ca.pem"),
            quoted("keys/main.age"),
            quoted("identities/main"),
        );
        fs::write(self.path("etc/countersign.toml"), text).unwrap();
        // of its own, for a user who may not enter the directory of the build
        fs::copy(env!("CARGO_BIN_EXE_countersign"), self.path("countersign")).unwrap();
        self.give_away();
        let mut program = Command::new(self.path("countersign"));
        program.args([command, "--config"]).arg(self.path("etc/countersign.toml")).env_remove("NOTIFY_SOCKET");
        if rustix::process::geteuid().is_root() {
            program.uid(USER).gid(USER);
        }
        program
    }

    pub(crate) fn run(&self, process: &str) -> (Program, u16) {
        let proxy = Program::start(&mut self.command("run", process));
        let address = proxy.wait_for("listening listener=local address=127.0.0.1:");
        (proxy, address.split_whitespace().next().unwrap().parse().unwrap())
    }
}

/// A copied program is busy for as long as a process that was forked meanwhile has it open for writing.
pub(crate) fn spawn(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            spawned => return spawned.unwrap(),
        }
    }
}

pub(crate) fn countersign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments);
    command
}

/// The whole answer to `ListJobs`.
pub(crate) fn call(port: u16) -> String {
    post(port, "Action=ListJobs&Version=2010-06-01")
}

/// The whole answer to a form.
pub(crate) fn post(port: u16, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
