//! Kubernetes service-account tokens: a JWT that says which pod identity calls, verified with the cluster's public
//! keys.
//!
//! The configuration fixes everything that a token could choose: one issuer, one audience, one algorithm, keys from one
//! source. Whether the token's pod still exists is not checked. Only the API server knows, and asking it about each
//! token (TokenReview) would make every call wait for it, and fail when it fails; a cached answer would be stale as
//! well. Tokens should therefore be short-lived (`expirationSeconds` of a projected volume), and have this proxy as
//! their only audience.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Notify;

use super::jwks::{Jwks, JwksError, TokenAlgorithm};
use super::pem;
use super::tls::Reloaded;

/// How far the cluster's clock and ours may differ, in seconds.
const LEEWAY: i64 = 30;

/// The longest token looked at, in bytes. Real ones have about 1,500.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Which tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// `iss`: the cluster's `--service-account-issuer`.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// `alg`, and the kind of the keys.
    pub algorithm: TokenAlgorithm,
}

/// Why a token is refused. No message repeats anything from the token.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum TokenError {
    /// It is not a JWT in compact form, or a claim is missing or of the wrong type.
    #[error("the token is not a JWT with exp, iss, aud and sub")]
    Malformed,
    /// It is longer than any real token.
    #[error("the token is longer than {LONGEST_TOKEN} bytes")]
    TooLong,
    /// It uses another algorithm than the configured one. (`none` is not an algorithm, and counts as malformed.)
    #[error("the token is signed with another algorithm than the configured one")]
    Algorithm,
    /// It requires extensions (RFC 7515 section 4.1.11), of which we support none.
    #[error("the token demands extensions (crit)")]
    Extensions,
    /// It may be valid: the keys to verify it have not been loaded yet.
    #[error("the keys of the token's issuer have not been loaded yet")]
    NoKeys,
    /// No `kid`, or one that is not in the JWKS.
    #[error("the token's key (kid) is not among the configured ones")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// `iss`.
    #[error("the token comes from another issuer")]
    Issuer,
    /// `aud`.
    #[error("the token is meant for another audience")]
    Audience,
    /// `exp`.
    #[error("the token has expired")]
    Expired,
    /// `nbf`.
    #[error("the token is not valid yet")]
    NotYet,
    /// `sub` is not `system:serviceaccount:NAMESPACE:NAME`.
    #[error("the token is not a service account's")]
    Subject,
}

#[derive(Deserialize)]
struct Claims {
    /// A single string, as RFC 7519 says; the library would also accept a list that contains ours.
    #[serde(rename = "iss")]
    _issuer: String,
    exp: i64,
    nbf: Option<i64>,
    sub: String,
}

/// Verifies tokens. Shared by all workers.
pub struct Verifier {
    settings: TokenSettings,
    validation: Validation,
    keys: ArcSwap<Jwks>,
    /// The document that `keys` was made from. Locked during a whole reload, so that reloads happen one after the
    /// other.
    document: Mutex<Vec<u8>>,
    missed: Notify,
}

impl Verifier {
    /// A verifier that has no keys yet.
    #[must_use]
    pub fn new(settings: TokenSettings) -> Self {
        let mut validation = Validation::new(settings.algorithm.as_jwa());
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.validate_exp = false; // done below: the library reads the clock, and we are given the time
        let keys = ArcSwap::from_pointee(Jwks::none());
        Self { settings, validation, keys, document: Mutex::default(), missed: Notify::new() }
    }

    /// Uses the keys in the JWKS `document` from now on, unless they come from it already. `origin` names it in errors.
    ///
    /// # Errors
    /// [`JwksError`]: it holds no key for the algorithm. The previous keys stay in use.
    pub fn adopt(&self, document: &[u8], origin: &str) -> Result<Reloaded, JwksError> {
        let mut current = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == document {
            return Ok(Reloaded::Unchanged);
        }
        self.keys.store(Jwks::parse(origin, document, self.settings.algorithm)?.into());
        document.clone_into(&mut current);
        Ok(Reloaded::Changed)
    }

    /// The same with the document in a file: `kubectl get --raw /openid/v1/jwks`.
    ///
    /// # Errors
    /// [`JwksError`]; also when the file cannot be read.
    pub fn adopt_file(&self, path: &Path) -> Result<Reloaded, JwksError> {
        self.adopt(&pem::read(path)?, &path.display().to_string())
    }

