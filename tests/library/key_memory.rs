//! A thread that has just loaded a key, or just signed with it, has left nothing of it behind: the memory of its
//! process is read.
//!
//! `tests/outside/memory` looks at the whole service, where the next call may overwrite what the one before left on the
//! stack. Here the thread makes no other call, so nothing is overwritten.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;

use countersign::credentials::seal::{Existing, seal, write_secret_file};
use countersign::credentials::{Identities, KeySlot, KeyStore, PlainFile, SealedFile, SignatureMethod};
use jiff::Timestamp;
use sha1::block_api::compress as sha1_compress;
use sha2::block_api::compress256 as sha256_compress;
use uuid::Uuid;

use crate::harness::own_process;

/// Name the directory and the store to the other process.
const DIRECTORY: &str = "COUNTERSIGN_TEST_DIRECTORY";
const STORE: &str = "COUNTERSIGN_TEST_STORE";

/// A fragment of this many bytes is found.
const FRAGMENT: usize = 12;

/// The process that is looked at. Line by line a thread loads and signs, in turn, and then stands still.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn the_process_that_loads() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("run by the other tests"));
    let store: Box<dyn KeyStore> = match std::env::var(STORE).unwrap().as_str() {
        "sealed" => Box::new(SealedFile::new(directory.join("key"), directory.join("id"))),
        "file" => Box::new(PlainFile::new(directory.join("key"))),
        other => panic!("{other}"),
    };
    let (begin, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (begun, ended) = (Arc::clone(&begin), Arc::clone(&end));
    thread::spawn(move || {
        let slot = KeySlot::new("main");
        loop {
            begun.wait();
            let loaded = slot.refresh(store.as_ref()).is_ok();
            ended.wait();
            begun.wait();
            let key = slot.current(Timestamp::UNIX_EPOCH).unwrap();
            for method in [SignatureMethod::HmacSha256, SignatureMethod::HmacSha1] {
                let _mac = key.signing_key().held().unwrap().mac(method, &[b'x'; 300]);
            }
            ended.wait();
            assert!(loaded);
        }
    });
    for _ in std::io::stdin().lock().lines() {
        begin.wait();
        end.wait();
        println!("done");
    }
}

/// The other process.
struct Loader {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Loader {
    fn start(directory: &Path, store: &str) -> Self {
        let mut process = own_process(module_path!(), "the_process_that_loads")
            .env(DIRECTORY, directory)
            .env(STORE, store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output).lines() }
    }

    /// Has the thread make its next step.
    fn step(&mut self) {
        self.input.write_all(b"\n").unwrap();
        self.output.by_ref().map(Result::unwrap).find(|line| line.ends_with("done")).expect("a step");
    }

    /// Where in the process's memory any of `needles` is.
    fn find(&self, needles: &Needles) -> Vec<String> {
        let id = self.process.id();
        let memory = File::open(format!("/proc/{id}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let (mut found, mut scanned) = (Vec::new(), 0);
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (start, end) = map.split_once(' ').unwrap().0.split_once('-').unwrap();
            let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // memory for secrets cannot be read, nor can guard pages
            if memory.read_exact_at(&mut bytes, start).is_err() {
                continue;
            }
            scanned += bytes.len();
            if let Some(at) = needles.first_in(&bytes) {
                found.push(format!("at {:x} in {map}", start + u64::try_from(at).unwrap()));
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

/// Byte strings of one length.
struct Needles {
    all: HashSet<[u8; FRAGMENT]>,
    beginnings: Vec<bool>,
}

impl Needles {
    fn new(all: impl IntoIterator<Item = [u8; FRAGMENT]>) -> Self {
        let all: HashSet<_> = all.into_iter().collect();
        let mut beginnings = vec![false; 1 << 16];
        for needle in &all {
            beginnings[usize::from(u16::from_le_bytes([needle[0], needle[1]]))] = true;
        }
        Self { all, beginnings }
    }

    /// Every part of `secret`, as it is and as HMAC (RFC 2104) keeps it: key XOR ipad, key XOR opad.
    fn of_secret(secret: &[u8]) -> Self {
        let masked = [0, 0x36, 0x5c].map(|mask| secret.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>());
        Self::new(masked.iter().flat_map(|bytes| bytes.windows(FRAGMENT)).map(|part| part.try_into().unwrap()))
    }

    /// The states of both hashes after the padded key, with which one signs without the secret.
    fn of_states(secret: &[u8]) -> Self {
        let mut words: Vec<Vec<u32>> = Vec::new();
        for mask in [0x36, 0x5c] {
            let mut block = [mask; 64];
            for (byte, secret) in block.iter_mut().zip(secret) {
                *byte ^= secret;
            }
            // FIPS 180-4, sections 5.3.3 and 5.3.1
            let mut sha256 = [
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ];
            let mut sha1 = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
            sha256_compress(&mut sha256, &[block]);
            sha1_compress(&mut sha1, &[block]);
            words.extend([sha256.to_vec(), sha1.to_vec()]);
        }
        let bytes = |words: &[u32]| -> [u8; FRAGMENT] {
            words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>().try_into().unwrap()
        };
        Self::new(words.iter().flat_map(|words| words.windows(3)).map(bytes))
    }

    fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(FRAGMENT).position(|window| {
            self.beginnings[usize::from(u16::from_le_bytes([window[0], window[1]]))] && self.all.contains(window)
        })
    }
}

/// 40 characters that were never a secret before, as long as AWS's.
fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).chars().take(40).collect()
}

fn look_at(store: &str) {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identities::generate();
    let file = identity.to_file(Timestamp::UNIX_EPOCH);
    write_secret_file(&directory.path().join("id"), &file, Existing::Refuse).unwrap();
    let publish = |id: &str, secret: &str| {
        let document = format!(r#"{{"Version":1,"AccessKeyId":"{id}","SecretAccessKey":"{secret}"}}"#);
        let kept = match store {
            "sealed" => seal(document.as_bytes(), &identity.recipients()).unwrap(),
            _ => document.into_bytes(),
        };
        write_secret_file(&directory.path().join("key"), &kept, Existing::Replace).unwrap();
    };
    let line = file.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"AGE-SECRET-KEY-1")).unwrap();
    let (first, second) = (secret(), secret());
    let identity_needles = Needles::of_secret(&line[16..]);

    let mut loader = Loader::start(directory.path(), store);
    for (id, secret) in [("AKIAIOSFODNN7EXAMPLE", &first), ("AKIAI44QH8DHBEXAMPLE", &second)] {
        publish(id, secret);
        loader.step();
        // what has to be there is found: the scan sees the memory of the right process
        assert!(!loader.find(&Needles::new([id.as_bytes()[..FRAGMENT].try_into().unwrap()])).is_empty());
        for secret in [&first, &second] {
            assert_eq!(
                loader.find(&Needles::of_secret(secret.as_bytes())),
                Vec::<String>::new(),
                "a secret after loading"
            );
        }
        assert_eq!(loader.find(&identity_needles), Vec::<String>::new(), "the identity after loading");
        loader.step();
        for secret in [&first, &second] {
            assert_eq!(
                loader.find(&Needles::of_secret(secret.as_bytes())),
                Vec::<String>::new(),
                "a secret after signing"
            );
            assert_eq!(
                loader.find(&Needles::of_states(secret.as_bytes())),
                Vec::<String>::new(),
                "a state after signing"
            );
        }
    }
}

#[test]
fn a_sealed_key_leaves_nothing_after_loading_and_signing() {
    look_at("sealed");
}

#[test]
fn a_plain_key_leaves_nothing_after_loading_and_signing() {
    look_at("file");
}
