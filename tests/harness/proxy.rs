//! `countersign run` as a child process, with a configuration made for one test.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::log::Log;
use super::wire::Head;
use super::{Answer, Client, Draft, Ending, Endpoint, ID, Running, SECRET, Vault, eventually, program};

/// A configuration in the making: listener `local`, route `importexport`, key `main`, one worker, a JSON log, an admin
/// listener.
#[derive(Clone)]
pub struct Setup {
    endpoint: String,
    listener: String,
    route: String,
    process: String,
    log: (&'static str, &'static str),
    more: String,
    signer: &'static str,
    /// Where it listens: one address, or several in TOML, with quotes.
    pub address: &'static str,
    /// Who may call: `any_local` unless a test says otherwise.
    pub callers: &'static str,
    key: Option<String>,
    admin: String,
    vault: Arc<Vault>,
}

impl Setup {
    /// With its only route to `endpoint`.
    pub fn to(endpoint: &Endpoint) -> Self {
        Self::to_url(&endpoint.url())
    }

    pub fn to_url(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            listener: String::new(),
            route: String::new(),
            process: "workers = 1\n".to_owned(),
            log: ("json", "info"),
            more: String::new(),
            signer: "main",
            address: "127.0.0.1:0",
            callers: "any_local = true",
            key: None,
            admin: "127.0.0.1:0".to_owned(),
            vault: Arc::new(Vault::with(ID, SECRET)),
        }
    }

    /// With its only route to another endpoint.
    pub fn redirected(mut self, endpoint: &Endpoint) -> Self {
        self.endpoint = endpoint.url();
        self
    }

    /// Signs with the key of this name.
    pub fn signed_with(mut self, name: &'static str) -> Self {
        self.signer = name;
        self
    }

    /// A line for `[listener.local]`.
    pub fn listener(mut self, line: &str) -> Self {
        writeln!(self.listener, "{line}").unwrap();
        self
    }

    /// A line for `[route.importexport]`.
    pub fn route(mut self, line: &str) -> Self {
        writeln!(self.route, "{line}").unwrap();
        self
    }

    /// The lines of `[process]`.
    pub fn process(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.process);
        self
    }

    pub fn log(mut self, format: &'static str, level: &'static str) -> Self {
        self.log = (format, level);
        self
    }

    /// The lines of `[key.main]`; without this, the vault's sealed key.
    pub fn key(mut self, lines: &str) -> Self {
        self.key = Some(lines.to_owned());
        self
    }

    /// Where health and metrics are served.
    pub fn admin(mut self, address: &str) -> Self {
        address.clone_into(&mut self.admin);
        self
    }

    /// Whole tables.
    pub fn more(mut self, tables: &str) -> Self {
        self.more.push_str(tables);
        self
    }

    /// Keeps its files where a proxy that runs has them.
    pub fn vault_of(mut self, proxy: &Proxy) -> Self {
        self.vault = Arc::clone(&proxy.vault);
        self
    }

    pub fn vault(mut self, vault: Vault) -> Self {
        self.vault = Arc::new(vault);
        self
    }

    /// The directory of its key's files.
    pub fn of_vault(&self) -> &Vault {
        &self.vault
    }

    /// Trusts this authority alone for the endpoint.
    pub fn trusting(self, pem: &str) -> Self {
        let file = self.vault.path("ca.pem");
        fs::write(&file, pem).unwrap();
        self.route(&format!("ca_file = {file:?}"))
    }

    fn text(&self) -> String {
        format!(
            "[listener.local]\naddress = {}\n{}\n{}\n\
             [route.importexport]\nendpoint = \"{}\"\nkey = \"{}\"\n{}\n\
             [key.main]\n{}\n\
             [admin]\naddress = \"{}\"\n\
             [log]\nformat = \"{}\"\nlevel = \"{}\"\n\
             [process]\n{}\n{}",
            if self.address.contains('"') { self.address.to_owned() } else { format!("\"{}\"", self.address) },
            self.callers,
            self.listener,
            self.endpoint,
            self.signer,
            self.route,
            self.key.clone().unwrap_or_else(|| self.vault.sealed_lines()),
            self.admin,
            self.log.0,
            self.log.1,
            self.process,
            self.more
        )
    }

    /// Puts the configuration in the place of the one a proxy was started with, by rename.
    pub fn publish(&self) {
        let staged = self.vault.path("countersign.toml.new");
        fs::write(&staged, self.text()).unwrap();
        fs::rename(staged, self.vault.path("countersign.toml")).unwrap();
    }

    /// Writes the configuration and returns the command that uses it.
    pub fn command(&self, subcommand: &str) -> Command {
        let file = self.vault.path("countersign.toml");
        fs::write(&file, self.text()).unwrap();
        let mut command = program();
        command.args(subcommand.split(' ')).arg("--config").arg(file);
        command
    }

    /// Starts the program and waits until it serves.
    #[track_caller]
    pub fn start(self) -> Proxy {
        self.start_with(|command| command)
    }

    /// The same, with an environment that `change` changes.
    #[track_caller]
    pub fn start_with(self, change: impl FnOnce(&mut Command) -> &mut Command) -> Proxy {
        let mut command = self.command("run");
        Proxy::start(change(&mut command), self.vault)
    }

    /// Runs a command that was made of [`Self::command`], and waits until it serves.
    #[track_caller]
    pub fn start_command(&self, command: &mut Command, stdin: Stdio) -> Proxy {
        Proxy::start_with_input(command, stdin, Arc::clone(&self.vault))
    }

    /// Starts the program with a log that is closed as soon as the addresses have been read from it.
    #[track_caller]
    pub fn start_with_log_closed(self) -> Proxy {
        let proxy = self.start();
        proxy.log.leave();
        proxy
    }

    /// A path for a file of the test's own.
    pub fn vault_path(&self, name: &str) -> PathBuf {
        self.vault.path(name)
    }
}

