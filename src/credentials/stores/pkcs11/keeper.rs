//! Keeps a key open: logs in once, notices a lost session or token, and opens the key again when that is safe.

use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::error::Error as CryptokiError;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use thiserror::Error;

use super::error::{TokenError, call, is_loss};
use super::module;
use super::open::{self, KeyFacts, Opened};
use crate::credentials::derived_keys::{DerivedKey, DerivedKeys};
use crate::credentials::key_use::{KeyScope, KeyUse};
use crate::credentials::mac_key::KeyForm;
use crate::credentials::signing_key::Mac;
use crate::credentials::stack::{burn_frames, burn_stack};
use crate::credentials::stores::token_location::{TokenAddress, TokenKey};

/// The wait after a failed attempt to open the key; it doubles with each further failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After this time, earlier losses no longer count.
const STEADY: Duration = Duration::from_secs(60);

/// Keeps one key of one token open, for any number of signing threads.
pub struct Keeper {
    key: TokenKey,
    inner: Mutex<Inner>,
}

struct Inner {
    module: Option<Pkcs11>,
    state: State,
    /// How often the key was opened. Sessions of an earlier generation belong to another login.
    generation: u64,
    /// No request tries to open the key before then.
    not_before: Instant,
    wait: Duration,
    opened_at: Instant,
}

enum State {
    /// Not open, with the reason, or `None` if it was never tried.
    Closed(Option<Arc<TokenError>>),
    Open(Opened),
    /// Closed for good: nothing may be tried any more.
    Final(Arc<TokenError>),
}

/// A thread's own session with the token.
#[derive(Default)]
pub struct Seat(Option<Seated>);

struct Seated {
    generation: u64,
    session: Session,
    object: ObjectHandle,
    form: KeyForm,
    derived: Arc<DerivedKeys>,
}

/// Why a message was not signed.
#[derive(Debug, Error)]
pub enum Unsigned {
    /// The token is not there.
    #[error(transparent)]
    Away(Arc<TokenError>),
    /// The token was lost while it signed this message.
    #[error(transparent)]
    Lost(Arc<TokenError>),
    /// The token failed.
    #[error(transparent)]
    Failed(TokenError),
}

impl Keeper {
    /// A keeper that has not tried anything yet.
    #[must_use]
    pub fn new(key: TokenKey) -> Self {
        let state = State::Closed(None);
        let now = Instant::now();
        let inner = Inner { module: None, state, generation: 0, not_before: now, wait: FIRST_WAIT, opened_at: now };
        Self { key, inner: Mutex::new(inner) }
    }

    /// The key it keeps.
    #[must_use]
    pub const fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Opens the key, or makes sure that it is still the one that is open.
    ///
    /// # Errors
    /// Why it cannot be opened now; for good if [`TokenError::is_final`].
    pub fn load(&self) -> Result<KeyFacts, Arc<TokenError>> {
        let mut inner = self.lock();
        if let State::Open(opened) = &inner.state
            // a new object of the same name is another key
            && !open::find_key(&opened.session, &self.key.address).is_ok_and(|object| object == opened.object)
        {
            inner.state = State::Closed(None);
        }
        let opened = inner.take(&self.key)?;
        let facts = opened.facts.clone();
        inner.state = State::Open(opened);
        Ok(facts)
    }

    /// Signs in the session of `seat`, which is opened first if necessary. A lost key is opened again, once.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub fn sign(&self, seat: &mut Seat, key: &KeyUse, message: &[u8]) -> Result<Mac, Unsigned> {
        match self.try_to_sign(seat, key, message) {
            Err(Unsigned::Lost(_)) => self.try_to_sign(seat, key, message),
            done @ (Ok(_) | Err(Unsigned::Away(_) | Unsigned::Failed(_))) => done,
        }
    }

    fn try_to_sign(&self, seat: &mut Seat, key: &KeyUse, message: &[u8]) -> Result<Mac, Unsigned> {
        let seated = self.take(seat)?;
        let (generation, method) = (seated.generation, key.mac_key().method);
        refuse_other_form(seated.form, key, &self.key.address).map_err(Unsigned::Failed)?;
        let error = match seated.mac(key, message) {
            Ok(Some(mac)) => return Ok(mac),
            Ok(None) => {
                let what = "it has another length";
                return Err(Unsigned::Failed(TokenError::WrongMac { method: method.as_str(), what }));
            }
            Err(error) => error,
        };
        // the operation may still be active in this session, and would make the next one fail
        seat.0 = None;
        if is_loss(&error) {
            let error = Arc::new(not_signed(error));
            self.lock().lose(generation, &error);
            Err(Unsigned::Lost(error))
        } else {
            Err(Unsigned::Failed(not_signed(error)))
        }
    }

    /// The seat's session; a new one if its own belongs to an earlier generation.
    fn take<'s>(&self, seat: &'s mut Seat) -> Result<&'s Seated, Unsigned> {
        let mut inner = self.lock();
        let current = seat.0.take().filter(|seated| inner.is_open() && seated.generation == inner.generation);
        let seated = match current {
            Some(seated) => seated,
            None => inner.seat(&self.key)?,
        };
        Ok(seat.0.insert(seated))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // nothing can panic in the middle of a change of state
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seated {
    fn mac(&self, key: &KeyUse, message: &[u8]) -> Result<Option<Mac>, CryptokiError> {
        let KeyUse::Derived(scope) = key else {
            return open::sign(&self.session, self.object, key.mac_key().method, message);
        };
        let mac = match self.derived.mac(scope, message) {
            Some(mac) => mac,
            None => {
                let derivation = self.derive(scope);
                burn_stack();
                let Some(new) = derivation? else { return Ok(None) };
                self.derived.keep(new, message)
            }
        };
        burn_frames();
        Ok(Some(Mac::Sha256(mac)))
    }

    /// Has the token sign the day, and derives the key from that.
    #[inline(never)]
    fn derive(&self, scope: &KeyScope) -> Result<Option<DerivedKey>, CryptokiError> {
        let first = open::sign_day(&self.session, self.object, &scope.date)?;
        Ok(first.map(|first| DerivedKey::after_first(&first, scope)))
    }
}

