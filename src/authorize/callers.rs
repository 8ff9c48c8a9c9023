//! Authenticates the sender of a request against the clients that may call a listener.

use std::ptr;
use std::sync::Arc;

use thiserror::Error;

use super::admission::Admission;
use super::client::{Client, Clients};
use super::evidence::{CertificateName, Evidence, Method};
use super::identity::ClientIdentity;
use super::token::{TokenDigest, TokenName};

/// Who may call a listener, with the clients that are configured.
#[derive(Debug, Clone)]
pub struct Callers {
    admission: Admission,
    clients: Arc<Clients>,
}

/// Why the sender of a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthenticationError {
    /// The request carries no credential that the listener accepts. A user or group that belongs to no client counts as
    /// no credential, because the sender did not choose to present it.
    #[error("the request carries no credential by which this listener knows a client")]
    MissingCredential,
    /// A presented credential belongs to no client, or the evidence identifies two clients. In the second case one of
    /// the two identities must be wrong, so neither is trusted.
    #[error("the credential of the request is not that of one known client")]
    UnknownCredential,
    /// One name in the presented certificate belongs to a client, and another does not belong to that client. It is not
    /// known who holds such a certificate: it would be accepted for one of its names although another contradicts it.
    #[error("the names in the certificate of the request do not all belong to one client")]
    NamesDisagree(#[source] NamesDisagree),
    /// A presented token may be valid, but the keys to verify it have not been fetched yet.
    #[error("the token of the request cannot be verified yet: the keys of its issuer are not here")]
    KeysMissing,
}

/// Which name in a certificate does not belong to the client of the other names. For the log; the client learns less.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NamesDisagree {
    /// No client has it.
    #[error(
        "client {client} has only some of its names, and no client has {name:?}; if it belongs to {client}, list it in \
         `spiffe` or `dns` of [client.{client}]"
    )]
    Unknown {
        /// The client that has another name of the certificate.
        client: String,
        /// The name that no client has.
        name: String,
    },
    /// No client can have it: it is a wildcard, or a URI that is not a SPIFFE id.
    #[error(
        "client {client} has only some of its names, and no client can have {name:?}; issue a certificate without it"
    )]
    Unlistable {
        /// The client that has another name of the certificate.
        client: String,
        /// The name that no client can have.
        name: String,
    },
    /// Another client has it.
    #[error("client {client} has only some of its names, and client {other} has {name:?}")]
    OfAnother {
        /// The client that has the first known name of the certificate.
        client: String,
        /// The other client.
        other: String,
        /// The name that the other client has.
        name: String,
    },
}

impl Callers {
    /// The callers that a listener admits, among `clients`.
    #[must_use]
    pub const fn new(admission: Admission, clients: Arc<Clients>) -> Self {
        Self { admission, clients }
    }

