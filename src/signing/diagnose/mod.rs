//! Why a signature does not match: signs again with what usually goes wrong, until the signatures agree.
//!
//! A MAC says yes or no and nothing else, so every mistake must be tried. The work is bounded in two ways: a fixed number of
//! attempts (about 500 and one per parameter, of at most 200), and [`BUDGET`] bytes in all.

mod cause;
pub mod echo;
mod encoding;
mod refusal;
mod request_line;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use cause::{Cause, HostDifference, Order, PathDifference};
pub use encoding::Encoding;
pub use refusal::{Refusal, refusal};

use super::target::SigningTarget;
use super::v2::write_canonical;
use super::verify::SignatureClaim;
use crate::credentials::{SignatureMethod, SigningKey};
use crate::query::ShownName;

/// Most bytes that are signed for one diagnosis: some tenths of a second, and enough for a form of 256 KiB.
pub const BUDGET: usize = 160 * 1024 * 1024;

/// Most parameters that are left out, one after the other.
const MAX_LEFT_OUT: usize = 200;

/// What is known about a signature that does not match.
pub struct Evidence<'a> {
    /// The request's own account of its signature.
    pub claim: &'a SignatureClaim<'a>,
    /// Where it should verify.
    pub target: &'a SigningTarget,
    /// The key that should have signed it.
    pub key: &'a SigningKey,
    /// The form as it arrived; empty when that is not known.
    pub sent: &'a [u8],
    /// Hosts it may have been signed for, beside those that follow from `target`: the first 16 are tried.
    pub other_hosts: &'a [&'a str],
    /// Paths it may have been signed for, likewise.
    pub other_paths: &'a [&'a str],
}

/// What went wrong. The causes hold together: with all of them undone, the signature matches. When that cannot be had, the last
/// is [`Cause::WrongKeyOrValue`], or [`Cause::SignatureLength`] alone. Never empty.
#[must_use]
pub fn diagnose(evidence: &Evidence<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let unhexed = from_hex(&evidence.claim.tag);
    if unhexed.is_some() {
        causes.push(Cause::SignatureInHex);
    }
    let tag = unhexed.as_deref().unwrap_or(&evidence.claim.tag);
    let used = match tag.len() {
        32 => SignatureMethod::HmacSha256,
        20 => SignatureMethod::HmacSha1,
        bytes => return vec![Cause::SignatureLength { bytes }],
    };
    if used != evidence.claim.method {
        causes.push(Cause::OtherMac { used });
    }
    let mut search = Search { evidence, used, tag, left: BUDGET };
    let found = search.request_line().or_else(|| search.contents()).or_else(|| search.spelling());
    causes.extend(found.unwrap_or_else(|| vec![Cause::WrongKeyOrValue]));
    causes
}

/// The MAC, when the signature is its hexadecimal digits: in place of base64, or inside of it.
fn from_hex(tag: &[u8]) -> Option<Vec<u8>> {
    let as_sent = STANDARD.encode(tag).into_bytes();
    let digits = [as_sent.as_slice(), tag]
        .into_iter()
        .find(|text| matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit))?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks_exact(2).map(byte).collect()
}

struct Search<'a> {
    evidence: &'a Evidence<'a>,
    used: SignatureMethod,
    tag: &'a [u8],
    left: usize,
}

/// One parameter as it was sent.
struct Sent<'a> {
    name: String,
    value: String,
    raw: &'a [u8],
}

impl Search<'_> {
    /// Methods, hosts and paths, in every combination.
    fn request_line(&mut self) -> Option<Vec<Cause>> {
        let evidence = self.evidence;
        let mut query = Vec::new();
        write_canonical(evidence.claim.signed_parameters(), &mut query);
        let hosts = request_line::hosts(evidence.target, evidence.other_hosts);
        let paths = request_line::paths(evidence.target, evidence.other_paths);
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

    /// Other parameters than were sent.
    fn contents(&mut self) -> Option<Vec<Cause>> {
        let all = self.evidence.claim.signed_parameters();
        let other_method = replaced(&all, "SignatureMethod", self.used.as_str());
        if self.matches_parameters(&other_method) {
            return Some(Vec::new()); // the cause is known from the signature's length
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

    /// Other orders and encodings, in every combination.
    fn spelling(&mut self) -> Option<Vec<Cause>> {
        const ORDERS: [Option<Order>; 5] = [
            None,
            Some(Order::CaseInsensitive),
            Some(Order::EncodedNames),
            Some(Order::WholePairs),
            Some(Order::AsSent),
        ];
        let sent = as_sent(self.evidence.sent);
        let host_and_path = [self.evidence.target.host.as_str(), self.evidence.target.path.as_str()];
        for encoding in std::iter::once(None).chain(Encoding::ALL.map(Some)) {
            if self.left == 0 {
                return None; // writing costs time as well
            }
            let written: Vec<Written<'_>> = sent.iter().map(|pair| Written::new(pair, encoding)).collect();
            for order in ORDERS {
                let query = joined(&written, order);
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
        let target = self.evidence.target;
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
        self.evidence.key.verifies(self.used, &message, self.tag)
    }
}

fn replaced<'a>(all: &[(&'a str, &'a str)], name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    all.iter().map(|&(other, old)| (other, if other == name { value } else { old })).collect()
}

fn as_sent(form: &[u8]) -> Vec<Sent<'_>> {
    let pieces = form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .flat_map(|raw| {
            form_urlencoded::parse(raw)
                .into_owned()
                .filter(|(name, _)| name != "Signature")
                .map(move |(name, value)| Sent { name, value, raw })
        })
        .collect()
}

/// One parameter in an encoding, and what orders sort by.
struct Written<'a> {
    name: &'a str,
    encoded_name: String,
    pair: Vec<u8>,
}

impl<'a> Written<'a> {
    fn new(sent: &'a Sent<'_>, encoding: Option<Encoding>) -> Self {
        // EqualsLeftOut writes like the right encoding, which is what `None` needs
        let [name, value] =
            [&sent.name, &sent.value].map(|text| encoding.unwrap_or(Encoding::EqualsLeftOut).write(text));
        let pair = match encoding {
            Some(Encoding::AsSent) => sent.raw.to_vec(),
            Some(Encoding::EqualsLeftOut) if value.is_empty() => name.clone().into_bytes(),
            Some(_) | None => format!("{name}={value}").into_bytes(),
        };
        Self { name: &sent.name, encoded_name: name, pair }
    }
}

fn joined(written: &[Written<'_>], order: Option<Order>) -> Vec<u8> {
    let mut sorted: Vec<&Written<'_>> = written.iter().collect();
    match order {
        None => sorted.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes())),
        Some(Order::CaseInsensitive) => sorted.sort_by_cached_key(|one| one.name.to_lowercase()),
        Some(Order::EncodedNames) => sorted.sort_by(|a, b| a.encoded_name.cmp(&b.encoded_name)),
        Some(Order::WholePairs) => sorted.sort_by(|a, b| a.pair.cmp(&b.pair)),
        Some(Order::AsSent) => {}
    }
    let pairs: Vec<&[u8]> = sorted.into_iter().map(|one| one.pair.as_slice()).collect();
    pairs.join(b"&".as_slice())
}

#[cfg(test)]
mod tests;
