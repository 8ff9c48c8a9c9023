//! One signature from a key in memory, from a token in the same process, and from a token behind its agent, as `run`
//! has it.
//!
//! `cargo bench --bench token`; needs SoftHSM (Debian: softhsm2), which is the token. What a real device costs comes on
//! top.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark fails by panicking

use std::future::poll_fn;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::task::Poll;
use std::time::{Duration, Instant};

use countersign::credentials::agent::{self, ORDER};
use countersign::credentials::pkcs11::{
    Keeper, KeyType, ReadableSecret, Seat, TokenAddress, TokenKey, TokenStore, import,
};
use countersign::credentials::seal::{Existing, write_secret_file};
use countersign::credentials::stores::ordered;
use countersign::credentials::{AccessKeyId, ActiveKey, KeyStore as _, SecretAccessKey, SignatureMethod, SigningKey};
use criterion::Criterion;

const DIRECTORY: &str = "COUNTERSIGN_BENCH_DIRECTORY";
const METHOD: SignatureMethod = SignatureMethod::HmacSha256;
/// As long as the string to sign of an ordinary request.
const MESSAGE: [u8; 400] = [b'a'; 400];
/// Requests under way at a time, where many are.
const MANY: usize = 32;

fn main() {
    // the agent is this very program
    if std::env::args().nth(1).as_deref() == Some("key-agent") {
        let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
        return agent::serve(&std::env::var(ORDER).unwrap(), ordered, socket).unwrap();
    }
    match std::env::var_os(DIRECTORY) {
        Some(directory) => measure(Path::new(&directory)),
        None => again_with_a_token(),
    }
}

/// SoftHSM finds its token by a variable of the environment, which a program cannot set for itself.
fn again_with_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("tokens")).unwrap();
    let configuration = format!("directories.tokendir = {}\nlog.level = ERROR\n", path("tokens").display());
    std::fs::write(path("softhsm2.conf"), configuration).unwrap();
    write_secret_file(&path("pin"), b"123456", Existing::Refuse).unwrap();
    let with_token = |command: &mut Command| {
        let status = command.env("SOFTHSM2_CONF", path("softhsm2.conf")).env(DIRECTORY, directory.path()).status();
        assert!(status.expect("SoftHSM is installed").success());
    };
    let initialise = ["--init-token", "--free", "--label", "bench", "--pin", "123456", "--so-pin", "12345678"];
    with_token(Command::new("softhsm2-util").args(initialise));
    with_token(Command::new(std::env::current_exe().unwrap()).args(std::env::args_os().skip(1)));
}

fn measure(directory: &Path) {
    let secret = SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap();
    let key = TokenKey {
        module: module(),
        address: TokenAddress {
            token: Some("bench".to_owned()),
            object: Some("bench".to_owned()),
            ..TokenAddress::default()
        },
        pin: directory.join("pin"),
        sessions: 2,
        max_message: 64 * 1024,
        readable: ReadableSecret::Refuse,
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("400 B, HMAC-SHA256");

    let held = SigningKey::new(&secret);
    group.bench_function("key in memory", |bencher| bencher.iter(|| held.mac(METHOD, &MESSAGE)));

    import(&key, KeyType::GenericSecret, &[METHOD], &secret).unwrap();
    let keeper = Keeper::new(key.clone());
    keeper.load().unwrap();
    let mut seat = Seat::default();
    group.bench_function("SoftHSM, same process", |bencher| {
        bencher.iter(|| keeper.sign(&mut seat, &METHOD.into(), &MESSAGE).unwrap());
    });

    let environment = vec![("SOFTHSM2_CONF".into(), directory.join("softhsm2.conf").into())];
    let id = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap();
    let store = TokenStore::start("bench", id, key, (256, Duration::from_secs(5)), environment).unwrap();
    let remote = store.load().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    group.bench_function("SoftHSM, its agent, one at a time", |bencher| {
        bencher.iter(|| runtime.block_on(remote.mac(&METHOD.into(), &MESSAGE)).ok().unwrap());
    });
    group.bench_function(format!("SoftHSM, its agent, {MANY} at a time, each"), |bencher| {
        bencher.iter_custom(|count| runtime.block_on(many_at_a_time(&remote, count)));
    });
    group.finish();
    criterion.final_summary();
}

/// How long `count` signatures take when there are always [`MANY`] under way.
async fn many_at_a_time(key: &ActiveKey, count: u64) -> Duration {
    let left = std::cell::Cell::new(count);
    let began = Instant::now();
    let client = async || {
        while let Some(rest) = left.get().checked_sub(1) {
            left.set(rest);
            key.mac(&METHOD.into(), &MESSAGE).await.ok().unwrap();
        }
    };
    // all on one thread, as a worker has its exchanges
    let mut clients: Vec<_> = (0..MANY).map(|_| Box::pin(client())).collect();
    poll_fn(|context| {
        clients.retain_mut(|client| client.as_mut().poll(context).is_pending());
        if clients.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    began.elapsed()
}

fn module() -> PathBuf {
    let library = "softhsm/libsofthsm2.so";
    let places = ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    places
        .map(|place| Path::new(place).join(library))
        .into_iter()
        .find(|path| path.exists())
        .expect("SoftHSM is installed")
}
