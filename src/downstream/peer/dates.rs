//! When the certificates and revocation lists of a TLS listener are valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use crate::x509::{Standing, Validity};

/// A certificate or revocation list, which is valid for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dated {
    /// Our certificate, with the intermediate ones.
    Certificate,
    /// A list of revoked client certificates.
    RevocationList,
}

/// When the files of a listener are valid: a file with several certificates is valid while all of them are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates(BTreeMap<(Dated, PathBuf), Validity>);

/// A file that is not valid now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutOfDate {
    /// It has expired.
    #[error("{what} in {} has expired: it was valid until {ends}", .path.display())]
    Ended {
        /// What is in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its end.
        ends: Timestamp,
    },
    /// It is not valid yet.
    #[error("{what} in {} is not valid before {begins}; the clock of this machine says {now}", .path.display())]
    NotYet {
        /// What is in the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its beginning.
        begins: Timestamp,
        /// The time at which it was looked at, to the second.
        now: Timestamp,
    },
}

impl Dated {
    /// The words for it in a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "the certificate",
            Self::RevocationList => "the revocation list",
        }
    }
}

impl Dates {
    /// Adds what a file says; nothing where it does not say when it is valid.
    pub(super) fn add(&mut self, path: &Path, dated: Dated, validity: Option<Validity>) {
        if let Some(validity) = validity {
            let known = self.0.entry((dated, path.to_owned())).or_insert(validity);
            *known = known.and(validity);
        }
    }

    /// When our certificate is valid, and its file.
    pub(crate) fn certificate(&self) -> Option<(&Path, Validity)> {
        let mut all = self.0.iter().filter(|((dated, _), _)| *dated == Dated::Certificate);
        all.next().map(|((_, path), validity)| (path.as_path(), *validity))
    }

    /// When the first of the revocation lists ends.
    pub(crate) fn first_list_ends(&self) -> Option<Timestamp> {
        let lists = self.0.iter().filter(|((dated, _), _)| *dated == Dated::RevocationList);
        lists.map(|(_, validity)| validity.ends).min()
    }

    /// Whether all files are valid at `now`.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self, now: Timestamp) -> Result<(), OutOfDate> {
        for ((dated, path), validity) in &self.0 {
            let (what, path) = (dated.as_str(), path.clone());
            match validity.at(now) {
                Standing::Valid => {}
                Standing::Ended => return Err(OutOfDate::Ended { what, path, ends: validity.ends }),
                Standing::NotYet => {
                    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
                    return Err(OutOfDate::NotYet { what, path, begins: validity.begins, now });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_holds_as_long_as_everything_in_it() {
        let day = |begins: &str, ends: &str| Some(Validity { begins: at(begins), ends: at(ends) });
        let mut dates = Dates::default();
        let path = Path::new("tls.pem");
        dates.add(path, Dated::Certificate, day("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"));
        dates.add(path, Dated::Certificate, day("2025-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
        dates.add(Path::new("crl.pem"), Dated::RevocationList, None);
        assert_eq!(dates.certificate().unwrap().1.ends, at("2026-02-01T00:00:00Z"));
        assert_eq!(dates.first_list_ends(), None, "this one does not say when it ends");
        assert_eq!(dates.check(at("2026-01-15T00:00:00Z")), Ok(()));
        assert_eq!(
            dates.check(at("2026-02-15T00:00:00Z")).unwrap_err().to_string(),
            "the certificate in tls.pem has expired: it was valid until 2026-02-01T00:00:00Z"
        );
        assert_eq!(
            dates.check(at("2025-12-31T23:59:59.5Z")).unwrap_err().to_string(),
            "the certificate in tls.pem is not valid before 2026-01-01T00:00:00Z; the clock of this machine says \
             2025-12-31T23:59:59Z"
        );
        dates.add(Path::new("later.pem"), Dated::RevocationList, day("2026-01-01T00:00:00Z", "2026-01-09T00:00:00Z"));
        dates.add(Path::new("first.pem"), Dated::RevocationList, day("2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z"));
        assert_eq!(dates.first_list_ends(), Some(at("2026-01-08T00:00:00Z")));
    }
}
