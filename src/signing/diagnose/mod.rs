//! Finds out why a signature does not match: signs again with each common mistake until the signatures agree.
//!
//! A MAC either matches or does not, so every mistake must be tried. The work is bounded in two ways: by a fixed number
//! of attempts (about 500, and one for each of up to 200 parameters), and by [`BUDGET`] bytes in all.

mod cause;
pub mod echo;
mod encoding;
mod in_any_dialect;
mod refusal;
mod request_line;
mod rewrite;
mod signed_text;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use cause::{Cause, HostDifference, Order, PathDifference};
pub use encoding::Encoding;
pub use in_any_dialect::{MismatchInDialect, diagnose_in_dialect};
pub use refusal::{RefusalClass, classify};

use self::rewrite::{Rewritten, join, sent_parameters};
use super::in_form::write_canonical;
use super::target::SigningTarget;
use super::verify::SignatureClaim;
use crate::credentials::{SignatureMethod, SigningKey};
use crate::query::ShownName;

/// How many bytes are signed for one diagnosis at most. This takes some tenths of a second, and is enough for a form of
/// 256 KiB.
pub const BUDGET: usize = 160 * 1024 * 1024;

/// How many parameters are left out at most, one after the other.
const MAX_LEFT_OUT: usize = 200;

/// A request whose signature does not match.
pub struct Mismatch<'a> {
    /// The authentication parameters of the request.
    pub claim: &'a SignatureClaim<'a>,
    /// The host and path for which the signature should be valid.
    pub target: &'a SigningTarget,
    /// The key that should have signed it.
    pub key: &'a SigningKey,
    /// The form as it arrived; empty when it is not known.
    pub sent: &'a [u8],
    /// Hosts for which it may have been signed, in addition to those derived from `target`. The first 16 are tried.
    pub other_hosts: &'a [&'a str],
    /// Paths for which it may have been signed, likewise.
    pub other_paths: &'a [&'a str],
}

/// The mistakes that explain the mismatch, of which there is at least one. Without all of them together, the signature
/// would match. When no mistakes explain it, the last cause is [`Cause::WrongKeyOrValue`], or the only one is
/// [`Cause::SignatureLength`].
#[must_use]
pub fn diagnose(mismatch: &Mismatch<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let unhexed = from_hex(&mismatch.claim.tag);
    if unhexed.is_some() {
        causes.push(Cause::SignatureInHex);
    }
    let tag = unhexed.as_deref().unwrap_or(&mismatch.claim.tag);
    let used = match tag.len() {
        32 => SignatureMethod::HmacSha256,
        20 => SignatureMethod::HmacSha1,
        bytes => return vec![Cause::SignatureLength { bytes }],
    };
    if used != mismatch.claim.method {
        causes.push(Cause::OtherMac { used });
    }
    let mut search = Search { mismatch, used, tag, left: BUDGET };
    let found = search.request_line().or_else(|| search.contents()).or_else(|| search.spelling());
    causes.extend(found.unwrap_or_else(|| vec![Cause::WrongKeyOrValue]));
    causes
}

/// The MAC of a signature that consists of hexadecimal digits, either instead of base64 or encoded in base64.
fn from_hex(tag: &[u8]) -> Option<Vec<u8>> {
    let as_sent = STANDARD.encode(tag).into_bytes();
    let digits = [as_sent.as_slice(), tag]
        .into_iter()
        .find(|text| matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit))?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks_exact(2).map(byte).collect()
}

struct Search<'a> {
    mismatch: &'a Mismatch<'a>,
    /// The MAC that was computed, by the length of the signature.
    used: SignatureMethod,
    tag: &'a [u8],
    /// How much of [`BUDGET`] is left.
    left: usize,
}