    /// All clients of the configuration.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The methods by which clients identify themselves; none where whoever can connect may call.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        match &self.admission {
            Admission::AnyLocal => &[],
            Admission::Clients(methods) => methods,
        }
    }

    /// Identifies the client that sent a request, before the body of the request is read.
    ///
    /// All accepted evidence must identify the same client. A presented token or certificate must be known even when a
    /// user id already identifies a client: valid evidence does not excuse an invalid credential. A bearer token is
    /// checked by two methods, and must satisfy one of them. Whether the sender has the issued key that it claims is
    /// the caller's to verify.
    ///
    /// # Errors
    /// [`AuthenticationError`].
    pub fn authenticate(&self, evidence: &Evidence<'_>) -> Result<ClientIdentity<'_>, AuthenticationError> {
        match &self.admission {
            Admission::AnyLocal => Ok(ClientIdentity::AnyLocal),
            Admission::Clients(methods) => identify(methods, &self.clients, evidence),
        }
    }

    /// Whether the certificate of a connection, which `evidence` has the names of, belongs to a client. A listener that
    /// does not identify clients by certificates accepts every certificate.
    ///
    /// # Errors
    /// The certificate belongs to no client, so that every request on its connection will be refused.
    pub fn check_certificate(&self, evidence: &Evidence<'_>) -> Result<(), AuthenticationError> {
        if !self.admission.accepts(Method::Mtls) || evidence.certificate_names().next().is_none() {
            return Ok(());
        }
        identify(&[Method::Mtls], &self.clients, evidence).map(drop)
    }

    /// Whether the user at the other end of a Unix socket, whom `evidence` has the IDs of, may send requests. A
    /// listener that reads `Authorization` or signatures accepts every user, because a request may bring a credential.
    ///
    /// # Errors
    /// The user belongs to no client, so that every request on the connection will be refused.
    pub fn check_user(&self, evidence: &Evidence<'_>) -> Result<(), AuthenticationError> {
        let may_bring_one = self.read_authorization() || self.read_signatures();
        if may_bring_one { Ok(()) } else { self.authenticate(evidence).map(drop) }
    }

    /// The client that a connection alone identifies, and the method, whatever its requests say. It is for
    /// log and audit of a request that is refused before it could be authenticated, and permits nothing. `None` where
    /// several clients, or nobody whom the configuration names, may be at the other end.
    #[must_use]
    pub fn known_by_connection(&self, evidence: &Evidence<'_>) -> Option<(&Client, Method)> {
        let Admission::Clients(methods) = &self.admission else { return None };
        let connection = Evidence { bearer_token: None, service_account: None, issued_key: None, ..*evidence };
        match identify(methods, &self.clients, &connection).ok()? {
            ClientIdentity::Named { client, method, token: _ } => Some((client, method)),
            ClientIdentity::AnyLocal => None,
        }
    }

    /// Whether signatures of issued keys are evaluated.
    #[must_use]
    pub fn read_signatures(&self) -> bool {
        self.admission.accepts(Method::IssuedKey)
    }

    /// Whether the `Authorization` field is evaluated for a token.
    #[must_use]
    pub fn read_authorization(&self) -> bool {
        [Method::BearerToken, Method::ServiceAccount].into_iter().any(|method| self.admission.accepts(method))
    }
}

fn identify<'c>(
    methods: &[Method],
    clients: &'c Clients,
    evidence: &Evidence<'_>,
) -> Result<ClientIdentity<'c>, AuthenticationError> {
    let mut identified: Option<(&Client, Method)> = None;
    let mut certificate = Credential::new(evidence.certificate_names().next().is_some());
    let mut bearer = Credential::new(evidence.bearer_token.is_some() || evidence.service_account.is_some());
    let mut issued = Credential::new(evidence.issued_key.is_some());
    let presented = evidence.bearer_token.filter(|_| methods.contains(&Method::BearerToken)).map(TokenDigest::of);
    let mut token = None;
    for &method in methods {
        if method == Method::Mtls {
            check_names(clients, evidence).map_err(AuthenticationError::NamesDisagree)?;
        }
        let mut found = None;
        for client in clients.identified_by(method, evidence, presented.as_ref()) {
            found = Some(client);
            match identified {
                None => identified = Some((client, method)),
                Some((first, _)) if ptr::eq(first, client) => {}
                Some(_) => return Err(AuthenticationError::UnknownCredential),
            }
        }
        match method {
            Method::UnixPeer | Method::LoopbackOwner => {}
            Method::Mtls => certificate.note(found),
            Method::BearerToken => {
                bearer.note(found);
                token = token.or(found.and(presented.as_ref()).map(|digest| TokenName::Bearer(digest.mark())));
            }
            Method::ServiceAccount => {
                bearer.note(found);
                let account = found.zip(evidence.service_account);
                let account = account.and_then(|(client, account)| client.service_account(account));
                token = token.or(account.map(TokenName::ServiceAccount));
            }
            Method::IssuedKey => issued.note(found),
        }
    }
    if [certificate, bearer, issued].contains(&Credential::Unknown) {
        return Err(AuthenticationError::UnknownCredential);
    }
    let (client, method) = identified.ok_or(AuthenticationError::MissingCredential)?;
    Ok(ClientIdentity::Named { client, method, token })
}

