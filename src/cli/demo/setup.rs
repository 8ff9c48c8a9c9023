//! What the demonstration needs: a directory with new keys, the sandbox with TLS, the proxy in front of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{Bound, Drained, Graph, Running};
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::first_process;
use crate::cli::sandbox_keys::{EXAMPLE_ID, EXAMPLE_SECRET};
use crate::credentials::seal::{Existing, seal, write_secret_file};
use crate::credentials::{HeldKey, Identities, document};
use crate::sandbox::{self, Authority, Configuration, Observation, Transport};
use crate::{clock, config};

/// Where the proxy listens, unless the port is in use.
const DEFAULT_PORT: u16 = 8021;

/// Between two pieces of an answer, so that streaming can be seen.
const PACING: Duration = Duration::from_millis(150);

/// How long requests in progress may take when the demonstration ends.
const DRAIN: Duration = Duration::from_secs(5);

/// A manifest like those in the Import/Export developer guide.
pub(super) const MANIFEST: &str = "\
manifestVersion: 2.0
deviceId: HD-0001
eraseDevice: yes
bucket: amzn-s3-demo-bucket
accessKeyId: AKIAIOSFODNN7EXAMPLE
returnAddress:
    name: Jane Roe
    company: Example Corp.
    street1: 123 Any Street
    city: Anytown
    stateOrProvince: WA
    postalCode: 91011-1111
    phoneNumber: 206-555-1111
    country: USA
";

/// Everything that runs. Dropping it removes the directory.
pub(super) struct Setup {
    /// The proxy's address.
    pub(super) address: SocketAddr,
    /// The endpoint's URL.
    pub(super) endpoint: String,
    /// The directory with identity, sealed key and CA certificate.
    pub(super) directory: TempDir,
    proxy: Running,
    sandbox: sandbox::Running,
}

impl Setup {
    /// Starts everything. The receiver gets every request that the sandbox receives.
    pub(super) fn start() -> Result<(Self, Receiver<Observation>), Failure> {
        let directory = tempfile::Builder::new().prefix("countersign-demo-").tempdir().map_err(|e| system(&e))?;
        let key = make_keys(&directory)?;
        let authority = Authority::generate(clock::now()).map_err(|e| system(&e))?;
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).map_err(|e| system(&e))?;
        let identity = authority.issue(&["localhost", "127.0.0.1"]).map_err(|e| system(&e))?;

        let (seen, received) = mpsc::channel();
        let configuration = Configuration {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            transport: Transport::Tls(identity),
            keys: vec![key],
            pacing: Some(PACING),
        };
        let observer = Box::new(move |observation: &Observation| {
            // no receiver: the demonstration is over
            let _received = seen.send(observation.clone());
        });
        let sandbox = sandbox::start(configuration, Some(observer)).map_err(|e| system(&e))?;
        let endpoint = format!("https://{}/", sandbox.address());
        let proxy = start_proxy(&directory, &endpoint)?;
        let address = proxy.tcp_address().ok_or_else(|| Failure::new(ExitCode::Bug, "the proxy has no listener"))?;
        Ok((Self { address, endpoint, directory, proxy, sandbox }, received))
    }

    /// Whether the proxy listens on another port than the default one.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.address.port() != DEFAULT_PORT
    }

    /// Stops everything; the receiver of requests closes with the sandbox.
    pub(super) async fn stop(mut self) -> Drained {
        let drained = self.proxy.drain(DRAIN).await;
        self.sandbox.stop();
        drained
    }
}

/// Makes an identity and seals AWS's documented example key to it. The sandbox accepts the same key.
fn make_keys(directory: &TempDir) -> Result<HeldKey, Failure> {
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{EXAMPLE_ID}","SecretAccessKey":"{EXAMPLE_SECRET}"}}"#);
    let identities = Identities::generate();
    let sealed = seal(json.as_bytes(), &identities.recipients())?;
    for (name, contents) in [("identity.txt", identities.to_file(clock::now()).as_slice()), ("main.age", &sealed)] {
        write_secret_file(&directory.path().join(name), contents, Existing::Refuse).map_err(|e| system(&e))?;
    }
    document::parse(json.as_bytes()).map(HeldKey::new).map_err(|e| system(&e))
}

fn start_proxy(directory: &TempDir, endpoint: &str) -> Result<Running, Failure> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let port = if TcpListener::bind(default).is_ok() { DEFAULT_PORT } else { 0 };
    let path = |name: &str| toml::Value::from(directory.path().join(name).display().to_string());
    let text = format!(
        "[listener.demo]\naddress = \"127.0.0.1:{port}\"\nany_local = true\n\
         [route.importexport]\nendpoint = \"{endpoint}\"\nca_file = {}\n\
         [key.main]\nfile = {}\nidentity_file = {}\n\
         [process]\nworkers = 1\n",
        path("ca.pem"),
        path("main.age"),
        path("identity.txt")
    );
    let settings = config::parse(&text, "demo", []).map_err(|e| Failure::because(ExitCode::Bug, &e))?;
    let (graph, keys) = Graph::build(settings, None).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(|e| Failure::because(ExitCode::Bug, e).message).collect();
        Failure::new(ExitCode::Bug, errors.join("\n"))
    })?;
    Bound::bind(graph).and_then(|bound| bound.start(keys)).map_err(|e| system(&e))
}

/// SIGINT and SIGTERM. They are handled from the start, so that an early one ends the demonstration cleanly too.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    pub(super) fn new() -> Result<Self, Failure> {
        let handle = |kind| signal(kind).map_err(|e| system(&e));
        let both = Self { interrupt: handle(SignalKind::interrupt())?, terminate: handle(SignalKind::terminate())? };
        first_process::leave_signals_to_command();
        Ok(both)
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}
