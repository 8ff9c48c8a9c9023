//! Who sent a request, in two steps: what head and connection show before the body is read, and the signatures of
//! issued keys, which are over the body, when it has been read.

use jiff::Timestamp;
use smol_str::SmolStr;

use super::credential;
use super::issued_keys::{IssuedKey, IssuedKeys};
use super::refused_client::{NotIdentified, RefusedSignature, Unidentified};
use crate::authorize::{AuthenticationError, Callers, ClientIdentity};
use crate::downstream::service_account::Verifier;
use crate::downstream::{PeerEvidence, RequestHead};
use crate::http1::same_name;
use crate::query::{FormLimits, FormPlace, Parameters};
use crate::signing::client_signature::{ClientSignatureError, FormClaim, HeadClaim, ReceivedParts};

/// What identifies the sender of one request.
#[derive(Clone, Copy)]
pub(super) struct Identification<'p> {
    pub(super) callers: &'p Callers,
    pub(super) service_accounts: Option<&'p Verifier>,
    /// The issued keys, where the listener accepts them.
    pub(super) issued_keys: Option<&'p IssuedKeys>,
    pub(super) peer: &'p PeerEvidence,
    pub(super) now: Timestamp,
}

/// The sender, as far as it is known before the body is read.
pub(super) enum Sender<'p> {
    /// This client.
    Known(ClientIdentity<'p>),
    /// Whoever signed, which may be this client.
    Claims(Box<Claimed<'p>>),
    /// Nobody yet: the form may be signed.
    Stranger,
}

/// A client that a head claims to be from. It permits nothing before [`Identification::complete`].
pub(super) struct Claimed<'p> {
    client: ClientIdentity<'p>,
    claim: HeadClaim,
    key: IssuedKey<'p>,
}

/// The sender of a request.
pub(super) struct Identified<'p> {
    pub(super) client: ClientIdentity<'p>,
    /// The id of the key that the request is signed with.
    pub(super) key_id: Option<SmolStr>,
}

impl<'p> Sender<'p> {
    /// The client whose share of memory the body takes, if it is known. That it is this client is not proven where the
    /// head only claims it: whoever knows the id of a client's key can use its share until the body was read.
    pub(super) fn client(&self) -> Option<&ClientIdentity<'p>> {
        match self {
            Self::Known(client) => Some(client),
            Self::Claims(claimed) => Some(&claimed.client),
            Self::Stranger => None,
        }
    }

    /// The number of the holder whose share of memory the body takes: the client's, that of clients without a name, or
    /// that of strangers.
    pub(super) fn index(&self, unnamed: usize, strangers: usize) -> usize {
        self.client().map_or(strangers, |client| client.index().unwrap_or(unnamed))
    }
}

impl<'p> Identification<'p> {
    /// What the head claims of a signature, where the listener accepts issued keys.
    pub(super) fn claim(&self, head: &RequestHead) -> Result<Option<HeadClaim>, ClientSignatureError> {
        let Some(_accepted) = self.issued_keys else { return Ok(None) };
        let claim = HeadClaim::read(head.fields())?;
        if claim.is_some() {
            one_host(head)?;
        }
        Ok(claim)
    }