/// Either all names in a certificate belong to one client, or none of them belongs to any client.
fn check_names(clients: &Clients, evidence: &Evidence<'_>) -> Result<(), NamesDisagree> {
    let mut known: Option<&Client> = None;
    let mut unknown = None;
    for name in evidence.certificate_names() {
        let Some(client) = clients.iter().find(|client| client.is_named(name)) else {
            unknown.get_or_insert(name);
            continue;
        };
        match known {
            None => known = Some(client),
            Some(first) if ptr::eq(first, client) => {}
            Some(first) => {
                let (client, other) = (first.name.clone(), client.name.clone());
                return Err(NamesDisagree::OfAnother { client, other, name: name.as_str().to_owned() });
            }
        }
    }
    match (known, unknown) {
        (Some(client), Some(name)) => {
            let (client, text) = (client.name.clone(), name.as_str().to_owned());
            Err(match name {
                CertificateName::Spiffe(_) | CertificateName::Dns(_) => NamesDisagree::Unknown { client, name: text },
                CertificateName::Other(_) => NamesDisagree::Unlistable { client, name: text },
            })
        }
        (_, None) | (None, Some(_)) => Ok(()),
    }
}

/// The state of a credential that the sender presents: a certificate or a bearer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credential {
    Absent,
    /// No accepted method has checked it yet.
    Unchecked,
    /// No method that has checked it found a client.
    Unknown,
    Known,
}

impl Credential {
    const fn new(is_presented: bool) -> Self {
        if is_presented { Self::Unchecked } else { Self::Absent }
    }

    /// Takes the result of one method's check.
    const fn note(&mut self, found: Option<&Client>) {
        *self = match (*self, found) {
            (Self::Absent, _) => Self::Absent,
            (Self::Known, _) | (Self::Unchecked | Self::Unknown, Some(_)) => Self::Known,
            (Self::Unchecked | Self::Unknown, None) => Self::Unknown,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Identifiers, Mode};
    use super::super::route_view::SeenRoutes;
    use super::*;

    use Method::{BearerToken, IssuedKey, LoopbackOwner, Mtls, ServiceAccount, UnixPeer};

    fn client(name: &str, change: impl FnOnce(&mut Identifiers)) -> Client {
        let mut identifiers = Identifiers::default();
        change(&mut identifiers);
        Client {
            index: 0,
            name: name.to_owned(),
            tenant: None,
            identifiers,
            rules: Vec::new(),
            mode: Mode::Enforce,
            rate: None,
            quota: None,
            seen: SeenRoutes::default(),
        }
    }

    fn callers(methods: &[Method]) -> Callers {
        let clients = Clients::new(vec![
            client("user", |is| is.uids = vec![1000, 1001]),
            client("group", |is| is.gids = vec![100]),
            client("mesh", |is| {
                is.spiffe_ids = vec!["spiffe://example/mesh".to_owned()];
                is.dns_names = vec!["mesh.example".to_owned()];
            }),
            client("token", |is| is.tokens = vec![TokenDigest::of(b"old"), TokenDigest::of(b"new")]),
            client("pod", |is| is.service_accounts = vec!["ns/pod".to_owned()]),
            client("agent", |is| is.issued_keys = vec!["agent-1".to_owned(), "agent-2".to_owned()]),
            client("both", |is| {
                is.uids = vec![2000];
                is.tokens = vec![TokenDigest::of(b"both")];
            }),
        ]);
        Callers::new(Admission::Clients(methods.to_vec()), Arc::new(clients))
    }

    fn who(methods: &[Method], evidence: Evidence<'_>) -> Result<String, AuthenticationError> {
        let callers = callers(methods);
        let identity = callers.authenticate(&evidence)?;
        Ok(format!("{} by {}", identity.name(), identity.identified_by()))
    }

    fn named(text: &str) -> Result<String, AuthenticationError> {
        Ok(text.to_owned())
    }

    const MISSING: Result<String, AuthenticationError> = Err(AuthenticationError::MissingCredential);
    const UNKNOWN: Result<String, AuthenticationError> = Err(AuthenticationError::UnknownCredential);
    const ALL: [Method; 6] = [UnixPeer, LoopbackOwner, Mtls, BearerToken, ServiceAccount, IssuedKey];

    fn token(token: &[u8]) -> Evidence<'_> {
        Evidence { bearer_token: Some(token), ..Evidence::default() }
    }

