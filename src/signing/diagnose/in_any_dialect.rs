//! Finds out why a request of any dialect does not verify: has its verifier read it as it would have been for each
//! common mistake, until the signatures agree.

use super::cause::Cause;
use super::encoding::Encoding;
use super::request_line;
use crate::query::ShownName;
use crate::signing::dialect::Dialect;
use crate::signing::target::SigningTarget;
use crate::signing::verify::{Reading, Received, Verifier, VerifyingKey};

/// How many parameters are left out at most, one after the other.
const MAX_LEFT_OUT: usize = 200;

/// The longest body of which parts are varied, in bytes.
const LONGEST_VARIED: usize = 256 * 1024;

/// A request that the verifier can read, and whose signature does not match.
pub struct MismatchInDialect<'a> {
    /// How it is verified.
    pub verifier: &'a Verifier,
    /// The request.
    pub received: Received<'a>,
    /// The key that should have signed it.
    pub key: &'a VerifyingKey,
    /// Hosts for which it may have been signed. The first 16 are tried.
    pub other_hosts: &'a [&'a str],
    /// Paths for which it may have been signed, likewise.
    pub other_paths: &'a [&'a str],
}

/// The mistakes that explain the mismatch, of which there is at least one: [`Cause::WrongKeyOrValue`] if no other does.
#[must_use]
pub fn diagnose_in_dialect(mismatch: &MismatchInDialect<'_>) -> Vec<Cause> {
    let found = mismatch.method().or_else(|| mismatch.target());
    let found = found.or_else(|| {
        let is_short = mismatch.received.body.len() <= LONGEST_VARIED;
        is_short.then(|| mismatch.parameters().or_else(|| mismatch.encoding())).flatten()
    });
    found.unwrap_or_else(|| vec![Cause::WrongKeyOrValue])
}

impl MismatchInDialect<'_> {
    fn is_signed(&self, reading: Option<Reading>) -> bool {
        reading.is_some_and(|reading| reading.is_signed_by(self.key))
    }

    fn method(&self) -> Option<Vec<Cause>> {
        let reading = self.verifier.read(&self.received).ok()?;
        let behind_the_method = reading.string_to_sign.strip_prefix("POST")?;
        let is_get = reading.is_mac_of(format!("GET{behind_the_method}").as_bytes(), self.key);
        is_get.then(|| vec![Cause::MethodGet])
    }

    /// Other hosts and paths, in every combination.
    fn target(&self) -> Option<Vec<Cause>> {
        let received = self.received;
        let target = SigningTarget { host: received.host.to_owned(), path: received.path.to_owned() };
        let paths = request_line::paths(&target, self.other_paths);
        for (host, wrong_host) in request_line::hosts(&target, self.other_hosts) {
            for (path, wrong_path) in &paths {
                let varied = Received { host: &host, path, ..received };
                if self.is_signed(self.verifier.read(&varied).ok()) {
                    return Some([&wrong_host, wrong_path].into_iter().flatten().cloned().collect());
                }
            }
        }
        None
    }

    /// Without one parameter, or without those that are empty.
    fn parameters(&self) -> Option<Vec<Cause>> {
        let pieces: Vec<&[u8]> = self.received.body.split(|byte| *byte == b'&').collect();
        let matches_without = |is_left_out: &dyn Fn(usize, &[u8]) -> bool| {
            let kept = pieces.iter().enumerate().filter(|(index, piece)| !is_left_out(*index, piece));
            let body = kept.map(|(_, piece)| *piece).collect::<Vec<_>>().join(b"&".as_slice());
            self.is_signed(self.verifier.read(&Received { body: &body, ..self.received }).ok())
        };
        if matches_without(&|_, piece| piece.ends_with(b"=") || !piece.contains(&b'=')) {
            return Some(vec![Cause::EmptyValuesNotSigned]);
        }
        let left_out = pieces.iter().enumerate().take(MAX_LEFT_OUT);
        left_out.filter(|(index, _)| matches_without(&|other, _| other == *index)).map(|(_, piece)| named(piece)).next()
    }

    fn encoding(&self) -> Option<Vec<Cause>> {
        match self.verifier.dialect() {
            // what is a mistake elsewhere is right here
            Dialect::CloudStack | Dialect::TencentV1 => return None,
            // the body is hashed as it is sent
            Dialect::AwsV4 | Dialect::AlibabaAcs3 | Dialect::Volcengine => return None,
            Dialect::AwsV2
            | Dialect::OpenStack
            | Dialect::Nifcloud
            | Dialect::Eucalyptus
            | Dialect::AlibabaRpc
            | Dialect::QingCloud => {}
        }
        let matches = |encoding: &Encoding| {
            self.is_signed(self.verifier.read_written(&self.received, &|text| encoding.write(text)).ok())
        };
        Encoding::ALL.into_iter().find(matches).map(|encoding| vec![Cause::Encoding(encoding)])
    }
}

fn named(piece: &[u8]) -> Vec<Cause> {
    let name = form_urlencoded::parse(piece).next().map(|(name, _)| name.into_owned()).unwrap_or_default();
    vec![match name.as_str() {
        "SecurityToken" => Cause::SecurityTokenNotSigned,
        name => Cause::Parameter { name: ShownName::of(name) },
    }]
}