/// A running proxy. Dropping it kills it. Its log, its signals and its end are those of the process.
pub struct Proxy {
    running: Running,
    pub vault: Arc<Vault>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Proxy {
    #[track_caller]
    pub fn start(command: &mut Command, vault: Arc<Vault>) -> Self {
        Self::start_with_input(command, Stdio::null(), vault)
    }

    #[track_caller]
    fn start_with_input(command: &mut Command, stdin: Stdio, vault: Arc<Vault>) -> Self {
        let running = Running::start(command.stdin(stdin));
        let log = running.log.clone();
        let address = address_in(&log, "listener", "local");
        let admin = log.wait_for("address of the admin listener", |line| {
            line.contains("admin listening").then(|| address_of(line))
        });
        Self { running, vault, address, admin }
    }

    /// Where another listener of the configuration listens.
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        address_in(&self.log, "listener", name)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends on a connection of its own and waits for the answer.
    #[track_caller]
    pub fn call(&self, draft: &Draft) -> Answer {
        self.connect().call(draft)
    }

    #[track_caller]
    pub fn post(&self, form: &str) -> Answer {
        self.call(&Draft::form(form))
    }

    /// GETs `path` of the admin listener.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Answer {
        self.admin_call(&format!("GET {path} HTTP/1.1"))
    }

    #[track_caller]
    pub fn admin_call(&self, line: &str) -> Answer {
        Client::connect(self.admin).call(&Draft::form("").line(line))
    }

    /// Has this setup served, as the next configuration.
    #[track_caller]
    pub fn reload(&self, setup: &Setup) {
        const GENERATION: &str = "countersign_config_generation";
        let before = self.metric(GENERATION);
        setup.publish();
        eventually("the next configuration", || (self.metric(GENERATION) > before).then_some(()));
    }

    /// The value of the sample whose name and labels begin with `sample`, 0 when it is not there.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> f64 {
        let text = self.admin("/metrics").expect(200).text();
        let line = text.lines().find(|line| line.starts_with(sample));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// The sum of all samples that begin so, of which there is at least one.
    #[track_caller]
    pub fn metric_sum(&self, beginning: &str) -> f64 {
        let text = self.admin("/metrics").expect(200).text();
        let samples: Vec<&str> = text.lines().filter(|line| line.starts_with(beginning)).collect();
        assert!(!samples.is_empty(), "no sample begins with {beginning}: {text}");
        samples.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// How many lines there are of which `which` holds, among all that were logged before: lines leave in their order,
    /// so that the one of another request tells when they are here.
    #[track_caller]
    pub fn logged(&self, which: impl Fn(&str) -> bool) -> usize {
        let refused = self.connect().call(&Draft::form("").path("/nowhere"));
        self.log.exchange(&refused.request_id());
        self.log.count(which)
    }

    /// A figure of `/proc/PID/status` in KiB.
    #[track_caller]
    pub fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("the right to read it");
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asserts that the program answered `answer` itself, with this status and code, and says so everywhere it should.
    #[track_caller]
    pub fn assert_own(&self, answer: &Answer, status: u16, code: &str, sent: &str) {
        let Answer { head, .. } = answer;
        let text = answer.text();
        assert_eq!((answer.status, answer.element("Code").as_str()), (status, code), "{text}");
        assert_eq!(answer.ending, Ending::Whole);
        assert_eq!(head.field("x-proxy-sent"), Some(sent), "{text}");
        assert_eq!(head.field("content-type"), Some("text/xml;charset=utf-8"));
        let proxy_status = head.field("proxy-status").unwrap();
        assert!(proxy_status.starts_with("countersign; error="), "{proxy_status}");
        assert!(proxy_status.ends_with(&format!("; details=\"{code}\"")), "{proxy_status}");
        let id = answer.request_id();
        let ec2 = text.contains("<RequestID>");
        assert_eq!(answer.element(if ec2 { "RequestID" } else { "RequestId" }), id);
        assert_eq!(head.field("retry-after").is_some(), status == 503, "{head:?}");
        let line = self.log.exchange(&id);
        assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(status.into()), Some(code)), "{line}");
    }
}

impl Deref for Proxy {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Proxy {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

#[track_caller]
fn address_in(log: &Log, kind: &str, name: &str) -> SocketAddr {
    let (json, human) = (format!("\"{kind}\":\"{name}\""), format!("{kind}={name} "));
    log.wait_for("address of a listener", |line| {
        (line.contains("listening") && (line.contains(&json) || line.contains(&human))).then(|| address_of(line))
    })
}

/// The address in a line of either format.
#[track_caller]
fn address_of(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("address\":\"").or_else(|| line.split_once("address=")).expect("an address");
    rest.split(['"', ' ']).next().unwrap().parse().unwrap()
}

/// Whether a head asks for the connection to be closed.
pub fn closes(head: &Head) -> bool {
    head.field("connection") == Some("close")
}
