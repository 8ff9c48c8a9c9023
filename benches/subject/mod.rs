//! What the benchmarks of the sign path work on: forms by size and by number of parameters, and one client, key and
//! endpoint.

use std::fmt::Write as _;

use countersign::authorize::{
    ActionPattern, Authorized, Client, ClientIdentity, Condition, Effect, Identifiers, Method, Mode, Policy,
    RouteActionPattern, RoutePattern, Rule, RuleId, RuleList, SeenRoutes, Test,
};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, Mac, SecretAccessKey, SignatureMethod};
use countersign::query::{FormLimits, QueryForm, Reader};
use countersign::signing::{
    Dialect, Profile, RequestTimestamp, SignedRequest, SigningTarget, Stamp, Unsealed, prepare,
};
use jiff::Timestamp;

const LIMITS: FormLimits = FormLimits::new(10_000);
const ROUTE: &str = "importexport";

/// What most manifests look like in a form.
const MANIFEST: &str = "deviceId%3A+HD-0001%0AeraseDevice%3A+yes%0A";

/// A form of `size` bytes: three short parameters and a manifest, of which every tenth byte or so is escaped.
pub(crate) fn of_size(size: usize) -> String {
    of_content(MANIFEST, size)
}

/// The same with repetitions of another text as the manifest.
pub(crate) fn of_content(manifest: &str, size: usize) -> String {
    filled("Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest=".to_owned(), manifest, size)
}

/// The same for any dialect, with the operation in its parameter; `Date` stands for `Version`, which not all have.
pub(crate) fn of_size_in(dialect: Dialect, size: usize) -> String {
    let operation = dialect.vocabulary().operation;
    filled(format!("{operation}=GetStatus&JobId=JOBID&Date=2010-06-03&Manifest="), MANIFEST, size)
}

fn filled(mut form: String, manifest: &str, size: usize) -> String {
    while form.len() < size {
        form.push_str(manifest);
    }
    form.truncate(size);
    // without an escape or a character that was cut in the middle
    while form.bytes().rev().take(2).any(|byte| byte == b'%') || !is_utf8(&form) {
        form.pop();
    }
    form
}

fn is_utf8(form: &str) -> bool {
    percent_encoding::percent_decode_str(form).decode_utf8().is_ok()
}

/// A form of `number` parameters of about 30 bytes, not sorted.
pub(crate) fn of_parameters(number: usize) -> String {
    let mut form = "Version=2009-04-15&Action=PutAttributes".to_owned();
    for nth in 1..number.saturating_sub(1) {
        write!(form, "&Attribute.{nth}.Value=some+text+{nth}").unwrap();
    }
    form
}

/// Who calls, and what signs for whom.
pub(crate) struct Subject {
    key: HeldKey,
    target: SigningTarget,
    client: Client,
    profile: Profile,
    nonce: Option<String>,
    now: Timestamp,
}

impl Subject {
    /// With a client that may call what the forms above call, signed by AWS Signature Version 2.
    pub(crate) fn new() -> Self {
        Self::of(Dialect::AwsV2, "Version")
    }

    /// The same in any dialect, for forms of [`of_size_in`].
    pub(crate) fn of_dialect(dialect: Dialect) -> Self {
        Self::of(dialect, "Date")
    }

    fn of(dialect: Dialect, condition: &str) -> Self {
        let realm = matches!(dialect, Dialect::AwsV4 | Dialect::Volcengine);
        let [region, service] = ["us-east-1", "importexport"].map(|word| realm.then_some(word));
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: None,
            expiration: None,
        };
        Self {
            key: HeldKey::new(credentials),
            target: SigningTarget::from_url("https://importexport.amazonaws.com/").unwrap(),
            client: client_with(4, condition),
            profile: Profile::new(dialect, None, region, service).unwrap(),
            nonce: dialect.has_nonce().then(|| dialect.nonce([7; 16])),
            now: "2011-06-20T22:30:59.556Z".parse().unwrap(),
        }
    }

    /// Reads a form.
    pub(crate) fn parsed<'a>(&self, body: &'a [u8]) -> QueryForm<'a> {
        QueryForm::parse_as(self.profile.dialect().vocabulary(), Reader::Policy, body, LIMITS).unwrap()
    }

    /// Reads a form and has the policy decide.
    pub(crate) fn allowed<'a>(&self, body: &'a [u8]) -> Authorized<'a> {
        let client = ClientIdentity::Named { client: &self.client, method: Method::BearerToken, token: None };
        Policy::ByClient.authorize(&client, ROUTE, self.parsed(body)).unwrap()
    }

    /// Writes the time and the string to sign.
    pub(crate) fn prepared(&self, allowed: &Authorized<'_>) -> Unsealed {
        let stamp = Stamp { nonce: self.nonce.clone(), ..Stamp::at(RequestTimestamp::at(self.now)) };
        prepare(allowed, &self.key, &self.target, &self.profile, &stamp)
    }

    /// Computes the MAC and seals.
    pub(crate) fn sealed(&self, unsealed: Unsealed) -> SignedRequest {
        let mac = self.key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
        unsealed.seal(&mac)
    }

    /// The MAC alone.
    pub(crate) fn mac(&self, message: &[u8]) -> Mac {
        self.key.signing_key().mac(SignatureMethod::HmacSha256, message)
    }

    /// The whole path.
    pub(crate) fn signed(&self, body: &[u8]) -> SignedRequest {
        self.sealed(self.prepared(&self.allowed(body)))
    }
}

/// A client with so many rules, each with a condition. Only the last speaks of the forms above.
///
/// Not read from a configuration: what reading one costs differs each time, by the seeds of its hash maps.
pub(crate) fn client(rules: usize) -> Client {
    client_with(rules, "Version")
}

fn client_with(rules: usize, parameter: &str) -> Client {
    let identifiers = Identifiers {
        uids: vec![1],
        gids: Vec::new(),
        spiffe_ids: Vec::new(),
        dns_names: Vec::new(),
        tokens: Vec::new(),
        service_accounts: Vec::new(),
        issued_keys: Vec::new(),
    };
    let rules = (0..rules).rev().map(|number| rule(number, parameter)).collect();
    Client {
        index: 0,
        name: "bench".to_owned(),
        tenant: None,
        identifiers,
        rules,
        mode: Mode::Enforce,
        rate: None,
        quota: None,
        seen: SeenRoutes::default(),
    }
}

fn rule(number: usize, parameter: &str) -> Rule {
    let actions = match number {
        0 => vec!["GetStatus".to_owned(), "PutAttributes".to_owned()],
        other => vec![format!("GetOther{other}*")],
    };
    let pattern = |action: &String| RouteActionPattern {
        route: RoutePattern::Named(ROUTE.to_owned()),
        action: ActionPattern::parse(action).unwrap(),
    };
    Rule {
        id: RuleId { list: RuleList::Rule, number },
        effect: Effect::Allow,
        patterns: actions.iter().map(pattern).collect(),
        conditions: vec![Condition { parameter: parameter.to_owned(), test: Test::Prefix("20".to_owned()) }],
        only: None,
    }
}
