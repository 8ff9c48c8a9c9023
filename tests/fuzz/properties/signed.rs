//! A form on its way through the program, in any dialect: read, allowed, signed, and what leaves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use countersign::authorize::{ClientIdentity, Policy};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken};
use countersign::query::{FormError, FormLimits, QueryForm, Reader};
use countersign::signing::{
    Dialect, Profile, RequestTimestamp, SignatureMethod, SignedHead, SigningTarget, Stamp, prepare,
};
use jiff::Timestamp;

use super::canonical::Pairs;
use super::clouds::{Arrived, Cloud, Moment};

/// What the configuration, the clock and the key say. Nothing of it comes from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub dialect: Dialect,
    pub reader: Reader,
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    pub method: SignatureMethod,
    pub host: String,
    pub path: String,
    pub region: String,
    pub service: String,
    pub moment: Moment,
    pub nonce: Option<String>,
}

/// What was signed, and what leaves.
pub(super) struct Sent {
    pub(super) action: String,
    /// What the policy saw.
    pub(super) authorized: Pairs,
    pub(super) canonical_request: Option<String>,
    pub(super) string_to_sign: Vec<u8>,
    pub(super) request: Arrived,
}

const LIMITS: FormLimits = FormLimits::new(64);

impl Case {
    /// An ordinary case.
    pub fn of(dialect: Dialect) -> Self {
        let root = matches!(dialect, Dialect::AlibabaRpc | Dialect::AlibabaAcs3);
        Self {
            dialect,
            reader: Reader::Policy,
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            method: SignatureMethod::HmacSha256,
            host: "endpoint.example.org".to_owned(),
            path: if root { "/" } else { "/api/v1" }.to_owned(),
            region: "eu-central-1".to_owned(),
            service: "ec2".to_owned(),
            moment: Moment { seconds: 1_791_040_770, milliseconds: 556 },
            nonce: dialect.has_nonce().then(|| "1170166756".to_owned()),
        }
    }

    fn profile(&self) -> Profile {
        let cloud = Cloud::of(self.dialect);
        let method = cloud.has_methods().then_some(self.method);
        let realm = cloud.has_realm();
        let [region, service] = [&self.region, &self.service].map(|word| realm.then_some(word.as_str()));
        Profile::new(self.dialect, method, region, service).unwrap()
    }

    fn stamp(&self) -> Stamp {
        let Moment { seconds, milliseconds } = self.moment;
        let instant = Timestamp::new(seconds, i32::from(milliseconds) * 1_000_000).unwrap();
        Stamp { time: RequestTimestamp::at(instant), nonce: self.nonce.clone(), lifetime: Duration::from_secs(300) }
    }

    /// Reads and signs a form; or says why it is refused.
    pub(super) fn sign(&self, body: &[u8]) -> Result<Sent, FormError> {
        let form = QueryForm::parse_as(self.dialect.vocabulary(), self.reader, body, LIMITS)?;
        let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "fuzzed", form).unwrap();
        let key = self.key();
        let target = SigningTarget { host: self.host.clone(), path: self.path.clone() };
        let profile = self.profile();
        profile.check_target(&target).unwrap();
        let unsealed = prepare(&allowed, &key, &target, &profile, &self.stamp());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let canonical_request = unsealed.canonical_request().map(text);
        let string_to_sign = unsealed.string_to_sign().to_vec();
        let mac = key.signing_key().mac_with(unsealed.key(), &string_to_sign);
        let request = unsealed.seal(&mac);
        let fields = request.head().into_iter().flat_map(SignedHead::fields);
        let form = allowed.form();
        Ok(Sent {
            action: form.action().to_string(),
            authorized: form.parameters().iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            canonical_request,
            string_to_sign,
            request: Arrived {
                host: self.host.clone(),
                path: self.path.clone(),
                query: request.head().and_then(SignedHead::query).map(text),
                fields: fields.map(|(name, value)| (name.to_owned(), text(value))).collect(),
                body: request.body().to_vec(),
            },
        })
    }

    /// What is signed, and what the policy saw; `None` for a form that is refused.
    pub fn signed(&self, body: &[u8]) -> Option<(Vec<u8>, Pairs)> {
        self.sign(body).ok().map(|sent| (sent.string_to_sign, sent.authorized))
    }

    /// A key takes memory of its own from the kernel: few are made.
    fn key(&self) -> Rc<HeldKey> {
        type Kept = ((String, String, Option<String>), Rc<HeldKey>);
        const KEPT: usize = 8;
        thread_local!(static KEYS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) });
        let name = (self.id.clone(), self.secret.clone(), self.token.clone());
        KEYS.with_borrow_mut(|keys| {
            if let Some((_, key)) = keys.iter().find(|(kept, _)| *kept == name) {
                return Rc::clone(key);
            }
            let key = Rc::new(HeldKey::new(Credentials {
                access_key_id: AccessKeyId::parse(&self.id).unwrap(),
                secret_access_key: SecretAccessKey::new(self.secret.as_bytes()).unwrap(),
                session_token: self.token.as_deref().map(|token| SessionToken::new(token).unwrap()),
                expiration: None,
            }));
            if keys.len() == KEPT {
                keys.remove(0);
            }
            keys.push((name, Rc::clone(&key)));
            key
        })
    }
}
