//! Whether a key can sign for the routes that it is configured for.

use thiserror::Error;

use super::access_key::ActiveKey;
use super::mac_key::{KeyForm, MacKey, SignatureMethod};
use super::signer::SigningError;
use super::store::{LoadErrorKind, StoreError};

/// What a route needs of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteNeeds {
    /// The route's name.
    pub route: String,
    /// Its dialect, as in the configuration.
    pub dialect: &'static str,
    /// What its requests are signed with.
    pub key: MacKey,
    /// Where the MAC comes from.
    pub method: MethodOrigin,
    /// What becomes of a session token.
    pub token: TokenPlace,
}

/// Who decides on the MAC of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodOrigin {
    /// `profile.signature_method` of the route.
    Chosen,
    /// The dialect, which has no other.
    Dialect,
}

/// Whether a dialect has a place for the session token of temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// It is sent.
    Sent,
    /// There is none.
    None,
}

/// Why a key cannot sign for a route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misfit {
    /// It does not compute the MAC that the route asks for.
    #[error("it does not compute {}, which `profile.signature_method` of route.{route} asks for", .method.as_str())]
    ChosenMethod {
        /// The route.
        route: String,
        /// The MAC.
        method: SignatureMethod,
    },
    /// It does not compute the MAC of the route's dialect.
    #[error("it does not compute {}, with which the dialect {dialect} of route.{route} is signed", .method.as_str())]
    Method {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
        /// The MAC.
        method: SignatureMethod,
    },
    /// It was imported into its token for another dialect.
    #[error(
        "the token has {}, and the dialect {dialect} of route.{route} is signed with {}: import the key once more, \
         under another label, with `countersign keys import-pkcs11 --dialect {dialect}`",
        .has.in_words(),
        .needed.in_words()
    )]
    Form {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
        /// What the token has of the secret.
        has: KeyForm,
        /// What it should have.
        needed: KeyForm,
    },
    /// It is temporary, and its session token could not be sent.
    #[error(
        "it has a session token, and requests of the dialect {dialect}, which route.{route} signs, have no place for \
         one: use a key without a session token"
    )]
    Token {
        /// The route.
        route: String,
        /// The dialect.
        dialect: &'static str,
    },
}

impl StoreError for Misfit {
    fn kind(&self) -> LoadErrorKind {
        LoadErrorKind::Invalid
    }
}

/// Why `key` cannot sign for these routes: at most one reason for each.
#[must_use]
pub fn misfits(key: &ActiveKey, needs: &[RouteNeeds]) -> Vec<Misfit> {
    needs.iter().filter_map(|route| misfit(key, route)).collect()
}

fn misfit(key: &ActiveKey, needs: &RouteNeeds) -> Option<Misfit> {
    let RouteNeeds { route, dialect, key: needed, method, token } = needs;
    let (route, dialect) = (route.clone(), *dialect);
    match (key.signing_key().check(*needed), method) {
        (Ok(()), _) => {}
        (Err(SigningError::OtherDialect(has)), _) => {
            return Some(Misfit::Form { route, dialect, has, needed: needed.form });
        }
        (Err(_), MethodOrigin::Chosen) => return Some(Misfit::ChosenMethod { route, method: needed.method }),
        (Err(_), MethodOrigin::Dialect) => return Some(Misfit::Method { route, dialect, method: needed.method }),
    }
    match token {
        TokenPlace::None if key.session_token().is_some() => Some(Misfit::Token { route, dialect }),
        TokenPlace::None | TokenPlace::Sent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_key::{AccessKeyId, Credentials, HeldKey};
    use super::super::secret::{SecretAccessKey, SessionToken};
    use super::*;

    fn key(token: Option<&str>) -> ActiveKey {
        HeldKey::new(Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: token.map(|token| SessionToken::new(token).unwrap()),
            expiration: None,
        })
        .into()
    }

    fn route(name: &str, token: TokenPlace) -> RouteNeeds {
        RouteNeeds {
            route: name.to_owned(),
            dialect: "openstack",
            key: MacKey { form: KeyForm::Secret, method: SignatureMethod::HmacSha256 },
            method: MethodOrigin::Dialect,
            token,
        }
    }

    #[test]
    fn a_session_token_is_refused_for_each_route_that_cannot_send_it() {
        let routes = [route("a", TokenPlace::None), route("b", TokenPlace::Sent), route("c", TokenPlace::None)];
        assert_eq!(misfits(&key(None), &routes), []);
        let refused = |name: &str| Misfit::Token { route: name.to_owned(), dialect: "openstack" };
        assert_eq!(misfits(&key(Some("token")), &routes), [refused("a"), refused("c")]);
    }
}
