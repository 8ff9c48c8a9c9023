//! Opens the key of an address and tests that it signs: token, login, object, checks, self-test.

use std::sync::Arc;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{TokenError, call, is_gone, is_unsupported};
use super::module::find_token;
use super::pin;
use crate::credentials::derived_keys::DerivedKeys;
use crate::credentials::mac_key::{KeyForm, SignatureMethod};
use crate::credentials::signing_key::Mac;
use crate::credentials::stores::token_location::{ReadableSecret, TokenAddress, TokenKey, hex};

/// The message that a key signs in its self-test.
pub(super) const PROBE: &[u8] = b"countersign: does this key sign?";

/// What is known of a key that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// The token's serial number, the object, and the beginning of a MAC: this text is different for every key.
    pub key: String,
    /// What it is of the secret.
    pub form: KeyForm,
    /// Which MACs it computes.
    pub methods: Vec<String>,
}

/// A key in a token we are logged in to.
pub(super) struct Opened {
    pub(super) context: Pkcs11,
    /// The session that logged in. It is kept, since the login ends with a process's last session.
    pub(super) session: Session,
    pub(super) slot: Slot,
    pub(super) object: ObjectHandle,
    pub(super) facts: KeyFacts,
    /// The keys that were derived from it since it was opened.
    pub(super) derived: DayKeys,
}

/// Derived keys, which are forgotten when the key that they came from is closed. Sessions of other threads still refer
/// to them then.
pub(super) struct DayKeys(Arc<DerivedKeys>);

impl DayKeys {
    pub(super) fn share(&self) -> Arc<DerivedKeys> {
        Arc::clone(&self.0)
    }
}

impl Drop for DayKeys {
    fn drop(&mut self) {
        self.0.forget();
    }
}

/// Opens the key.
pub(super) fn open(context: &Pkcs11, key: &TokenKey) -> Result<Opened, TokenError> {
    let (slot, info) = find_token(context, &key.address)?;
    let session = context.open_ro_session(slot).map_err(call("no session with the token can be opened"))?;
    log_in(&session, &info, key)?;
    let object = find_key(&session, &key.address)?;
    if key.readable == ReadableSecret::Refuse {
        refuse_readable(&session, object, &key.address)?;
    }
    let form = form(&session, object, &key.address)?;
    let facts = facts(&info, &key.address, &self_test(&session, object, &key.address, form)?);
    let derived = DayKeys(Arc::new(DerivedKeys::new()));
    Ok(Opened { context: context.clone(), session, slot, object, facts, derived })
}

/// What the key is of its secret, as its label says.
fn form(session: &Session, object: ObjectHandle, address: &TokenAddress) -> Result<KeyForm, TokenError> {
    if let Some(label) = &address.object {
        return Ok(KeyForm::of_label(label));
    }
    let attributes = session.get_attributes(object, &[AttributeType::Label]);
    let attributes = attributes.map_err(call("the token does not say the label of the key"))?;
    let label = attributes
        .into_iter()
        .find_map(|attribute| if let Attribute::Label(label) = attribute { Some(label) } else { None });
    Ok(KeyForm::of_label(&String::from_utf8_lossy(&label.unwrap_or_default())))
}

/// Logs in, unless the process is logged in already.
///
/// # Errors
/// Any error of the token is final, unless the token is clearly gone.
pub(super) fn log_in(session: &Session, info: &TokenInfo, key: &TokenKey) -> Result<(), TokenError> {
    if info.user_pin_locked() {
        return Err(TokenError::PinLocked);
    }
    if info.user_pin_final_try() {
        return Err(TokenError::LastTry);
    }
    let entered = session.login(UserType::User, Some(&pin::read(&key.pin)?));
    match entered {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(CryptokiError::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::PinLocked),
        Err(
            source @ CryptokiError::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired,
                _,
            ),
        ) => Err(TokenError::WrongPin { pin: key.pin.clone(), source: source.into() }),
        Err(source) if is_gone(&source) => Err(call("the token went away at login")(source)),
        Err(source) => Err(TokenError::Login(source.into())),
    }
}

/// The only secret key that an address matches.
pub(super) fn find_key(session: &Session, address: &TokenAddress) -> Result<ObjectHandle, TokenError> {
    let found = find_keys(session, address.object.as_deref(), address.id.as_deref())?;
    let object = || address.object_in_words();
    match found.as_slice() {
        [] => Err(TokenError::NoKey { object: object() }),
        [one] => Ok(*one),
        more => Err(TokenError::ManyKeys { object: object(), count: more.len() }),
    }
}

