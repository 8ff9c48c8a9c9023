//! What the kernel knows of this process, under the names that every Prometheus client uses (`process_...`).

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::fs::{RawDir, SeekFrom, fstat, seek};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The unit of times in `/proc/PID/stat`, as user space sees it on every architecture that Rust's standard library has.
const TICKS_PER_SECOND: u64 = 100;
/// The field `starttime` of `/proc/PID/stat`, counted from the one behind the name (proc_pid_stat(5)).
const START_TIME: usize = 19;

/// Files of `/proc/self`, open since before the process was confined: it cannot open them later. Each may be missing,
/// and then what it tells is.
#[derive(Debug)]
pub(crate) struct OwnProcess {
    status: Option<File>,
    descriptors: Option<File>,
    started: Option<f64>,
}

/// What they say at one moment.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    cpu: Option<f64>,
    /// Bytes of memory in RAM.
    pub(crate) resident: Option<u64>,
    size: Option<u64>,
    threads: Option<u64>,
    pub(crate) descriptors: Option<u64>,
    pub(crate) most_descriptors: Option<u64>,
    started: Option<f64>,
}

impl OwnProcess {
    /// Opens the files. `now` is the time.
    pub(crate) fn open(now: Timestamp) -> Self {
        Self {
            status: File::open("/proc/self/status").ok(),
            descriptors: File::open("/proc/self/fd").ok(),
            started: started(now),
        }
    }

    /// Registers what is known now.
    pub(super) fn register(&self, registry: &mut Registry) {
        let Usage { cpu, resident, size, threads, descriptors, most_descriptors, started } = self.usage();
        if let Some(seconds) = cpu {
            let help = "CPU time of the process, in user space and in the kernel";
            registry.register_with_unit("process_cpu", help, Unit::Seconds, ConstCounter::new(seconds));
        }
        let bytes = [
            ("process_resident_memory", resident, "Memory of the process that is in RAM"),
            ("process_virtual_memory", size, "Address space of the process; most of it is never used"),
        ];
        for (name, value, help) in bytes {
            if let Some(value) = value {
                registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(value));
            }
        }
        let counts = [
            ("process_open_fds", descriptors, "Open file descriptors"),
            ("process_max_fds", most_descriptors, "How many file descriptors the process may have"),
            ("process_threads", threads, "Threads of the process"),
        ];
        for (name, value, help) in counts {
            if let Some(value) = value {
                registry.register(name, help, ConstGauge::new(value));
            }
        }
        if let Some(seconds) = started {
            let help = "When the process began, in Unix seconds";
            registry.register_with_unit("process_start_time", help, Unit::Seconds, ConstGauge::new(seconds));
        }
    }

    /// What is known now.
    pub(crate) fn usage(&self) -> Usage {
        let status = self.status.as_ref().and_then(|file| text(file).ok()).unwrap_or_default();
        let kibibytes = |name| Some(number(&status, name)?.saturating_mul(1024));
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Usage {
            cpu: Duration::try_from(cpu).ok().map(|cpu| cpu.as_secs_f64()),
            resident: kibibytes("VmRSS:"),
            size: kibibytes("VmSize:"),
            threads: number(&status, "Threads:"),
            descriptors: self.descriptors.as_ref().and_then(|directory| entries(directory).ok()),
            most_descriptors: getrlimit(Resource::Nofile).current,
            started: self.started,
        }
    }
}

/// When the process began: the kernel counts from its own start, on a clock that goes on during suspension.
fn started(now: Timestamp) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name, in parentheses, may have spaces and parentheses in it
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(START_TIME)?.parse().ok()?;
    // not by the clock itself: under valgrind, which hides the kernel's vDSO, rustix would read what is not mapped
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let since_boot = Duration::try_from_secs_f64(uptime.split_whitespace().next()?.parse().ok()?).ok()?;
    let began = Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND));
    let age = since_boot.saturating_sub(began);
    Some(Duration::try_from(now.as_duration()).ok()?.saturating_sub(age).as_secs_f64())
}

/// The file as it is now.
fn text(file: &File) -> io::Result<String> {
    let mut bytes = [0; 8192];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned())
}

/// The number in the line that begins with `name`.
fn number(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// How many entries the directory of descriptors has: since Linux 6.2 its size says so, before that they are counted.
fn entries(directory: &File) -> io::Result<u64> {
    match u64::try_from(fstat(directory)?.st_size) {
        Ok(size) if size > 0 => Ok(size),
        Ok(_) | Err(_) => counted(directory),
    }
}

fn counted(directory: &File) -> io::Result<u64> {
    seek(directory, SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut all = RawDir::new(directory, &mut buffer);
    let mut count = 0_u64;
    while let Some(entry) = all.next() {
        if !entry?.file_name().to_bytes().starts_with(b".") {
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use super::*;

    #[test]
    fn the_kernel_says_how_much_the_process_uses_and_since_when() {
        let now = crate::clock::now();
        let process = OwnProcess::open(now);
        let before = process.usage();
        let more: Vec<File> = (0..5).map(|_| File::open("/proc/self/stat").unwrap()).collect();
        let after = process.usage();
        assert!(after.descriptors.unwrap() >= 5 && after.most_descriptors.unwrap() > after.descriptors.unwrap());
        assert!(after.cpu >= before.cpu && after.cpu > Some(0.0), "{after:?}");
        assert!(after.resident.unwrap() > 1 << 20 && after.size >= after.resident, "{after:?}");
        assert!(after.threads.unwrap() >= 1);
        let age = now.as_second() as f64 - after.started.unwrap();
        assert!((-1.0..86_400.0).contains(&age), "{age} seconds old");
        drop(more);
    }

    #[test]
    fn the_entries_of_a_directory_are_counted_each_time_from_the_beginning() {
        let directory = tempfile::tempdir().unwrap();
        for name in 0..300 {
            std::fs::write(directory.path().join(name.to_string()), "").unwrap();
        }
        let opened = File::open(directory.path()).unwrap();
        assert_eq!([(); 2].map(|()| counted(&opened).unwrap()), [300; 2]);
    }

    #[test]
    fn numbers_are_found_by_their_names() {
        let status = "Name:\tx\nVmSize:\t  12 kB\nThreads:\t3\nVmSizes:\t9 kB\n";
        assert_eq!(number(status, "VmSize:"), Some(12));
        assert_eq!(number(status, "Threads:"), Some(3));
        assert_eq!(number(status, "VmRSS:"), None);
    }
}
