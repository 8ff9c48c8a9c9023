//! A JWKS document: the public keys with which a cluster's tokens are verified, by their ids.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use thiserror::Error;

use super::pem::PemError;

/// The algorithms that API servers sign with. One is configured; a token cannot choose another. All of them are
/// public-key signatures: with a symmetric algorithm, whoever can verify tokens could also make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSA (PKCS#1 v1.5) with SHA-256: what most clusters use.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl TokenAlgorithm {
    /// What the configuration calls them (RFC 7518 section 3.1).
    pub const WORDS: [(&'static str, Self); 3] =
        [("RS256", Self::Rs256), ("ES256", Self::Es256), ("ES384", Self::Es384)];

    pub(super) const fn as_jwa(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
        }
    }

    /// The name in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }

    /// Whether `key` is of this algorithm's kind, and not meant for something else.
    fn fits(self, key: &Jwk) -> bool {
        let kind = match (self, &key.algorithm) {
            (Self::Rs256, AlgorithmParameters::RSA(_)) => true,
            (Self::Es256, AlgorithmParameters::EllipticCurve(parameters)) => parameters.curve == EllipticCurve::P256,
            (Self::Es384, AlgorithmParameters::EllipticCurve(parameters)) => parameters.curve == EllipticCurve::P384,
            (Self::Rs256 | Self::Es256 | Self::Es384, _another_kind) => false,
        };
        let said = key.common.key_algorithm.is_none_or(|algorithm| algorithm.to_string() == self.as_str());
        let signs = key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        kind && said && signs
    }
}

/// Why a JWKS document cannot be used. `origin` is its file or URL.
#[derive(Debug, Error)]
pub enum JwksError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] PemError),
    /// It is not a JWKS document.
    #[error("{origin} is no JWKS document")]
    Format {
        /// Where it comes from.
        origin: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Two keys have the same id, so a token could mean either.
    #[error("{origin} has two keys with the kid {id:?}")]
    Twice {
        /// Where it comes from.
        origin: String,
        /// The id.
        id: String,
    },
    /// A key's numbers cannot be decoded.
    #[error("the key with the kid {id:?} in {origin} cannot be used")]
    Key {
        /// Where it comes from.
        origin: String,
        /// The id.
        id: String,
        /// Why not.
        source: jsonwebtoken::errors::Error,
    },
    /// Nothing to verify tokens with.
    #[error("{origin} has no key for {algorithm} that has a kid")]
    Nothing {
        /// Where it comes from.
        origin: String,
        /// The configured algorithm.
        algorithm: &'static str,
    },
}

/// The keys of a JWKS document that fit one algorithm.
pub(super) struct Jwks(BTreeMap<String, DecodingKey>);

impl Jwks {
    /// No keys yet.
    pub(super) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ignores keys of other kinds and keys without an id: a document may serve several purposes.
    pub(super) fn parse(origin: &str, document: &[u8], algorithm: TokenAlgorithm) -> Result<Self, JwksError> {
        let set: JwkSet = serde_json::from_slice(document)
            .map_err(|source| JwksError::Format { origin: origin.to_owned(), source })?;
        let mut keys = BTreeMap::new();
        for key in set.keys.iter().filter(|key| algorithm.fits(key)) {
            let Some(id) = key.common.key_id.clone() else { continue };
            let parsed = DecodingKey::from_jwk(key).map_err(|source| JwksError::Key {
                origin: origin.to_owned(),
                id: id.clone(),
                source,
            })?;
            if keys.insert(id.clone(), parsed).is_some() {
                return Err(JwksError::Twice { origin: origin.to_owned(), id });
            }
        }
        if keys.is_empty() {
            return Err(JwksError::Nothing { origin: origin.to_owned(), algorithm: algorithm.as_str() });
        }
        Ok(Self(keys))
    }

    pub(super) fn key(&self, id: &str) -> Option<&DecodingKey> {
        self.0.get(id)
    }
}
