//! What the kernel knows of a process: its processor time, its memory, its system calls.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The processor of the proxy, and that of load and endpoint.
pub const PROXY_CPU: usize = 0;
pub const LOAD_CPU: usize = 1;

/// Keeps this thread, and those it starts, on one processor.
pub fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    sched_setaffinity(None, &cpus).unwrap();
}

/// As many descriptors as the system gives.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A process and its children.
pub fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(family);
    std::iter::once(pid).chain(children).collect()
}

/// Processor time of all threads, from the scheduler's own nanoseconds.
pub fn cpu(pids: &[u32]) -> Duration {
    let tasks = pids.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).unwrap());
    let times = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default());
    Duration::from_nanos(times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
}

/// A line of /proc/PID/status, summed over processes, in KiB.
pub fn memory(pids: &[u32], line: &str) -> u64 {
    let status = pids.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default());
    status
        .filter_map(|text| {
            text.lines().find_map(|l| l.strip_prefix(line)?.split_whitespace().next()?.parse::<u64>().ok())
        })
        .sum()
}

/// The threads called `worker-N`, or all threads if there are none.
fn serving_threads(pids: &[u32]) -> Vec<u32> {
    let tasks = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let ids = pids.iter().flat_map(tasks).map(|task| task.unwrap().file_name().into_string().unwrap().parse().unwrap());
    let threads: Vec<u32> = ids.collect();
    let is_worker =
        |thread: &u32| fs::read_to_string(format!("/proc/{thread}/comm")).is_ok_and(|name| name.starts_with("worker-"));
    let workers: Vec<u32> = threads.iter().copied().filter(is_worker).collect();
    if workers.is_empty() { threads } else { workers }
}

/// System calls of the threads of `pids` that serve requests, while `work` runs, divided by the number that `work`
/// returns. Other threads are left out: they run at fixed times, so they make too many calls for each request while
/// strace slows requests down.
pub fn system_calls(pids: &[u32], work: impl FnOnce() -> u64) -> f64 {
    let threads = serving_threads(pids);
    let mut strace = Command::new("strace");
    strace.args(["-c", "-qq"]).stdout(Stdio::null()).stderr(Stdio::piped());
    for thread in &threads {
        strace.args(["-p", &thread.to_string()]);
    }
    let child = strace.spawn().unwrap();
    let traced = || threads.iter().all(|thread| memory(&[*thread], "TracerPid:") != 0);
    while !traced() {
        std::thread::yield_now();
    }
    let answers = work();
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let total = text.lines().find(|line| line.trim_end().ends_with(" total")).unwrap_or_default();
    let calls: f64 = total.split_whitespace().nth(3).and_then(|calls| calls.parse().ok()).unwrap_or(f64::NAN);
    calls / answers as f64
}
