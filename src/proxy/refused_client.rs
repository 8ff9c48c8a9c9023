//! What a client is told whose request is refused for who sent it, and what the log says beside.

use std::error::Error;
use std::fmt;

use thiserror::Error;

use crate::authorize::{AuthenticationError, Callers, ClientIdentity, Denied, Method};
use crate::query::FormError;
use crate::signing::client_signature::ClientSignatureError;

/// Why the sender of a request is not known.
#[derive(Debug, Error)]
pub(super) enum NotIdentified {
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
    #[error(transparent)]
    Signature(#[from] RefusedSignature),
    /// A form that is to be verified cannot be read.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// The signature of a client is refused. The client is told why; the log has the key too.
#[derive(Debug, Error)]
#[error("{error}")]
pub(crate) struct RefusedSignature {
    pub(super) error: ClientSignatureError,
    /// Boxed: every error of an exchange would be as large as this one.
    #[source]
    key: Option<Box<ClaimedKey>>,
}

#[derive(Debug, Error)]
#[error("the request claims the issued key {0}")]
struct ClaimedKey(String);

impl RefusedSignature {
    /// `key_id` is the id of the issued key that is claimed, where there is one.
    pub(super) fn new(error: ClientSignatureError, key_id: Option<&str>) -> Self {
        Self { error, key: key_id.map(|id| Box::new(ClaimedKey(id.to_owned()))) }
    }
}

/// The sender of a request is not identified.
#[derive(Debug)]
pub(crate) struct Unidentified {
    pub(super) error: AuthenticationError,
    /// By what the listener knows clients.
    expected: Vec<Method>,
}

impl Unidentified {
    pub(super) fn new(error: AuthenticationError, callers: &Callers) -> Self {
        Self { error, expected: callers.methods().to_vec() }
    }
}

impl fmt::Display for Unidentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)?;
        match self.error {
            AuthenticationError::MissingCredential => {
                for (at, method) in self.expected.iter().enumerate() {
                    f.write_str(if at == 0 { "; expected is " } else { ", or " })?;
                    f.write_str(wanted(*method))?;
                }
                Ok(())
            }
            AuthenticationError::UnknownCredential
            | AuthenticationError::NamesDisagree(_)
            | AuthenticationError::KeysMissing => Ok(()),
        }
    }
}

impl Error for Unidentified {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// What a client shows that identifies itself in this way.
const fn wanted(method: Method) -> &'static str {
    match method {
        Method::UnixPeer => "a process whose user or group a client names",
        Method::LoopbackOwner => "a process on this host whose user a client names",
        Method::Mtls => "a client certificate",
        Method::BearerToken => "a header field `Authorization: Bearer TOKEN`",
        Method::IssuedKey => "a signature with an access key that countersign issued",
        Method::ServiceAccount => "a header field `Authorization: Bearer` with the token of a service account",
    }
}

/// A call that the policy does not allow. The client is told the Action; the log has the command that says more.
#[derive(Debug, Error)]
#[error("{denied}: {action}")]
pub(crate) struct Refused {
    pub(super) denied: Denied,
    action: String,
    /// Boxed: every error of an exchange would be as large as this one.
    #[source]
    explain: Box<Explain>,
}

#[derive(Debug, Error)]
#[error(
    "`countersign policy explain --config FILE --client {client} --route {route} --action {action}`, with the \
     parameters of the call as PARAMETER=VALUE, says more"
)]
struct Explain {
    client: String,
    route: String,
    action: String,
}

impl Refused {
    pub(super) fn new(denied: Denied, client: &ClientIdentity<'_>, route: &str, action: &str) -> Self {
        let explain = Explain { client: client.name().to_owned(), route: route.to_owned(), action: action.to_owned() };
        Self { denied, action: action.to_owned(), explain: Box::new(explain) }
    }
}
