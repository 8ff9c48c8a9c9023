//! Collects the evidence of who a client is from its connection and its head, and has it authenticated.

use jiff::Timestamp;

use super::refused_client::Unidentified;
use crate::authorize::{AuthenticationError, Callers, ClientIdentity, Evidence};
use crate::downstream::peer::certificate::Names;
use crate::downstream::peer::evidence::OVERFLOW_ID;
use crate::downstream::service_account::{TokenError, Verifier};
use crate::downstream::{PeerEvidence, PeerFacts};
use crate::http1::Fields;

/// Identifies the client of one request. Each request is authenticated, since a connection of a proxy before us may
/// carry requests of several clients. `issued_key` is the name of the issued key that it is, or claims to be, signed
/// with.
///
/// # Errors
/// [`Unidentified`]; also when the listener reads `Authorization` and the request has more than one, since
/// another program might read the other one and see another client.
pub(super) fn authenticate<'c>(
    callers: &'c Callers,
    service_accounts: Option<&Verifier>,
    now: Timestamp,
    peer: &PeerEvidence,
    fields: &Fields,
    issued_key: Option<&str>,
) -> Result<ClientIdentity<'c>, Unidentified> {
    let mut evidence = Evidence { issued_key, ..evidence_of(peer) };
    if callers.read_authorization() {
        evidence.bearer_token = bearer_token(fields).map_err(|error| Unidentified::new(error, callers))?;
    }
    let account = service_accounts.zip(evidence.bearer_token).and_then(|(verifier, token)| {
        let token = std::str::from_utf8(token).ok()?;
        Some(verifier.verify(token, now))
    });
    if let Some(Err(error)) = &account {
        tracing::debug!(%error, "not a service account's token");
    }
    evidence.service_account = account.as_ref().and_then(|account| account.as_deref().ok());
    // a token that is not a service account's may still be one that is configured for a client
    callers.authenticate(&evidence).map_err(|error| {
        let error = match account {
            Some(Err(TokenError::NoKeys)) => AuthenticationError::KeysMissing,
            Some(_) | None => error,
        };
        Unidentified::new(error, callers)
    })
}

/// What the connection itself proves.
pub(super) fn evidence_of(peer: &PeerEvidence) -> Evidence<'_> {
    match peer.facts() {
        // an address proves nothing: another process may have it a moment later
        PeerFacts::Tcp { address: _, owner } => Evidence { owner_uid: *owner, ..Evidence::default() },
        // the user of a load balancer's process is none of its clients
        PeerFacts::Unix { uid: _, gid: _, pid: _ } if peer.is_relayed() => Evidence::default(),
        PeerFacts::Unix { uid, gid, pid: _ } => {
            let certain = |id: u32| Some(id).filter(|id| *id != OVERFLOW_ID);
            Evidence { uid: certain(*uid), gid: certain(*gid), ..Evidence::default() }
        }
        PeerFacts::Tls { address: _, names, certificate: _ } => {
            let Names { spiffe_id, dns_names, other_names } = names;
            Evidence { spiffe_id: spiffe_id.as_deref(), dns_names, other_names, ..Evidence::default() }
        }
    }
}

/// The token of the only `Authorization` field, if its scheme is `Bearer` (RFC 6750 section 2.1). SDKs with
/// placeholder keys send other schemes: these are no credential for countersign, and are dropped like all of the
/// client's own authentication.
fn bearer_token(fields: &Fields) -> Result<Option<&[u8]>, AuthenticationError> {
    let mut values = fields.all("authorization");
    let first = values.next();
    if values.next().is_some() {
        return Err(AuthenticationError::UnknownCredential);
    }
    Ok(first.and_then(|value| {
        let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii()).filter(|token| !token.is_empty())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downstream::Way;

    #[test]
    fn a_user_or_group_that_our_user_namespace_does_not_have_proves_nothing() {
        let ids = |uid, gid| {
            let peer = PeerEvidence::new(PeerFacts::Unix { uid, gid, pid: None }, Way::Direct);
            let Evidence { uid, gid, .. } = evidence_of(&peer);
            (uid, gid)
        };
        assert_eq!(ids(1000, 65534), (Some(1000), None));
        assert_eq!(ids(65534, 100), (None, Some(100)));
        assert_eq!(ids(0, 0), (Some(0), Some(0)));
    }

    fn read(values: &[&str]) -> Result<Option<Vec<u8>>, AuthenticationError> {
        let fields: Fields = values.iter().map(|value| ("Authorization", *value)).collect();
        bearer_token(&fields).map(|token| token.map(<[u8]>::to_vec))
    }

    #[test]
    fn the_token_is_what_follows_the_scheme() {
        assert_eq!(read(&["Bearer abc"]), Ok(Some(b"abc".to_vec())));
        assert_eq!(
            read(&["bearer   abc"]),
            Ok(Some(b"abc".to_vec())),
            "schemes have no case, and may be followed by spaces"
        );
        assert_eq!(read(&["Bearer a b,c"]), Ok(Some(b"a b,c".to_vec())), "not a list: it is one token that nobody has");
    }

    #[test]
    fn other_schemes_are_no_credential() {
        for field in ["Basic abc", "AWS4-HMAC-SHA256 Credential=x", "Bearer", "Bearer  ", "Bearerabc", "", "abc"] {
            assert_eq!(read(&[field]), Ok(None), "{field}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn two_fields_are_refused_even_when_they_agree() {
        for fields in [["Bearer abc", "Bearer abc"], ["Basic x", "Bearer abc"]] {
            assert_eq!(read(&fields), Err(AuthenticationError::UnknownCredential));
        }
    }
}