    /// Whether there are keys to verify tokens with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.load().is_empty()
    }

    /// Waits until a token names a key that is not loaded, or returns at once if that has happened since the last call.
    /// Anybody can send such tokens: the caller must limit how often it fetches keys because of them.
    pub async fn missed(&self) {
        self.missed.notified().await;
    }

    /// Verifies `token`, and returns its service account as `namespace/name`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<String, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::TooLong);
        }
        // a header with an `alg` that the library does not know (such as `none`) does not parse
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        if header.alg != self.settings.algorithm.as_jwa() {
            return Err(TokenError::Algorithm);
        }
        if header.crit.is_some() {
            return Err(TokenError::Extensions);
        }
        let keys = self.keys.load();
        if keys.is_empty() {
            return Err(TokenError::NoKeys);
        }
        let id = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let Some(key) = keys.key(id) else {
            self.missed.notify_one();
            return Err(TokenError::UnknownKey);
        };
        let Claims { _issuer, exp, nbf, sub } =
            decode(token, key, &self.validation).map_err(|error| reason(error.kind()))?.claims;
        let now = now.as_second();
        if now >= exp.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        if nbf.is_some_and(|nbf| now < nbf.saturating_sub(LEEWAY)) {
            return Err(TokenError::NotYet);
        }
        service_account(&sub).ok_or(TokenError::Subject)
    }
}

/// Translates the library's error. Its enum may grow, so this match cannot be exhaustive: a new variant counts as
/// malformed.
#[allow(clippy::wildcard_enum_match_arm)]
fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        _ => TokenError::Malformed,
    }
}