    /// Identifies the sender before the body is read. The id and the time of a claim are checked here: strangers get no
    /// memory of a client.
    ///
    /// # Errors
    /// [`NotIdentified`].
    pub(super) fn begin(&self, head: &RequestHead, claim: Option<HeadClaim>) -> Result<Sender<'p>, NotIdentified> {
        let Some(claim) = claim else {
            return match (self.authenticate(head, None), self.issued_keys) {
                (Err(Unidentified { error: AuthenticationError::MissingCredential, .. }), Some(_)) => {
                    Ok(Sender::Stranger)
                }
                (identified, _) => Ok(Sender::Known(identified?)),
            };
        };
        let key = self.key(claim.key_id())?;
        let client = self.authenticate(head, Some(key.name))?;
        claim.check_time(self.now).map_err(|error| RefusedSignature::new(error, Some(key.id())))?;
        Ok(Sender::Claims(Box::new(Claimed { client, claim, key })))
    }

    /// Identifies the sender when the form has been read: verifies its signature.
    ///
    /// # Errors
    /// [`NotIdentified`].
    pub(super) fn complete(
        &self,
        sender: Sender<'p>,
        head: &RequestHead,
        place: FormPlace,
        form: &[u8],
        limits: FormLimits,
    ) -> Result<Identified<'p>, NotIdentified> {
        let is_signed = self.issued_keys.is_some() && FormClaim::is_in(form);
        match sender {
            Sender::Known(client) if !is_signed => Ok(Identified { client, key_id: None }),
            Sender::Stranger if !is_signed => {
                Err(Unidentified::new(AuthenticationError::MissingCredential, self.callers).into())
            }
            Sender::Known(_) | Sender::Stranger => self.verify_form(head, form, limits),
            Sender::Claims(claimed) => {
                let refused = |error| RefusedSignature::new(error, Some(claimed.key.id()));
                if is_signed {
                    let twice =
                        ClientSignatureError::Incomplete("it is signed twice, in Authorization and in the form");
                    return Err(refused(twice).into());
                }
                let body = if place.is_query() { b"" } else { form };
                let came = parts(head, body);
                let verified = claimed.key.verifier().map(|key| claimed.claim.verify(&came, key));
                if let Err(error) = verified.unwrap_or(Err(ClientSignatureError::Mismatch)) {
                    tracing::debug!(key_id = claimed.key.id(), expected = claimed.claim.describe(&came), "{error}");
                    return Err(refused(error).into());
                }
                Ok(Identified { client: claimed.client, key_id: Some(claimed.key.id().into()) })
            }
        }
    }

    fn verify_form(
        &self,
        head: &RequestHead,
        form: &[u8],
        limits: FormLimits,
    ) -> Result<Identified<'p>, NotIdentified> {
        let unknown = |error| RefusedSignature::new(error, None);
        one_host(head).map_err(unknown)?;
        let parameters = Parameters::parse(form, limits)?;
        let claim = FormClaim::read(&parameters).map_err(unknown)?;
        let key = self.key(claim.key_id())?;
        let host = head.fields().only("host").and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
        let called = [head.method(), host, head.path()];
        let verified = key.verifier().map(|verifier| claim.verify(called, verifier, self.now));
        if let Err(error) = verified.unwrap_or(Err(ClientSignatureError::Mismatch)) {
            tracing::debug!(key_id = key.id(), expected = claim.describe(called), "{error}");
            return Err(RefusedSignature::new(error, Some(key.id())).into());
        }
        let client = self.authenticate(head, Some(key.name))?;
        Ok(Identified { client, key_id: Some(key.id().into()) })
    }

    fn key(&self, id: &str) -> Result<IssuedKey<'p>, Unidentified> {
        let found = self.issued_keys.and_then(|keys| keys.find(id, self.now));
        found.ok_or_else(|| Unidentified::new(AuthenticationError::UnknownCredential, self.callers))
    }

    fn authenticate(&self, head: &RequestHead, issued_key: Option<&str>) -> Result<ClientIdentity<'p>, Unidentified> {
        let Self { callers, service_accounts, issued_keys: _, peer, now } = *self;
        credential::authenticate(callers, service_accounts, now, peer, head.fields(), issued_key)
    }
}

fn parts<'r>(head: &'r RequestHead, body: &'r [u8]) -> ReceivedParts<'r> {
    ReceivedParts { method: head.method(), path: head.path(), query: head.query(), fields: head.fields(), body }
}

/// The route is chosen by the host of the request line where it has one, and the `Host` field is what is signed.
fn one_host(head: &RequestHead) -> Result<(), ClientSignatureError> {
    const OTHER: ClientSignatureError =
        ClientSignatureError::Incomplete("its request line names another host than its Host field, which is signed");
    let agrees = |authority| head.fields().only("host").is_some_and(|host| same_name(host, authority));
    if head.authority().is_none_or(agrees) { Ok(()) } else { Err(OTHER) }
}