impl Search<'_> {
    /// Tries methods, hosts and paths in every combination.
    fn request_line(&mut self) -> Option<Vec<Cause>> {
        let mismatch = self.mismatch;
        let mut query = Vec::new();
        write_canonical(mismatch.claim.signed_parameters(), &mut query);
        let hosts = request_line::hosts(mismatch.target, mismatch.other_hosts);
        let paths = request_line::paths(mismatch.target, mismatch.other_paths);
        for (method, wrong_method) in [("POST", None), ("GET", Some(Cause::MethodGet))] {
            for (host, wrong_host) in &hosts {
                for (path, wrong_path) in &paths {
                    if self.matches([method, host, path], &query) {
                        return Some([&wrong_method, wrong_host, wrong_path].into_iter().flatten().cloned().collect());
                    }
                }
            }
        }
        None
    }

    /// Tries other parameters than those that were sent.
    fn contents(&mut self) -> Option<Vec<Cause>> {
        let all = self.mismatch.claim.signed_parameters();
        let other_method = replaced(&all, "SignatureMethod", self.used.as_str());
        if self.matches_parameters(&other_method) {
            return Some(Vec::new()); // the length of the signature has already given the cause
        }
        let filled: Vec<_> = all.iter().copied().filter(|(_, value)| !value.is_empty()).collect();
        if self.matches_parameters(&filled) {
            return Some(vec![Cause::EmptyValuesNotSigned]);
        }
        for (name, _) in all.iter().take(MAX_LEFT_OUT) {
            let others: Vec<_> = all.iter().copied().filter(|(other, _)| other != name).collect();
            if self.matches_parameters(&others) {
                return Some(vec![match *name {
                    "SecurityToken" => Cause::SecurityTokenNotSigned,
                    name => Cause::Parameter { name: ShownName::of(name) },
                }]);
            }
        }
        let mut more = all.clone();
        more.push(("Signature", ""));
        more.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        if self.matches_parameters(&more) {
            return Some(vec![Cause::SignatureIncluded]);
        }
        let timestamp = all.iter().find(|(name, _)| *name == "Timestamp").map(|(_, value)| *value)?;
        let seconds = timestamp.get(.."2011-06-20T22:30:59".len())?;
        let rewritten = ["", "Z", ".000Z"]
            .iter()
            .any(|end| self.matches_parameters(&replaced(&all, "Timestamp", &format!("{seconds}{end}"))));
        rewritten.then(|| vec![Cause::TimestampRewritten])
    }

    /// Tries other orders and encodings in every combination.
    fn spelling(&mut self) -> Option<Vec<Cause>> {
        const ORDERS: [Option<Order>; 5] = [
            None,
            Some(Order::CaseInsensitive),
            Some(Order::EncodedNames),
            Some(Order::WholePairs),
            Some(Order::AsSent),
        ];
        let sent = sent_parameters(self.mismatch.sent);
        let host_and_path = [self.mismatch.target.host.as_str(), self.mismatch.target.path.as_str()];
        for encoding in std::iter::once(None).chain(Encoding::ALL.map(Some)) {
            if self.left == 0 {
                return None; // nothing more can match, and writing takes time too
            }
            let written: Vec<Rewritten<'_>> =
                sent.iter().map(|parameter| Rewritten::new(parameter, encoding)).collect();
            for order in ORDERS {
                let query = join(&written, order);
                let [host, path] = host_and_path;
                if self.matches(["POST", host, path], &query) {
                    let causes = [order.map(Cause::Order), encoding.map(Cause::Encoding)];
                    return Some(causes.into_iter().flatten().collect());
                }
            }
        }
        None
    }

    fn matches_parameters(&mut self, parameters: &[(&str, &str)]) -> bool {
        let mut query = Vec::new();
        write_canonical(parameters.iter().copied(), &mut query);
        let target = self.mismatch.target;
        self.matches(["POST", &target.host, &target.path], &query)
    }

    fn matches(&mut self, lines: [&str; 3], query: &[u8]) -> bool {
        let mut message = Vec::with_capacity(query.len().saturating_add(256));
        for line in lines {
            message.extend_from_slice(line.as_bytes());
            message.push(b'\n');
        }
        message.extend_from_slice(query);
        let Some(left) = self.left.checked_sub(message.len()) else {
            self.left = 0;
            return false;
        };
        self.left = left;
        self.mismatch.key.verifies(self.used, &message, self.tag)
    }
}

fn replaced<'a>(all: &[(&'a str, &'a str)], name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    all.iter().map(|&(other, old)| (other, if other == name { value } else { old })).collect()
}

#[cfg(test)]
mod tests;