impl Inner {
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// A session for a thread. Does not repeat an attempt that has just failed.
    fn seat(&mut self, key: &TokenKey) -> Result<Seated, Unsigned> {
        if let State::Closed(Some(why)) = &self.state
            && Instant::now() < self.not_before
        {
            return Err(Unsigned::Away(Arc::clone(why)));
        }
        let opened = self.take(key).map_err(Unsigned::Away)?;
        let session = opened.context.open_ro_session(opened.slot);
        let (object, form, derived) = (opened.object, opened.facts.form, opened.derived.share());
        self.state = State::Open(opened);
        match session {
            Ok(session) => Ok(Seated { generation: self.generation, session, object, form, derived }),
            Err(source) => {
                let error = Arc::new(call("no session with the token can be opened")(source));
                self.lose(self.generation, &error);
                Err(Unsigned::Away(error))
            }
        }
    }

    /// Takes the open key, opening it if necessary. The caller puts it back.
    fn take(&mut self, key: &TokenKey) -> Result<Opened, Arc<TokenError>> {
        match mem::replace(&mut self.state, State::Closed(None)) {
            State::Open(opened) => Ok(opened),
            State::Closed(_) => self.open(key),
            State::Final(error) => {
                self.state = State::Final(Arc::clone(&error));
                Err(error)
            }
        }
    }

    fn open(&mut self, key: &TokenKey) -> Result<Opened, Arc<TokenError>> {
        match self.module(&key.module).and_then(|module| open::open(module, key)) {
            Ok(opened) => {
                self.generation = self.generation.wrapping_add(1);
                self.opened_at = Instant::now();
                Ok(opened)
            }
            Err(error) => {
                let error = Arc::new(error);
                let kept = Arc::clone(&error);
                self.state = if error.is_final() { State::Final(kept) } else { State::Closed(Some(kept)) };
                self.put_off();
                Err(error)
            }
        }
    }

    /// The library, loaded when it is first needed.
    fn module(&mut self, path: &Path) -> Result<&Pkcs11, TokenError> {
        let module = match self.module.take() {
            Some(module) => module,
            None => module::load(path)?,
        };
        let module = self.module.insert(module);
        module::initialize(module).map_err(call("the PKCS#11 module cannot be initialised again"))?;
        Ok(module)
    }

    /// Records that the login of `generation` is lost, unless another thread has done so.
    fn lose(&mut self, generation: u64, why: &Arc<TokenError>) {
        if self.generation != generation || !self.is_open() {
            return;
        }
        self.state = State::Closed(Some(Arc::clone(why)));
        if self.opened_at.elapsed() > STEADY {
            self.wait = FIRST_WAIT;
        }
        // after the first loss the key is opened again at once; after repeated losses only after a pause
        let first = self.wait == FIRST_WAIT;
        self.put_off();
        if first {
            self.not_before = Instant::now();
        }
    }

    fn put_off(&mut self) {
        let now = Instant::now();
        self.not_before = now.checked_add(self.wait).unwrap_or(now);
        self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}

fn not_signed(source: CryptokiError) -> TokenError {
    call("the token does not sign")(source)
}

/// Refuses what a key of this form is not for. The process that faces the network asks for such a MAC only if an
/// attacker has taken it over: with the MACs of days to come, the attacker would have the `aws-v4` keys of those days.
fn refuse_other_form(form: KeyForm, key: &KeyUse, address: &TokenAddress) -> Result<(), TokenError> {
    if key.mac_key().form == form {
        return Ok(());
    }
    Err(TokenError::OtherDialect { object: address.object_in_words(), form })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::key_use::Derivation;
    use crate::credentials::mac_key::SignatureMethod;

    #[test]
    fn a_device_s_process_signs_nothing_but_what_the_form_of_its_key_is_for() {
        let scope =
            |derivation| KeyScope { derivation, date: *b"20270101", region: "us-east-1".into(), service: "iam".into() };
        let uses = [
            (KeyForm::Secret, KeyUse::Secret(SignatureMethod::HmacSha256)),
            (KeyForm::Secret, KeyUse::Secret(SignatureMethod::HmacSha1)),
            (KeyForm::Secret, KeyUse::Derived(Box::new(scope(Derivation::Volcengine)))),
            (KeyForm::SecretAndAmpersand, KeyUse::SecretAndAmpersand),
            (KeyForm::Aws4AndSecret, KeyUse::Derived(Box::new(scope(Derivation::Aws4)))),
        ];
        for has in [KeyForm::Secret, KeyForm::SecretAndAmpersand, KeyForm::Aws4AndSecret] {
            for (form, key) in &uses {
                let refused = refuse_other_form(has, key, &TokenAddress::default());
                assert_eq!(refused.is_ok(), has == *form, "{has:?}: {key:?}");
            }
        }
    }
}