    #[test]
    fn each_method_names_its_clients() {
        let none = Evidence::default();
        let dns = ["MESH.example".to_owned()];
        assert_eq!(who(&ALL, Evidence { uid: Some(1001), gid: Some(7), ..none }), named("user by unix-peer"));
        assert_eq!(who(&ALL, Evidence { uid: Some(5), gid: Some(100), ..none }), named("group by unix-peer"));
        assert_eq!(who(&ALL, Evidence { owner_uid: Some(1000), ..none }), named("user by loopback-owner"));
        assert_eq!(who(&ALL, Evidence { spiffe_id: Some("spiffe://example/mesh"), ..none }), named("mesh by mtls"));
        assert_eq!(who(&ALL, Evidence { dns_names: &dns, ..none }), named("mesh by mtls"));
        assert_eq!(who(&ALL, token(b"old")), named("token by token"));
        assert_eq!(who(&ALL, token(b"new")), named("token by token"));
        assert_eq!(who(&ALL, Evidence { service_account: Some("ns/pod"), ..none }), named("pod by service-account"));
        assert_eq!(who(&ALL, Evidence { issued_key: Some("agent-2"), ..none }), named("agent by issued-key"));
    }

    #[test]
    fn an_issued_key_must_be_a_clients_and_of_the_client_that_all_else_identifies() {
        let key = |name| Evidence { issued_key: Some(name), ..Evidence::default() };
        assert_eq!(who(&[IssuedKey], key("agent-3")), UNKNOWN);
        assert_eq!(who(&ALL, Evidence { uid: Some(1000), ..key("agent-1") }), UNKNOWN);
        assert_eq!(who(&ALL, Evidence { uid: Some(1000), ..key("agent-3") }), UNKNOWN);
        assert_eq!(who(&[UnixPeer], Evidence { uid: Some(1000), ..key("agent-1") }), named("user by unix-peer"));
        assert_eq!(who(&[IssuedKey], Evidence::default()), MISSING);
    }

    #[test]
    fn only_evidence_of_a_listed_method_counts() {
        let all =
            Evidence { uid: Some(1000), owner_uid: Some(1000), bearer_token: Some(b"new"), ..Evidence::default() };
        assert_eq!(who(&[BearerToken], all), named("token by token"));
        assert_eq!(who(&[UnixPeer], all), named("user by unix-peer"));
        assert_eq!(who(&[Mtls], all), MISSING);
        assert_eq!(who(&[], all), MISSING);
    }

    #[test]
    fn nothing_presented_is_missing_and_something_unknown_is_unknown() {
        let none = Evidence::default();
        assert_eq!(who(&ALL, none), MISSING);
        assert_eq!(who(&ALL, Evidence { uid: Some(0), gid: Some(0), ..none }), MISSING, "nobody presents a uid");
        for wrong in [b"".as_slice(), b"ne", b"newer", b"NEW"] {
            assert_eq!(who(&[BearerToken], token(wrong)), UNKNOWN);
        }
        assert_eq!(who(&[Mtls], Evidence { spiffe_id: Some("spiffe://example/mesh2"), ..none }), UNKNOWN);
        assert_eq!(who(&[ServiceAccount], Evidence { service_account: Some("ns/po"), ..none }), UNKNOWN);
    }

