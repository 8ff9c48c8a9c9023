//! A sandbox, and a proxy in front of it that runs as an ordinary user, in a directory that belongs to that user.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::credentials::{Identities, document};
use jiff::Timestamp;

use super::program::PROGRAM;
use super::{Answer, Client, Draft, ID, OTHER_ID, OTHER_SECRET, Running, SECRET, program};

/// The key that the sandbox knows.
pub const KEY: (&str, &str) = (ID, SECRET);
/// A key that the sandbox does not know.
pub const OTHER_KEY: (&str, &str) = (OTHER_ID, OTHER_SECRET);
/// The user that the proxy runs as when root runs the tests; `/proc` of a process that can be dumped would belong to
/// it.
pub const USER: u32 = 65532;

/// A sandbox to call, and a proxy in front of it that reads its key from `keys/..data/main.age`.
pub struct Scene {
    directory: tempfile::TempDir,
    identities: Identities,
    endpoint: String,
    _sandbox: Running,
}

impl Scene {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        // what is no secret stands apart: its directory can be read while the proxy serves
        fs::create_dir(path("etc")).unwrap();
        let mut sandbox = program();
        sandbox.args(["sandbox", "--listen", "127.0.0.1:0", "--ca-out"]).arg(path("etc/ca.pem"));
        let sandbox = Running::start_with_output(&mut sandbox);
        let port = sandbox.log.after("listening on https://127.0.0.1:");
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn put(&self, name: &str, (id, secret): (&str, &str)) {
        let text = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
        document::parse(text.as_bytes()).unwrap();
        let sealed = seal(text.as_bytes(), &self.identities.recipients()).unwrap();
        write_secret_file(&self.path(name), &sealed, Existing::Replace).unwrap();
        self.give_away();
    }

    /// Everything belongs to the user that the proxy runs as, when root runs the tests.
    pub fn give_away(&self) {
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
    pub fn command(&self, command: &str, process: &str) -> Command {
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
        fs::copy(&*PROGRAM, self.path("countersign")).unwrap();
        self.give_away();
        let mut copied = Command::new(self.path("countersign"));
        copied.args([command, "--config"]).arg(self.path("etc/countersign.toml")).env_remove("NOTIFY_SOCKET");
        if rustix::process::geteuid().is_root() {
            copied.uid(USER).gid(USER);
        }
        copied
    }

    /// A running proxy, and the address of its listener.
    pub fn run(&self, process: &str) -> (Running, SocketAddr) {
        let proxy = Running::start_with_output(&mut self.command("run", process));
        let address = proxy.log.after("listening listener=local address=");
        (proxy, address.split_whitespace().next().unwrap().parse().unwrap())
    }
}

/// The answer to `ListJobs`, on a connection of its own.
#[track_caller]
pub fn call(address: SocketAddr) -> Answer {
    post(address, "Action=ListJobs&Version=2010-06-01")
}

/// The answer to a form, on a connection of its own.
#[track_caller]
pub fn post(address: SocketAddr, form: &str) -> Answer {
    Client::connect(address).call(&Draft::form(form).field("Connection", "close"))
}