/// Every secret key with this label and this id.
pub(super) fn find_keys(
    session: &Session,
    label: Option<&str>,
    id: Option<&[u8]>,
) -> Result<Vec<ObjectHandle>, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
    template.extend(label.map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(id.map(|id| Attribute::Id(id.to_vec())));
    session.find_objects(&template).map_err(call("the token's keys cannot be listed"))
}

/// Asks for the length of `CKA_VALUE`, never for the value. The attributes about sensitivity are not reliable: some
/// tokens call a key extractable that nobody can read.
pub(super) fn refuse_readable(
    session: &Session,
    object: ObjectHandle,
    address: &TokenAddress,
) -> Result<(), TokenError> {
    let value = session.get_attribute_info(object, &[AttributeType::Value]);
    let value = value.map_err(call("the token does not say whether the key's secret can be read"))?;
    let readable = value.iter().any(|value| matches!(value, AttributeInfo::Available(length) if *length > 0));
    if readable { Err(TokenError::Readable { object: address.object_in_words() }) } else { Ok(()) }
}

/// The MACs over [`PROBE`] that the key computes: at least one.
pub(super) struct Tested {
    pub(super) form: KeyForm,
    pub(super) macs: Vec<(SignatureMethod, Mac)>,
}

/// Has the key sign twice with each MAC that keys of its form are for.
pub(super) fn self_test(
    session: &Session,
    object: ObjectHandle,
    address: &TokenAddress,
    form: KeyForm,
) -> Result<Tested, TokenError> {
    let (mut macs, mut unsupported) = (Vec::new(), None);
    for method in form.methods() {
        match sign_twice(session, object, *method)? {
            Ok(mac) => macs.push((*method, mac)),
            Err(error) => unsupported = unsupported.or(Some(error)),
        }
    }
    match unsupported {
        Some(source) if macs.is_empty() => {
            Err(TokenError::NoMac { object: address.object_in_words(), form, source: source.into() })
        }
        Some(_) | None => Ok(Tested { form, macs }),
    }
}

/// The inner error means that the key does not support this MAC.
fn sign_twice(
    session: &Session,
    object: ObjectHandle,
    method: SignatureMethod,
) -> Result<Result<Mac, CryptokiError>, TokenError> {
    let wrong = |what| TokenError::WrongMac { method: method.as_str(), what };
    let signed = || match sign(session, object, method, PROBE) {
        Ok(mac) => mac.ok_or_else(|| wrong("it has another length")).map(Ok),
        Err(error) if is_unsupported(&error) => Ok(Err(error)),
        Err(source) => Err(call("the token does not sign")(source)),
    };
    let (first, second) = (signed()?, signed()?);
    match (first, second) {
        (Ok(first), Ok(second)) if first.as_bytes() != second.as_bytes() => {
            Err(wrong("the same message has another MAC every time"))
        }
        (first, _) => Ok(first),
    }
}

/// The facts about a key that has passed its self-test.
pub(super) fn facts(info: &TokenInfo, address: &TokenAddress, tested: &Tested) -> KeyFacts {
    let beginning = tested.macs.first().and_then(|(_, mac)| mac.as_bytes().get(..8)).unwrap_or_default();
    let key = format!("{} {} {}", info.serial_number(), address.object_in_words(), hex(beginning));
    KeyFacts {
        key,
        form: tested.form,
        methods: tested.macs.iter().map(|(method, _)| method.as_str().to_owned()).collect(),
    }
}

/// The MAC of `message`; `None` if its length is wrong.
pub(super) fn sign(
    session: &Session,
    object: ObjectHandle,
    method: SignatureMethod,
    message: &[u8],
) -> Result<Option<Mac>, CryptokiError> {
    let mechanism = match method {
        SignatureMethod::HmacSha256 => Mechanism::Sha256Hmac,
        SignatureMethod::HmacSha1 => Mechanism::Sha1Hmac,
    };
    let mac = session.sign(&mechanism, object, message)?;
    Ok(match method {
        SignatureMethod::HmacSha256 => <[u8; 32]>::try_from(mac).ok().map(Mac::Sha256),
        SignatureMethod::HmacSha1 => <[u8; 20]>::try_from(mac).ok().map(Mac::Sha1),
    })
}

/// The MAC of a day, from which the day's keys are derived; `None` if its length is wrong. It is a secret: the caller
/// overwrites the stack.
pub(super) fn sign_day(
    session: &Session,
    object: ObjectHandle,
    date: &[u8; 8],
) -> Result<Option<Zeroizing<[u8; 32]>>, CryptokiError> {
    let mac = Zeroizing::new(session.sign(&Mechanism::Sha256Hmac, object, date)?);
    Ok(mac.as_slice().try_into().ok().map(Zeroizing::new))
}
