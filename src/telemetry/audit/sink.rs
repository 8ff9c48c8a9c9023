//! Where lines end up: a file that may be rotated from outside, standard output, or the socket of a logging daemon.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Target;
use crate::guarded_file::{GuardError, check_appended, open_appended};

const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

/// A daemon that accepts nothing for this long counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) enum Sink {
    Stream(Stream),
    Datagrams(Datagrams),
}

/// A file or standard output.
pub(super) struct Stream {
    path: Option<PathBuf>,
    file: Option<File>,
    /// How many bytes of the current line are written: a disk may fill up in the middle of it, and the rest is to
    /// follow.
    done: usize,
}

pub(super) struct Datagrams {
    path: PathBuf,
    framing: Framing,
    socket: Option<UnixDatagram>,
}

/// What a daemon's protocol puts before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// `KEY=value` lines, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
    Journal,
    /// RFC 3164 without the time, which would be local time of an unknown zone. The daemon adds its own; the line has
    /// ours.
    Syslog,
}

/// The target as messages name it.
pub(super) fn describe(target: &Target) -> String {
    match target {
        Target::File(path) => path.display().to_string(),
        Target::Stdout => "standard output".to_owned(),
        Target::Journald => format!("the journal ({JOURNAL})"),
        Target::Syslog => format!("syslog ({SYSLOG})"),
    }
}

impl Sink {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::File(path) => {
                Ok(Self::Stream(Stream { file: Some(open(path)?), path: Some(path.clone()), done: 0 }))
            }
            // a duplicate of the descriptor, to write without the buffer of `std::io::Stdout`
            Target::Stdout => {
                let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                Ok(Self::Stream(Stream { file: Some(file), path: None, done: 0 }))
            }
            Target::Journald => Datagrams::connect(JOURNAL.into(), Framing::Journal).map(Self::Datagrams),
            Target::Syslog => Datagrams::connect(SYSLOG.into(), Framing::Syslog).map(Self::Datagrams),
        }
    }

    /// Whether [`Sink::open`] would succeed. Makes no file and writes nothing.
    pub(super) fn check(target: &Target) -> io::Result<()> {
        match target {
            Target::File(path) => check_appended(path).map_err(unsafe_to_write),
            Target::Stdout => Ok(()),
            Target::Journald => connect(Path::new(JOURNAL)).map(drop),
            Target::Syslog => connect(Path::new(SYSLOG)).map(drop),
        }
    }

    /// Writes a line, or the rest of one that was written in part.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write(line),
            Self::Datagrams(datagrams) => datagrams.write(line),
        }
    }

    /// Closes the file, so that the next line opens the one that has its name then.
    pub(super) fn reopen(&mut self) {
        match self {
            Self::Stream(stream) if stream.path.is_some() => stream.file = None,
            Self::Stream(_) | Self::Datagrams(_) => {}
        }
    }

    /// Closes the file if another file, or none, has its name.
    pub(super) fn follow(&mut self) {
        match self {
            Self::Stream(stream) => {
                if let (Some(path), Some(file)) = (&stream.path, &stream.file)
                    && !is_same(path, file)
                {
                    stream.file = None;
                }
            }
            Self::Datagrams(_) => {}
        }
    }
}

impl Stream {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let file = match (&mut self.file, &self.path) {
            (Some(file), _) => file,
            (None, Some(path)) => {
                // a new file begins with a complete line
                self.done = 0;
                self.file.insert(open(path)?)
            }
            (None, None) => return Err(io::ErrorKind::NotConnected.into()),
        };
        while let Some(rest) = line.get(self.done..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.done = self.done.saturating_add(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.done = 0;
        Ok(())
    }
}

/// Also when the file is made anew: what others have put in its place is not written to.
fn open(path: &Path) -> io::Result<File> {
    open_appended(path).map_err(unsafe_to_write)
}

fn unsafe_to_write(error: GuardError) -> io::Error {
    error.into_io().unwrap_or_else(|objection| {
        let kind = if objection.is_permissions() { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
        io::Error::new(kind, objection)
    })
}

fn is_same(path: &Path, file: &File) -> bool {
    let identity = |metadata: io::Result<std::fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    let ours = identity(file.metadata());
    ours.is_some() && ours == identity(path.symlink_metadata())
}

impl Datagrams {
    fn connect(path: PathBuf, framing: Framing) -> io::Result<Self> {
        let socket = connect(&path)?;
        Ok(Self { path, framing, socket: Some(socket) })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut message = match self.framing {
            Framing::Journal => b"PRIORITY=6\nSYSLOG_IDENTIFIER=countersign-audit\nMESSAGE=".to_vec(),
            // facility 13, "log audit"; severity 6, "informational"
            Framing::Syslog => format!("<110>countersign-audit[{}]: ", std::process::id()).into_bytes(),
        };
        message.extend_from_slice(line);
        if self.framing == Framing::Syslog {
            message.pop();
        }
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(&self.path)?,
        };
        // on an error the socket is dropped: a daemon that was restarted has another one, to which the next attempt
        // connects
        socket.send(&message)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(path)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_get_the_line_in_their_own_frame_and_a_restarted_one_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut received = [0; 256];
        for (framing, start, end) in [
            (Framing::Journal, "PRIORITY=6\nSYSLOG_IDENTIFIER=countersign-audit\nMESSAGE=", "{}\n"),
            (Framing::Syslog, "<110>countersign-audit[", "]: {}"),
        ] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            let mut sink = Datagrams::connect(path.clone(), framing).unwrap();
            sink.write(b"{}\n").unwrap();
            let length = daemon.recv(&mut received).unwrap();
            let text = String::from_utf8_lossy(&received[..length]).into_owned();
            assert!(text.starts_with(start) && text.ends_with(end), "{text}");

            drop(daemon);
            std::fs::remove_file(&path).unwrap();
            assert!(sink.write(b"{}\n").is_err());
            let _daemon = UnixDatagram::bind(&path).unwrap();
            sink.write(b"{}\n").unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }
}
