//! A process that runs until it is stopped, and what it writes.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::log::Log;

/// A running process. Dropping it kills it.
pub struct Running {
    child: Child,
    pub log: Log,
}

impl Running {
    /// Starts a command whose standard error is kept.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let log = Log::follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Starts a command of which both streams are kept, line by line, in one log.
    #[track_caller]
    pub fn start_with_output(command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = spawn(command.stdout(writer.try_clone().unwrap()).stderr(writer));
        // the command keeps its ends of the pipe for as long as it is kept itself
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self { child, log: Log::follow(reader) }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A path in `/proc/PID`.
    pub fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the process to end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.log.to_the_end();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[track_caller]
fn spawn(command: &mut Command) -> Child {
    spawn_when_free(command).unwrap()
}

/// Starts a program that may just have been copied: it is busy for as long as a process that was forked meanwhile has
/// it open for writing.
pub(super) fn spawn_when_free(command: &mut Command) -> io::Result<Child> {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            spawned => return spawned,
        }
    }
}
