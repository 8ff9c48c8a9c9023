//! `[client.NAME]`, as the program uses it.

use std::fmt;
use std::time::Duration;

use super::{Method, Name};

/// One `[client.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The table's name; it appears in logs and in the audit.
    pub name: Name,
    /// What identifies it: one thing at least, and none that identifies another client too.
    pub identifiers: Identifiers,
    /// `mode`, default `"enforce"`.
    pub mode: Mode,
    /// `rate` and `burst`: without them, no limit.
    pub rate: Option<Rate>,
    /// `allow`: calls that are allowed unless something denies them.
    pub allow: Vec<CallPattern>,
    /// `deny`: calls that are denied whatever else is said.
    pub deny: Vec<CallPattern>,
    /// `[[client.NAME.rule]]`: rules with conditions.
    pub rules: Vec<Rule>,
}

/// What identifies a client; any one of them does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifiers {
    /// `uid`.
    pub uids: Vec<u32>,
    /// `gid`.
    pub gids: Vec<u32>,
    /// `spiffe`.
    pub spiffe_ids: Vec<String>,
    /// `dns`, in lower case.
    pub dns_names: Vec<String>,
    /// `token_sha256`.
    pub tokens: Vec<TokenDigest>,
    /// `service_account`, as `namespace/name`.
    pub service_accounts: Vec<String>,
}

impl Identifiers {
    /// Whether a listener with this method can identify the client.
    #[must_use]
    pub const fn serve(&self, method: Method) -> bool {
        match method {
            Method::UnixPeer => !self.uids.is_empty() || !self.gids.is_empty(),
            Method::LoopbackOwner => !self.uids.is_empty(),
            Method::Mtls => !self.spiffe_ids.is_empty() || !self.dns_names.is_empty(),
            Method::BearerToken => !self.tokens.is_empty(),
            Method::ServiceAccount => !self.service_accounts.is_empty(),
        }
    }
}

/// The SHA-256 of a bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

impl fmt::Debug for TokenDigest {
    /// Not the digest: from that of a weak token, the token can be found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What no rule allows is refused.
    Enforce,
    /// Everything passes; what rules would refuse is recorded.
    Record,
}

/// `rate` and `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in each period.
    pub calls: u32,
    /// A second or a minute.
    pub period: Duration,
    /// `burst`, default `calls`: calls that may come at once after a quiet time.
    pub burst: u32,
}

/// One `[[client.NAME.rule]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `effect`.
    pub effect: Effect,
    /// `actions`: at least one.
    pub actions: Vec<CallPattern>,
    /// `when`: all of them must hold; none: always.
    pub conditions: Vec<Condition>,
}

/// `effect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `"allow"`
    Allow,
    /// `"deny"`
    Deny,
}

/// `route:Action`, as in `importexport:List*` or `*:GetStatus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPattern {
    /// Before the colon.
    pub route: RouteChoice,
    /// Behind it: an Action, or the beginning of one (or nothing) and a `*`.
    pub action: String,
}

/// The route in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteChoice {
    /// `*`
    Any,
    /// The name of a configured route.
    Named(Name),
}

impl fmt::Display for CallPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            RouteChoice::Any => write!(f, "*:{}", self.action),
            RouteChoice::Named(name) => write!(f, "{name}:{}", self.action),
        }
    }
}

/// One item of `when`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `parameter`: its exact name.
    pub parameter: String,
    /// What is asked of it.
    pub test: Test,
}

/// What a condition asks: exactly one of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `equals`
    Equals(String),
    /// `prefix`
    Prefix(String),
    /// `one_of`
    OneOf(Vec<String>),
    /// `absent = true`
    Absent,
    /// `absent = false`
    Present,
}
