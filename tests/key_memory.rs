//! After a key is loaded, and after it is replaced, no copy of its secret is left anywhere in the process: its memory is read.

// clippy.toml allows these in tests, but does not see that the helpers of this file are part of them
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::credentials::{Identities, KeySlot, SealedFile};
use jiff::Timestamp;
use uuid::Uuid;

/// Names the directory to the other process.
const DIRECTORY: &str = "COUNTERSIGN_TEST_DIRECTORY";

/// The process that is looked at: loads whenever it is told to, and says what became of it.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn the_process_that_loads() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("run by the other test"));
    let store = SealedFile::new(directory.join("key.age"), directory.join("id"));
    let slot = KeySlot::new("main");
    for _ in std::io::stdin().lock().lines() {
        let outcome = slot.refresh(&store);
        println!("refreshed: {:?}", outcome.map_err(|error| error.to_string()));
    }
}

/// The other process.
struct Loader {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Loader {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "the_process_that_loads", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output).lines() }
    }

    fn refresh(&mut self) {
        self.input.write_all(b"\n").unwrap();
        let line = self.output.by_ref().map(Result::unwrap).find(|line| line.contains("refreshed: ")).unwrap();
        assert!(line.contains("Ok(Changed)"), "{line}");
    }

    /// Where in the process's memory any of `needles` is.
    fn find(&self, needles: &[(String, Vec<u8>)]) -> Vec<String> {
        let id = self.process.id();
        let memory = File::open(format!("/proc/{id}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let mut found = Vec::new();
        let mut scanned = 0;
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (start, end) = map.split_once(' ').unwrap().0.split_once('-').unwrap();
            let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // guard pages and the like cannot be read, and hold nothing
            if memory.read_exact_at(&mut bytes, start).is_err() {
                continue;
            }
            scanned += bytes.len();
            for (name, needle) in needles {
                let count = bytes.windows(needle.len()).filter(|window| window == needle).count();
                if count > 0 {
                    found.push(format!("{count} x {name} in {}", map.split_whitespace().last().unwrap()));
                }
            }
        }
        assert!(scanned > 1024 * 1024, "only {scanned} bytes of memory could be read");
        found
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// 40 characters that were never a secret before, as long as AWS's.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).chars().take(40).collect()
}

/// The secret's halves, as they are and as HMAC (RFC 2104) keeps them: key XOR ipad, key XOR opad.
fn traces(name: &str, secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let halves = secret.chunks(secret.len() / 2).zip(["first half", "second half"]);
    let masks = [(0, "plain"), (0x36, "ipad"), (0x5c, "opad")];
    halves
        .flat_map(|(half, which)| {
            masks.map(|(mask, how)| {
                (format!("{name} secret, {which}, {how}"), half.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>())
            })
        })
        .collect()
}

#[test]
fn a_loaded_key_leaves_no_copy_of_its_secret_in_memory_nor_does_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identities::generate();
    let file = identity.to_file(Timestamp::UNIX_EPOCH);
    write_secret_file(&directory.path().join("id"), &file, Existing::Refuse).unwrap();
    let publish = |id: &str, secret: &str| {
        let document = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
        let sealed = seal(document.as_bytes(), &identity.recipients()).unwrap();
        write_secret_file(&directory.path().join("key.age"), &sealed, Existing::Replace).unwrap();
    };
    let line = file.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"AGE-SECRET-KEY-1")).unwrap();
    let (first, second) = (secret(), secret());
    let mut needles = traces("first", first.as_bytes());
    needles.extend(traces("second", second.as_bytes()));
    needles.push(("identity".to_owned(), line.get(16..40).unwrap().to_vec()));

    let mut loader = Loader::start(directory.path());
    publish("AKIAIOSFODNN7EXAMPLE", &first);
    loader.refresh();
    // what has to be there is found: the scan sees the memory of the right process
    assert!(!loader.find(&[("id".to_owned(), b"AKIAIOSFODNN7EXAMPLE".to_vec())]).is_empty());
    assert_eq!(loader.find(&needles), Vec::<String>::new());
    publish("AKIAI44QH8DHBEXAMPLE", &second);
    loader.refresh();
    assert_eq!(loader.find(&needles), Vec::<String>::new());
}
