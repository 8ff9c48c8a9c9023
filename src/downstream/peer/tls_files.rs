//! Every file of a TLS listener that cannot be used, where loading them ends at the first.

use std::path::Path;

use rustls::RootCertStore;

use super::pem;
use super::tls::{Clients, TlsError, TlsSettings};

/// Whether files that hold secrets are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretFiles {
    /// They are checked like the others.
    Opened,
    /// They are left out.
    LeftOut,
}

/// What is wrong with each of the files by itself, in the order in which they are configured. Whether they fit together
/// is seen only when they are loaded.
#[must_use]
pub fn unusable_files(settings: &TlsSettings, secrets: SecretFiles) -> Vec<TlsError> {
    let TlsSettings { certificate_file, key_file, clients, versions: _, session_lifetime: _ } = settings;
    let mut checked = vec![certificates(certificate_file)];
    match secrets {
        SecretFiles::Opened => checked.push(key(key_file)),
        SecretFiles::LeftOut => {}
    }
    match clients {
        Clients::Anonymous => {}
        Clients::Verified { ca_file, crl_files } => {
            checked.push(authorities(ca_file));
            checked.extend(crl_files.iter().map(|path| revocation_lists(path)));
        }
    }
    checked.into_iter().filter_map(Result::err).collect()
}

fn certificates(path: &Path) -> Result<(), TlsError> {
    Ok(pem::certificates(path, &pem::read(path)?).map(drop)?)
}

fn key(path: &Path) -> Result<(), TlsError> {
    Ok(pem::key(path, &pem::read_private(path)?).map(drop)?)
}

fn authorities(path: &Path) -> Result<(), TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(path, &pem::read(path)?)? {
        roots.add(authority).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(())
}

fn revocation_lists(path: &Path) -> Result<(), TlsError> {
    Ok(pem::revocation_lists(path, &pem::read(path)?).map(drop)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::downstream::peer::tls::Versions;
    use crate::error_chain::causes;

    #[test]
    fn every_file_is_named_and_secrets_only_when_they_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("ca.pem"), "no PEM").unwrap();
        let settings = TlsSettings {
            certificate_file: at("certificate.pem"),
            key_file: at("key.pem"),
            clients: Clients::Verified { ca_file: at("ca.pem"), crl_files: vec![at("one.crl"), at("two.crl")] },
            versions: Versions::From12,
            session_lifetime: Duration::from_secs(600),
        };
        let named = |secrets| -> Vec<String> {
            let all = unusable_files(&settings, secrets);
            let names = ["certificate.pem", "key.pem", "ca.pem", "one.crl", "two.crl"];
            all.iter()
                .map(|error| names.iter().find(|name| causes(error).contains(*name)).unwrap().to_string())
                .collect()
        };
        assert_eq!(named(SecretFiles::Opened), ["certificate.pem", "key.pem", "ca.pem", "one.crl", "two.crl"]);
        assert_eq!(named(SecretFiles::LeftOut), ["certificate.pem", "ca.pem", "one.crl", "two.crl"]);
    }
}