    #[test]
    fn evidence_that_names_two_clients_names_none() {
        let none = Evidence::default();
        assert_eq!(who(&ALL, Evidence { uid: Some(1000), ..token(b"new") }), UNKNOWN);
        assert_eq!(who(&ALL, Evidence { uid: Some(1000), gid: Some(100), ..none }), UNKNOWN);
        assert_eq!(who(&ALL, Evidence { uid: Some(2000), ..token(b"both") }), named("both by unix-peer"));
    }

    #[test]
    fn all_names_of_a_certificate_lead_to_one_client_or_it_leads_to_none() {
        let [known, unknown] = ["mesh.example", "x.example"].map(|name| [name.to_owned()]);
        let both = ["mesh.example".to_owned(), "x.example".to_owned()];
        let (spiffe, stranger) = (Some("spiffe://example/mesh"), Some("spiffe://example/stranger"));
        let none = Evidence::default();
        assert_eq!(who(&[Mtls], Evidence { spiffe_id: spiffe, dns_names: &known, ..none }), named("mesh by mtls"));
        for (spiffe_id, dns_names, other_names, name) in [
            (stranger, &known[..], &[][..], "spiffe://example/stranger"),
            (spiffe, &unknown, &[], "x.example"),
            (None, &both, &[], "x.example"),
            (None, &known, &["*.example".to_owned()][..], "*.example"),
            (spiffe, &[], &["urn:x".to_owned()], "urn:x"),
        ] {
            let error = who(&ALL, Evidence { spiffe_id, dns_names, other_names, ..none }).unwrap_err();
            let (client, name) = ("mesh".to_owned(), name.to_owned());
            let expected = if other_names.is_empty() {
                NamesDisagree::Unknown { client, name: name.clone() }
            } else {
                NamesDisagree::Unlistable { client, name: name.clone() }
            };
            assert_eq!(error, AuthenticationError::NamesDisagree(expected));
            assert!(!error.to_string().contains(&name), "the client is not told what it could try next: {error}");
        }
        assert_eq!(who(&[Mtls], Evidence { spiffe_id: stranger, dns_names: &unknown, ..none }), UNKNOWN);
        assert_eq!(who(&[Mtls], Evidence { other_names: &unknown, ..none }), UNKNOWN);
        let clients = ["a", "b"].map(|name| client(name, |is| is.dns_names = vec![format!("{name}.example")]));
        let callers = Callers::new(Admission::Clients(vec![Mtls]), Arc::new(Clients::new(clients.into())));
        let dns_names = &["a.example".to_owned(), "b.example".to_owned()];
        let error = callers.authenticate(&Evidence { dns_names, ..none }).unwrap_err();
        assert!(matches!(error, AuthenticationError::NamesDisagree(NamesDisagree::OfAnother { .. })), "{error}");
    }