/// `namespace/name` of `system:serviceaccount:namespace:name`. Both are DNS labels or names, as the API server has it:
/// no slash or colon in them can make one account look like another.
fn service_account(subject: &str) -> Option<String> {
    let (namespace, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let is_namespace = (1..=63).contains(&namespace.len()) && namespace.bytes().all(plain);
    let is_name = (1..=253).contains(&name.len()) && name.bytes().all(|c| plain(c) || c == b'.');
    (is_namespace && is_name).then(|| format!("{namespace}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use jsonwebtoken::jwk::{Jwk, JwkSet};
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    /// A cluster: a key and its JWKS in a file.
    struct Cluster {
        key: KeyPair,
        directory: tempfile::TempDir,
    }

    impl Cluster {
        fn new() -> Self {
            let cluster = Self {
                key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
                directory: tempfile::tempdir().unwrap(),
            };
            cluster.publish(&[cluster.jwk("key-1")]);
            cluster
        }

        fn jwk(&self, id: &str) -> Jwk {
            let mut jwk = Jwk::from_encoding_key(&self.encoding(), Algorithm::ES256).unwrap();
            jwk.common.key_id = Some(id.to_owned());
            jwk
        }

        fn encoding(&self) -> EncodingKey {
            EncodingKey::from_ec_der(&self.key.serialize_der())
        }

        fn publish(&self, keys: &[Jwk]) {
            let document = serde_json::to_vec(&JwkSet { keys: keys.to_vec() }).unwrap();
            std::fs::write(self.jwks_file(), document).unwrap();
        }

        fn settings(&self) -> TokenSettings {
            TokenSettings {
                issuer: "https://kubernetes.default.svc".to_owned(),
                audience: "countersign".to_owned(),
                algorithm: TokenAlgorithm::Es256,
            }
        }

        fn jwks_file(&self) -> PathBuf {
            self.directory.path().join("jwks.json")
        }

        fn load(&self, settings: TokenSettings) -> Result<Verifier, JwksError> {
            let verifier = Verifier::new(settings);
            verifier.adopt_file(&self.jwks_file()).map(|_| verifier)
        }

        fn verifier(&self) -> Verifier {
            self.load(self.settings()).unwrap()
        }

        /// A good token but for what `changes` (null removes).
        fn token(&self, changes: &Value) -> String {
            self.token_with(&header(Algorithm::ES256), changes)
        }

        fn token_with(&self, header: &Header, changes: &Value) -> String {
            encode(header, &claims(changes), &self.encoding()).unwrap()
        }
    }

    fn header(algorithm: Algorithm) -> Header {
        Header { kid: Some("key-1".to_owned()), ..Header::new(algorithm) }
    }

    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": "https://kubernetes.default.svc", "aud": ["countersign"], "sub": "system:serviceaccount:jobs:loader",
            "exp": NOW + 600, "nbf": NOW, "iat": NOW, "kubernetes.io": { "namespace": "jobs" },
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn refused(changes: &Value) -> TokenError {
        let cluster = Cluster::new();
        cluster.verifier().verify(&cluster.token(changes), at(NOW)).unwrap_err()
    }

    #[test]
    fn a_good_token_names_its_service_account() {
        let cluster = Cluster::new();
        let verifier = cluster.verifier();
        assert_eq!(verifier.verify(&cluster.token(&json!({})), at(NOW)).unwrap(), "jobs/loader");
        let one = cluster.token(&json!({ "aud": "countersign", "nbf": null }));
        assert_eq!(verifier.verify(&one, at(NOW)).unwrap(), "jobs/loader");
    }

    #[test]
    fn a_token_signed_with_rsa_is_believed_where_rsa_is_configured() {
        let cluster = Cluster::new();
        let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        // the library wants PKCS#1, which is what PKCS#8 has after its first 26 bytes
        let rsa = EncodingKey::from_rsa_der(&rsa.serialize_der()[26..]);
        let mut jwk = Jwk::from_encoding_key(&rsa, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("key-1".to_owned());
        cluster.publish(&[jwk]);
        let settings = TokenSettings { algorithm: TokenAlgorithm::Rs256, ..cluster.settings() };
        let verifier = cluster.load(settings).unwrap();
        let token = encode(&header(Algorithm::RS256), &claims(&json!({})), &rsa).unwrap();
        assert_eq!(verifier.verify(&token, at(NOW)).unwrap(), "jobs/loader");
        assert_eq!(verifier.verify(&cluster.token(&json!({})), at(NOW)).unwrap_err(), TokenError::Algorithm);
    }

    #[test]
    fn another_issuer_is_refused() {
        assert_eq!(refused(&json!({ "iss": "https://elsewhere.example" })), TokenError::Issuer);
        assert_eq!(refused(&json!({ "iss": ["https://kubernetes.default.svc"] })), TokenError::Malformed);
    }

    #[test]
    fn another_audience_is_refused() {
        assert_eq!(refused(&json!({ "aud": ["https://kubernetes.default.svc"] })), TokenError::Audience);
        assert_eq!(refused(&json!({ "aud": [] })), TokenError::Audience);
    }

    #[test]
    fn a_token_without_a_required_claim_is_refused() {
        for claim in ["iss", "aud", "sub", "exp"] {
            assert_eq!(refused(&json!({ claim: null })), TokenError::Malformed, "{claim}");
        }
        assert_eq!(refused(&json!({ "exp": "never" })), TokenError::Malformed);
    }

    #[test]
    fn a_token_is_good_between_nbf_and_exp_and_half_a_minute_around() {
        let cluster = Cluster::new();
        let (verifier, token) = (cluster.verifier(), cluster.token(&json!({})));
        assert_eq!(verifier.verify(&token, at(NOW - 31)).unwrap_err(), TokenError::NotYet);
        verifier.verify(&token, at(NOW - 30)).unwrap();
        verifier.verify(&token, at(NOW + 629)).unwrap();
        assert_eq!(verifier.verify(&token, at(NOW + 630)).unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn a_token_of_something_else_than_a_service_account_is_refused() {
        for subject in [
            "jobs/loader",
            "system:node:loader",
            "system:serviceaccount:jobs",
            "system:serviceaccount::loader",
            "system:serviceaccount:jobs:",
            "system:serviceaccount:jobs:a:b",
            "system:serviceaccount:jobs/x:loader",
            "system:serviceaccount:jobs:x/loader",
        ] {
            assert_eq!(refused(&json!({ "sub": subject })), TokenError::Subject, "{subject}");
        }
    }

    #[test]
    fn a_signature_that_does_not_fit_is_refused() {
        let cluster = Cluster::new();
        let (good, other) = (cluster.token(&json!({})), cluster.token(&json!({ "sub": "system:serviceaccount:a:b" })));
        let (signed, _) = other.rsplit_once('.').unwrap();
        let (_, signature) = good.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{signature}");
        assert_eq!(cluster.verifier().verify(&forged, at(NOW)).unwrap_err(), TokenError::Signature);
        let stranger = Cluster::new().token(&json!({}));
        assert_eq!(cluster.verifier().verify(&stranger, at(NOW)).unwrap_err(), TokenError::Signature);
    }

    #[test]
    fn a_token_without_a_known_key_id_is_refused() {
        let cluster = Cluster::new();
        for id in [None, Some("key-2".to_owned())] {
            let token = cluster.token_with(&Header { kid: id, ..Header::new(Algorithm::ES256) }, &json!({}));
            assert_eq!(cluster.verifier().verify(&token, at(NOW)).unwrap_err(), TokenError::UnknownKey);
        }
    }

    #[test]
    fn a_token_signed_with_the_public_key_as_a_secret_is_refused() {
        let cluster = Cluster::new();
        for public in [cluster.key.public_key_pem().into_bytes(), cluster.key.public_key_raw().to_vec()] {
            let token = encode(&header(Algorithm::HS256), &claims(&json!({})), &EncodingKey::from_secret(&public));
            assert_eq!(cluster.verifier().verify(&token.unwrap(), at(NOW)).unwrap_err(), TokenError::Algorithm);
        }
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        use base64::Engine as _;
        let cluster = Cluster::new();
        let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        for algorithm in ["none", "None", ""] {
            let header = base64.encode(json!({ "alg": algorithm, "typ": "JWT", "kid": "key-1" }).to_string());
            let token = format!("{header}.{}.", base64.encode(claims(&json!({})).to_string()));
            assert_eq!(cluster.verifier().verify(&token, at(NOW)).unwrap_err(), TokenError::Malformed);
        }
        let (unsigned, _) = cluster.token(&json!({})).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
        assert_eq!(cluster.verifier().verify(&format!("{unsigned}."), at(NOW)).unwrap_err(), TokenError::Signature);
    }

    #[test]
    fn demands_that_are_not_understood_are_refused() {
        let cluster = Cluster::new();
        let header = Header { crit: Some(vec!["b64".to_owned()]), ..header(Algorithm::ES256) };
        let token = cluster.token_with(&header, &json!({}));
        assert_eq!(cluster.verifier().verify(&token, at(NOW)).unwrap_err(), TokenError::Extensions);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let verifier = Cluster::new().verifier();
        for text in ["", ".", "..", "...", "a.b.c", "a.b.c.d", "\u{e9}.\u{e9}.\u{e9}"] {
            assert_eq!(verifier.verify(text, at(NOW)).unwrap_err(), TokenError::Malformed, "{text}");
        }
        assert_eq!(verifier.verify(&"a".repeat(LONGEST_TOKEN + 1), at(NOW)).unwrap_err(), TokenError::TooLong);
    }

    #[test]
    fn keys_are_exchanged_when_the_file_changes_and_kept_when_it_is_broken() {
        let (cluster, successor) = (Cluster::new(), Cluster::new());
        let verifier = cluster.verifier();
        let token = successor.token(&json!({}));
        assert_eq!(verifier.adopt_file(&cluster.jwks_file()).unwrap(), Reloaded::Unchanged);
        std::fs::write(cluster.jwks_file(), "{").unwrap();
        assert!(matches!(verifier.adopt_file(&cluster.jwks_file()), Err(JwksError::Format { .. })));
        verifier.verify(&cluster.token(&json!({})), at(NOW)).unwrap();
        cluster.publish(&[successor.jwk("key-1")]);
        assert_eq!(verifier.adopt_file(&cluster.jwks_file()).unwrap(), Reloaded::Changed);
        assert_eq!(verifier.verify(&token, at(NOW)).unwrap(), "jobs/loader");
    }

    #[test]
    fn without_keys_what_may_be_a_good_token_is_not_judged() {
        let cluster = Cluster::new();
        let verifier = Verifier::new(cluster.settings());
        assert!(!verifier.has_keys());
        assert_eq!(verifier.verify(&cluster.token(&json!({})), at(NOW)).unwrap_err(), TokenError::NoKeys);
        assert_eq!(verifier.verify("a.b.c", at(NOW)).unwrap_err(), TokenError::Malformed);
        verifier.adopt_file(&cluster.jwks_file()).unwrap();
        assert!(verifier.has_keys());
        verifier.verify(&cluster.token(&json!({})), at(NOW)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_token_whose_key_is_not_here_is_a_reason_to_fetch_keys() {
        let cluster = Cluster::new();
        let verifier = cluster.verifier();
        let missed = async || tokio::time::timeout(std::time::Duration::from_secs(1), verifier.missed()).await.is_ok();
        let nameless = cluster.token_with(&Header::new(Algorithm::ES256), &json!({}));
        for token in [cluster.token(&json!({})), cluster.token(&json!({ "iss": "x" })), nameless, "a.b.c".to_owned()] {
            let _judged = verifier.verify(&token, at(NOW));
            assert!(!missed().await, "{token}");
        }
        let another = Header { kid: Some("key-2".to_owned()), ..Header::new(Algorithm::ES256) };
        verifier.verify(&cluster.token_with(&another, &json!({})), at(NOW)).unwrap_err();
        assert!(missed().await);
        assert!(!missed().await, "once");
    }

    #[test]
    fn a_jwks_needs_a_key_of_the_algorithm_and_no_two_with_one_id() {
        let cluster = Cluster::new();
        cluster.publish(&[cluster.jwk("key-1"), Cluster::new().jwk("key-1")]);
        assert!(matches!(cluster.load(cluster.settings()), Err(JwksError::Twice { .. })));
        let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let p384 = EncodingKey::from_ec_der(&p384.serialize_der());
        let mut other_curve = Jwk::from_encoding_key(&p384, Algorithm::ES384).unwrap();
        other_curve.common.key_id = Some("key-2".to_owned());
        let mut for_encryption = cluster.jwk("key-3");
        for_encryption.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Encryption);
        let mut nameless = cluster.jwk("");
        nameless.common.key_id = None;
        cluster.publish(&[other_curve, for_encryption, nameless]);
        assert!(matches!(cluster.load(cluster.settings()), Err(JwksError::Nothing { .. })));
    }
}
