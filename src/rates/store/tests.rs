//! The connection and the scripts with a real server: Debian's redis-server, which listens on a Unix socket of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Value;

use super::connection::{Connection, HINTS, LEASE, REPLICAS, ScriptCall};
use super::replies;
use super::thread::try_out;
use crate::rates::client_rates::SharingSettings;
use crate::rates::forecast::{Question, Reply};
use crate::rates::limits::{SharedLimits, SharedRate, Terms};
use crate::rates::location::{StoreAddress, StoreFault, StoreLocation, StoreServer};
use crate::rates::state::WhenUnavailable;

/// A server, which ends with this.
struct Server {
    process: Child,
    directory: tempfile::TempDir,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket", "v.sock"]).args(options);
        command.current_dir(directory.path()).stdout(Stdio::null());
        let process = command.spawn().expect("redis-server is installed: apt-get install redis-server");
        Self { process, directory }
    }

    fn at(&self, user: Option<&str>, password: Option<&str>) -> StoreServer {
        use std::os::unix::fs::PermissionsExt as _;
        let file: Option<PathBuf> = password.map(|password| {
            let path = self.directory.path().join("password");
            std::fs::write(&path, password).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        });
        let location = StoreLocation {
            address: StoreAddress::Unix(self.directory.path().join("v.sock")),
            tls: None,
            user: user.map(str::to_owned),
            password_file: file,
            database: 1,
        };
        StoreServer::new(location).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn settings() -> SharingSettings {
    SharingSettings {
        namespace: "n".to_owned(),
        ahead: Duration::from_millis(100),
        when_unavailable: WhenUnavailable::Local,
        hints: true,
    }
}

fn with_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Waits until the server listens.
async fn connected(server: &StoreServer) -> Connection {
    for _ in 0..600 {
        match Connection::open(server).await {
            Err(StoreFault::Connect(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            opened => return opened.unwrap(),
        }
    }
    panic!("the server does not listen")
}

fn terms(calls: u32, period: u64, burst: u32, quota: Option<u64>) -> Terms {
    let rate = Some(SharedRate { calls, period: Duration::from_secs(period), burst });
    SharedLimits { rate, quota }.terms(Duration::from_millis(100))
}

async fn lease(connection: &mut Connection, key: &str, terms: Terms, [wanted, returned, owed]: [u32; 3]) -> Reply {
    let question = Question { wanted, returned, owed };
    let arguments = replies::lease_arguments(terms, question, true);
    let call = ScriptCall { script: &LEASE, key, arguments };
    let values = connection.call(&[call]).await.unwrap();
    replies::lease(&values[0], question).unwrap()
}

async fn run(connection: &mut Connection, words: &[&str]) -> Value {
    connection.command(redis::cmd(words[0]).arg(&words[1..])).await.unwrap()
}

#[test]
fn a_server_leases_a_bucket_takes_tokens_back_and_lets_nobody_exceed_the_rate() {
    let server = Server::start(&[]);
    with_runtime(async {
        let mut store = connected(&server.at(None, None)).await;
        // one token in a quarter of an hour: the time that the test takes adds none
        let slow = terms(4, 3600, 10, None);
        let first = lease(&mut store, "k", slow, [4, 0, 0]).await;
        assert_eq!((first.granted, first.left, first.wait), (4, 6, 0));
        let second = lease(&mut store, "k", slow, [9, 0, 0]).await;
        assert_eq!((second.granted, second.left), (6, 0));
        assert!((890_000_000..=900_000_000).contains(&second.wait), "{second:?}");
        assert_eq!(lease(&mut store, "k", slow, [2, 3, 0]).await.granted, 2, "three were given back");
        assert_eq!(lease(&mut store, "k", slow, [0, 0, 4]).await.left, 0);
        assert_eq!(lease(&mut store, "k", slow, [5, 5, 0]).await.granted, 2, "three were owed");
        assert_eq!(lease(&mut store, "other", slow, [50, 0, 0]).await.granted, 10);
        // what is owed is no more than two buckets
        assert_eq!(lease(&mut store, "k", slow, [0, 0, 1000]).await.granted, 0);
        assert_eq!(lease(&mut store, "k", slow, [1, 11, 0]).await.granted, 1);
    });
}

#[test]
fn a_key_expires_when_its_bucket_is_full_and_its_day_is_over() {
    let server = Server::start(&[]);
    with_runtime(async {
        let mut store = connected(&server.at(None, None)).await;
        lease(&mut store, "rate", terms(10, 1, 10, None), [5, 0, 0]).await;
        let used = lease(&mut store, "day", terms(10, 1, 10, Some(7)), [5, 0, 0]).await;
        assert_eq!((used.granted, used.used), (5, 5));
        let day_left = i64::try_from(used.day_left).unwrap();
        let Value::Int(rate) = run(&mut store, &["PTTL", "rate"]).await else { panic!() };
        let Value::Int(day) = run(&mut store, &["PTTL", "day"]).await else { panic!() };
        assert!((1..=1500).contains(&rate), "{rate}");
        assert!(day <= day_left + 1000 && day > day_left - 60_000, "{day} {day_left}");
    });
}

#[test]
fn a_quota_is_counted_by_the_day_and_forgotten_on_the_next_one() {
    let server = Server::start(&[]);
    with_runtime(async {
        let mut store = connected(&server.at(None, None)).await;
        let terms = Terms { interval: 0.0, tolerance: 0.0, quota: 7 };
        assert_eq!(lease(&mut store, "k", terms, [5, 0, 0]).await.granted, 5);
        let rest = lease(&mut store, "k", terms, [5, 0, 0]).await;
        assert_eq!((rest.granted, rest.used), (2, 7));
        assert!((1..=86_400_000).contains(&rest.day_left));
        assert_eq!(lease(&mut store, "k", terms, [5, 3, 1]).await.granted, 2);
        run(&mut store, &["HINCRBY", "k", "day", "-1"]).await;
        assert_eq!(lease(&mut store, "k", terms, [9, 0, 0]).await.granted, 7);
        run(&mut store, &["HSET", "k", "tat", "nonsense", "day", "x", "used", "y"]).await;
        assert_eq!(lease(&mut store, "k", terms, [9, 0, 0]).await.granted, 7, "what others wrote counts as nothing");
    });
}

#[test]
fn a_server_that_has_forgotten_its_scripts_is_told_them_again_and_counts_each_call_once() {
    let server = Server::start(&[]);
    with_runtime(async {
        let mut store = connected(&server.at(None, None)).await;
        let slow = terms(4, 3600, 10, None);
        assert_eq!(lease(&mut store, "k", slow, [1, 0, 0]).await.left, 9);
        run(&mut store, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(lease(&mut store, "k", slow, [1, 0, 0]).await.left, 8);
        let beat = |name: &str| ScriptCall {
            script: &REPLICAS,
            key: "replicas",
            arguments: vec![name.to_owned(), "10".to_owned()],
        };
        let counted = store.call(&[beat("a"), beat("b"), beat("a")]).await.unwrap();
        let counted: Vec<u32> = counted.iter().map(|value| replies::replicas(value).unwrap()).collect();
        assert_eq!(counted, [1, 2, 2]);
    });
}

#[test]
fn a_user_without_its_password_a_full_server_and_a_read_only_one_are_refused_in_their_own_words() {
    let server = Server::start(&[]);
    let told = |fault: Result<(), StoreFault>| fault.unwrap_err().to_string();
    let limit = Duration::from_secs(30);
    with_runtime(async {
        let mut administrator = connected(&server.at(None, None)).await;
        let rights = "ACL SETUSER gateway on >marker ~countersign:* +select +@scripting +time +hmget +hset +pexpire \
                      +zadd +zremrangebyscore +expire +zcard +zrange";
        for command in [rights, "ACL SETUSER default off"] {
            run(&mut administrator, &command.split_whitespace().collect::<Vec<_>>()).await;
        }
        let good = server.at(Some("gateway"), Some("marker"));
        try_out(&good, &settings(), limit).await.unwrap();
        let wrong = told(try_out(&server.at(Some("gateway"), Some("not-marker")), &settings(), limit).await);
        assert!(wrong.contains("WRONGPASS") && !wrong.contains("marker"), "{wrong}");
        let nobody = told(try_out(&server.at(None, None), &settings(), limit).await);
        assert!(nobody.contains("NOAUTH"), "{nobody}");
    });
    let full = Server::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let replica = Server::start(&["--replicaof", "127.0.0.1 1"]);
    with_runtime(async {
        for (server, word) in [(full, "OOM"), (replica, "READONLY")] {
            let at = server.at(None, None);
            drop(connected(&at).await);
            let refused = told(try_out(&at, &settings(), limit).await);
            assert!(refused.contains(word) || refused.contains("MASTERDOWN"), "{refused}");
        }
    });
}

#[test]
fn a_server_that_quotes_the_password_in_its_error_is_not_quoted_itself() {
    // what a server does not know, it repeats with its arguments
    let server = Server::start(&["--rename-command", "AUTH", ""]);
    with_runtime(async {
        drop(connected(&server.at(None, None)).await);
        let at = server.at(Some("gateway"), Some("marker"));
        let refused = try_out(&at, &settings(), Duration::from_secs(30)).await.unwrap_err().to_string();
        assert!(refused.contains("ERR in response to AUTH") && !refused.contains("marker"), "{refused}");
    });
}

#[test]
fn a_report_ends_within_its_time_whoever_wrote_it() {
    let server = Server::start(&[]);
    with_runtime(async {
        let mut connection = connected(&server.at(None, None)).await;
        let names = async |connection: &mut Connection, own: &[&str]| {
            let arguments = ["10", "25"].iter().chain(own).map(|word| (*word).to_owned()).collect();
            let call = ScriptCall { script: &HINTS, key: "countersign:hints", arguments };
            replies::reported(&connection.call(&[call]).await.unwrap()[0]).unwrap()
        };
        let (ours, forever) = (format!("{:032x}", 1), format!("{:032x}", 2));
        assert_eq!(names(&mut connection, &[&ours]).await, [ours.clone()].into());
        let mut forged = redis::cmd("ZADD");
        forged.arg("countersign:hints").arg("+inf").arg(&forever).arg("1").arg("old");
        connection.command(&forged).await.unwrap();
        assert_eq!(names(&mut connection, &[]).await, [ours].into());
    });
}