    #[test]
    fn a_certificate_is_checked_before_a_request_where_certificates_count() {
        let none = Evidence::default();
        let stranger = Evidence { spiffe_id: Some("spiffe://example/stranger"), ..none };
        assert_eq!(callers(&ALL).check_certificate(&stranger), Err(AuthenticationError::UnknownCredential));
        assert_eq!(callers(&[BearerToken]).check_certificate(&stranger), Ok(()));
        let mesh = Evidence { spiffe_id: Some("spiffe://example/mesh"), ..none };
        assert_eq!((callers(&ALL).check_certificate(&mesh), callers(&ALL).check_certificate(&none)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_presented_credential_must_be_known_even_where_the_socket_names_a_client() {
        assert_eq!(who(&ALL, Evidence { uid: Some(1000), ..token(b"guess") }), UNKNOWN);
        assert_eq!(who(&[UnixPeer], Evidence { uid: Some(1000), ..token(b"guess") }), named("user by unix-peer"));
    }

    #[test]
    fn one_bearer_token_serves_two_methods() {
        let verified = Evidence { service_account: Some("ns/pod"), ..token(b"a JWT") };
        assert_eq!(who(&[BearerToken, ServiceAccount], verified), named("pod by service-account"));
        assert_eq!(who(&[ServiceAccount, BearerToken], verified), named("pod by service-account"));
        assert_eq!(who(&[ServiceAccount], token(b"not verified")), UNKNOWN);
    }

    #[test]
    fn a_token_is_named_by_its_digest_or_its_service_account() {
        let callers = callers(&ALL);
        let named = |evidence: Evidence<'_>| {
            callers.authenticate(&evidence).unwrap().token().map(|token| token.to_string()).unwrap_or_default()
        };
        assert_eq!(named(token(b"old")), TokenDigest::of(b"old").mark().to_string());
        assert_eq!(named(Evidence { service_account: Some("ns/pod"), ..token(b"a JWT") }), "ns/pod");
        assert_eq!(named(Evidence { uid: Some(1000), ..Evidence::default() }), "");
    }

    #[test]
    fn a_user_whom_no_client_has_is_turned_away_only_where_a_token_could_not_help() {
        let stranger = Evidence { uid: Some(7), gid: Some(7), ..Evidence::default() };
        let known = Evidence { uid: Some(1000), ..stranger };
        assert!(callers(&[UnixPeer]).check_user(&stranger).is_err());
        assert!(callers(&[UnixPeer]).check_user(&known).is_ok());
        assert!(callers(&[UnixPeer, BearerToken]).check_user(&stranger).is_ok());
        assert!(callers(&[ServiceAccount]).check_user(&stranger).is_ok());
    }

    #[test]
    fn a_connection_names_its_client_without_a_request_where_it_is_exactly_one() {
        let none = Evidence::default();
        let known = |methods: &[Method], evidence| {
            let callers = callers(methods);
            callers.known_by_connection(&evidence).map(|(client, method)| format!("{} by {method}", client.name))
        };
        let some = |text: &str| Some(text.to_owned());
        let dns = ["mesh.example".to_owned()];
        assert_eq!(known(&ALL, Evidence { uid: Some(1000), ..none }), some("user by unix-peer"));
        assert_eq!(known(&ALL, Evidence { owner_uid: Some(1000), ..none }), some("user by loopback-owner"));
        assert_eq!(known(&ALL, Evidence { dns_names: &dns, ..none }), some("mesh by mtls"));
        assert_eq!(known(&ALL, Evidence { uid: Some(1000), ..token(b"guess") }), some("user by unix-peer"));
        assert_eq!(known(&ALL, token(b"new")), None, "a token is of a request");
        assert_eq!(known(&ALL, Evidence { service_account: Some("ns/pod"), ..none }), None);
        assert_eq!(known(&[BearerToken], Evidence { uid: Some(1000), ..none }), None);
        assert_eq!(known(&ALL, Evidence { uid: Some(1000), gid: Some(100), ..none }), None, "two clients");
        let others = ["x.example".to_owned()];
        assert_eq!(known(&ALL, Evidence { dns_names: &dns, other_names: &others, ..none }), None);
        let anybody = Callers::new(Admission::AnyLocal, Arc::new(Clients::new(Vec::new())));
        assert!(anybody.known_by_connection(&Evidence { uid: Some(1000), ..none }).is_none());
    }

    #[test]
    fn any_local_asks_for_nothing() {
        let anybody = Callers::new(Admission::AnyLocal, Arc::new(Clients::new(Vec::new())));
        let identity = anybody.authenticate(&token(b"whatever")).unwrap();
        assert_eq!((identity.name(), identity.identified_by()), ("any-local", "any-local"));
    }
}
