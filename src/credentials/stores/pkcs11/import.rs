//! Importing a key into a token from which it cannot be read again.

use cryptoki::object::{Attribute, KeyType as CryptokiKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use zeroize::Zeroize as _;

use super::error::{TokenError, call};
use super::module;
use super::open::{self, KeyFacts, PROBE};
use crate::credentials::mac_key::{KeyForm, SignatureMethod};
use crate::credentials::secret::SecretAccessKey;
use crate::credentials::signing_key::SigningKey;
use crate::credentials::stores::token_location::{KeyType, ReadableSecret, TokenAddress, TokenKey};

/// Makes a key in the token that can only sign: it cannot be read, wrapped or changed. What of the secret it is, the
/// label of the address says; it has to compute one of the MACs `any_of` at least. Before this returns, the key is
/// tested against the secret; a key that computes other MACs is removed again.
///
/// # Errors
/// [`TokenError`]; in particular [`TokenError::Exists`] for a key with the address's label or id.
pub fn import(
    key: &TokenKey,
    key_type: KeyType,
    any_of: &[SignatureMethod],
    secret: &SecretAccessKey,
) -> Result<KeyFacts, TokenError> {
    let form = KeyForm::of_label(key.address.object.as_deref().unwrap_or_default());
    let secret = &form.of_secret(secret).ok_or(TokenError::TooLong)?;
    let context = module::load(&key.module)?;
    let (slot, info) = module::find_token(&context, &key.address)?;
    let session = context.open_rw_session(slot).map_err(call("no session that may write can be opened"))?;
    open::log_in(&session, &info, key)?;
    refuse_existing(&session, &key.address)?;
    let object = create(&session, &key.address, key_type, secret)?;
    match prove(&session, object, key, (form, secret)).and_then(|tested| refuse_others(tested, any_of)) {
        Ok(tested) => Ok(open::facts(&info, &key.address, &tested)),
        Err(error) => {
            session.destroy_object(object).map_err(call("the key cannot be used, nor removed again"))?;
            Err(TokenError::Unfaithful(Box::new(error)))
        }
    }
}

/// Neither the label nor the id may exist: a URI with only one of them would mean two keys.
fn refuse_existing(session: &Session, address: &TokenAddress) -> Result<(), TokenError> {
    let (label, id) = (address.object.as_deref(), address.id.as_deref());
    let same_label = label.map(|label| open::find_keys(session, Some(label), None)).transpose()?;
    let same_id = id.map(|id| open::find_keys(session, None, Some(id))).transpose()?;
    if [same_label, same_id].into_iter().flatten().all(|found| found.is_empty()) {
        Ok(())
    } else {
        Err(TokenError::Exists { object: address.object_in_words() })
    }
}

fn create(
    session: &Session,
    address: &TokenAddress,
    key_type: KeyType,
    secret: &SecretAccessKey,
) -> Result<ObjectHandle, TokenError> {
    let key_type = match key_type {
        KeyType::GenericSecret => CryptokiKeyType::GENERIC_SECRET,
        KeyType::Sha256Hmac => CryptokiKeyType::SHA256_HMAC,
        KeyType::Sha1Hmac => CryptokiKeyType::SHA_1_HMAC,
    };
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(key_type),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Modifiable(false),
        Attribute::Sign(true),
        Attribute::Verify(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Value(secret.expose_secret().to_vec()),
    ];
    template.extend(address.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(address.id.as_ref().map(|id| Attribute::Id(id.clone())));
    let created = session.create_object(&template);
    for attribute in &mut template {
        if let Attribute::Value(value) = attribute {
            value.zeroize();
        }
    }
    created.map_err(call("the token does not take the key"))
}

/// Finds the new key as `run` will, and compares its MAC with that of the secret.
fn prove(
    session: &Session,
    object: ObjectHandle,
    key: &TokenKey,
    (form, secret): (KeyForm, &SecretAccessKey),
) -> Result<open::Tested, TokenError> {
    let address = &key.address;
    if key.readable == ReadableSecret::Refuse {
        open::refuse_readable(session, object, address)?;
    }
    let tested = open::self_test(session, object, address, form)?;
    let expected = SigningKey::new(secret);
    let signed = tested.macs.iter().find(|(method, mac)| !expected.verifies(*method, PROBE, mac.as_bytes()));
    match signed {
        Some((method, _)) => Err(TokenError::WrongMac {
            method: method.as_str(),
            what: "it is not the MAC of the key that was imported",
        }),
        None => Ok(tested),
    }
}

/// Refuses a key that computes MACs, and not those that are wanted.
fn refuse_others(tested: open::Tested, any_of: &[SignatureMethod]) -> Result<open::Tested, TokenError> {
    let computes = |method: &SignatureMethod| tested.macs.iter().any(|(computed, _)| computed == method);
    match any_of {
        [wanted, ..] if !any_of.iter().any(computes) => Err(TokenError::NotComputed { method: wanted.as_str() }),
        _ => Ok(tested),
    }
}
