//! What signs with an active key: a key in this process, or a remote signer that keeps the secret and is asked.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::key_use::KeyUse;
use super::mac_key::{KeyForm, MacKey, SignatureMethod};
use super::signing_key::{Mac, SigningKey};

/// Computes signatures, here or elsewhere.
pub enum Signer {
    /// The secret is in this process.
    Held(SigningKey),
    /// The secret is where we cannot read it.
    Remote(RemoteSigner),
}

/// Why there is no signature. In every case the request has not been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningError {
    /// The queue of the signer is full.
    #[error("the signer has more requests than it may queue")]
    Busy,
    /// The signer took longer than the key's `deadline`.
    #[error("the signer did not answer within {}", Milliseconds(.0))]
    Late(Duration),
    /// The signer is away, and may come back: its process has ended, or its token was removed.
    #[error("the signer is not available")]
    Away,
    /// The string to sign is longer than the device takes.
    #[error("the request is too long for the device that signs it: its string to sign has more than {limit} bytes")]
    TooLong {
        /// The most the device takes, in bytes.
        limit: usize,
    },
    /// The key is made for another MAC.
    #[error("the key does not compute {}", .0.as_str())]
    Unsupported(SignatureMethod),
    /// The key in the device was imported for another dialect.
    #[error("the key in the device is {}, which this dialect does not sign with", .0.in_words())]
    OtherDialect(KeyForm),
    /// The device has the key and did not sign. The log has its own message.
    #[error("the device that signs requests failed")]
    Failed,
}

/// One message to sign.
#[derive(Clone, Copy)]
pub struct SigningRequest<'a> {
    /// What the MAC is computed with.
    pub key: &'a KeyUse,
    /// The whole message.
    pub message: &'a [u8],
    /// How long the answer is awaited.
    pub patience: Duration,
}

/// Where the answer is sent. Closed when nobody waits any more.
pub type AnswerSlot = oneshot::Sender<Result<Mac, SigningError>>;

/// A bounded queue of requests to whatever holds the secret.
pub trait SigningQueue: Send + Sync {
    /// Puts a request into the queue and returns at once. Dropping `answer` means [`SigningError::Away`].
    ///
    /// # Errors
    /// [`SigningError::Busy`] if the queue is full, [`SigningError::Away`] if its other end is closed.
    fn ask(&self, request: SigningRequest<'_>, answer: AnswerSlot) -> Result<(), SigningError>;

    /// Whether the signer is away, as far as is known without asking it.
    fn is_away(&self) -> bool;
}

/// A key that is kept elsewhere: its queue, and how long an answer may take.
pub struct RemoteSigner {
    queue: Arc<dyn SigningQueue>,
    key: RemoteKey,
    limits: RemoteLimits,
}

/// What is known of a key that is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteKey {
    /// Which key it is among all that a signer may have had: the object in a token, say.
    pub name: String,
    /// What the device has of the secret.
    pub form: KeyForm,
    /// The MACs that it computes.
    pub methods: Vec<SignatureMethod>,
}

/// The limits of a remote signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteLimits {
    /// From request to answer, including the time in the queue.
    pub deadline: Duration,
    /// The longest message that the device takes, in bytes.
    pub message: usize,
}

/// The longest message that is signed with a derived key, in bytes. The device does not get it: it gets the day, once.
/// Signature Version 4 signs a hash, with a region and a service of up to 64 characters.
pub const LONGEST_DERIVED: usize = 512;

impl Signer {
    /// The MAC of `message`. With a held key the future is ready when it is first polled, and allocates nothing.
    ///
    /// # Errors
    /// [`SigningError`], only from a remote signer.
    pub async fn mac(&self, key: &KeyUse, message: &[u8]) -> Result<Mac, SigningError> {
        match self {
            Self::Held(held) => Ok(held.mac_with(key, message)),
            // boxed, so that the future of a held key is not as large as a timer and a channel
            Self::Remote(remote) => Box::pin(remote.mac(key, message)).await,
        }
    }

    /// The key, when its secret is in this process.
    #[must_use]
    pub const fn held(&self) -> Option<&SigningKey> {
        match self {
            Self::Held(key) => Some(key),
            Self::Remote(_) => None,
        }
    }

    /// Checks that this computes what is wanted: a device has one form of a secret, and may restrict it to one MAC.
    ///
    /// # Errors
    /// [`SigningError::OtherDialect`] and [`SigningError::Unsupported`].
    pub fn check(&self, wanted: MacKey) -> Result<(), SigningError> {
        match self {
            Self::Held(_) => Ok(()),
            Self::Remote(remote) => remote.key.check(wanted),
        }
    }

    /// Whether this is a remote signer that is away.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Held(_) => false,
            Self::Remote(remote) => remote.queue.is_away(),
        }
    }

    /// Whether both have the same key, as far as is known without asking a device.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Held(ours), Self::Held(theirs)) => signs_alike(ours, theirs),
            (Self::Remote(ours), Self::Remote(theirs)) => ours.is_same(theirs),
            (Self::Held(_), Self::Remote(_)) | (Self::Remote(_), Self::Held(_)) => false,
        }
    }
}

impl RemoteSigner {
    /// A signer behind `queue`.
    #[must_use]
    pub fn new(queue: Arc<dyn SigningQueue>, key: RemoteKey, limits: RemoteLimits) -> Self {
        Self { queue, key, limits }
    }

    async fn mac(&self, key: &KeyUse, message: &[u8]) -> Result<Mac, SigningError> {
        self.key.check(key.mac_key())?;
        let limit = match key {
            KeyUse::Secret(_) | KeyUse::SecretAndAmpersand => self.limits.message,
            KeyUse::Derived(_) => LONGEST_DERIVED,
        };
        if message.len() > limit {
            return Err(SigningError::TooLong { limit });
        }
        let (answer, answered) = oneshot::channel();
        let patience = self.limits.deadline;
        self.queue.ask(SigningRequest { key, message, patience }, answer)?;
        // a dropped answer means that the signer ended while it had our request
        let answered = timeout(patience, answered).await.map_err(|_elapsed| SigningError::Late(patience))?;
        answered.unwrap_or(Err(SigningError::Away))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.key == other.key && self.limits == other.limits && Arc::ptr_eq(&self.queue, &other.queue)
    }
}

impl RemoteKey {
    fn check(&self, wanted: MacKey) -> Result<(), SigningError> {
        if self.form != wanted.form {
            return Err(SigningError::OtherDialect(self.form));
        }
        if self.methods.contains(&wanted.method) { Ok(()) } else { Err(SigningError::Unsupported(wanted.method)) }
    }
}

/// Neither key keeps its secret: they are the same if one accepts the other's MAC.
fn signs_alike(ours: &SigningKey, theirs: &SigningKey) -> bool {
    const PROBE: &[u8] = b"countersign: is this the same key?";
    let mac = theirs.mac(SignatureMethod::HmacSha256, PROBE);
    ours.verifies(SignatureMethod::HmacSha256, PROBE, mac.as_bytes())
}

struct Milliseconds<'a>(&'a Duration);

impl std::fmt::Display for Milliseconds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms", self.0.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::sync::mpsc;

    use super::super::secret::SecretAccessKey;
    use super::*;

    const METHOD: SignatureMethod = SignatureMethod::HmacSha256;
    const KEY: KeyUse = KeyUse::Secret(METHOD);
    const LIMITS: RemoteLimits = RemoteLimits { deadline: Duration::from_millis(500), message: 8 };

    fn held(secret: &[u8]) -> SigningKey {
        SigningKey::new(&SecretAccessKey::new(secret).unwrap())
    }

    type Asked = (Vec<u8>, AnswerSlot);

    struct Channel(mpsc::Sender<Asked>);

    impl SigningQueue for Channel {
        fn ask(&self, request: SigningRequest<'_>, answer: AnswerSlot) -> Result<(), SigningError> {
            assert_eq!((request.key, request.patience), (&KEY, LIMITS.deadline));
            self.0.try_send((request.message.to_vec(), answer)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SigningError::Busy,
                mpsc::error::TrySendError::Closed(_) => SigningError::Away,
            })
        }

        fn is_away(&self) -> bool {
            self.0.is_closed()
        }
    }

    fn object(name: &str) -> RemoteKey {
        RemoteKey { name: name.to_owned(), form: KeyForm::Secret, methods: vec![METHOD] }
    }

    fn remote(places: usize) -> (Signer, mpsc::Receiver<Asked>) {
        let (queue, asked) = mpsc::channel(places);
        (Signer::Remote(RemoteSigner::new(Arc::new(Channel(queue)), object("1"), LIMITS)), asked)
    }

    fn outcome(answer: Result<Mac, SigningError>) -> Result<Vec<u8>, SigningError> {
        answer.map(|mac| mac.as_bytes().to_vec())
    }

    #[test]
    fn a_held_key_signs_at_the_first_poll() {
        let signer = Signer::Held(held(b"Jefe"));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(mac) = pin!(signer.mac(&KEY, b"message")).poll(&mut context) else {
            panic!("it waits for something");
        };
        assert!(held(b"Jefe").verifies(METHOD, b"message", mac.ok().unwrap().as_bytes()));
    }

    #[test]
    fn the_future_of_a_held_key_is_too_small_for_a_timer() {
        let signer = Signer::Held(held(b"Jefe"));
        assert!(size_of_val(&signer.mac(&KEY, b"message")) <= 64);
    }

    #[tokio::test]
    async fn a_remote_signer_is_asked_with_method_and_message() {
        let (signer, mut asked) = remote(1);
        let answering = async {
            let (message, answer) = asked.recv().await.unwrap();
            let _received = answer.send(Ok(held(b"Jefe").mac(METHOD, &message)));
        };
        let (mac, ()) = tokio::join!(signer.mac(&KEY, b"message"), answering);
        assert!(held(b"Jefe").verifies(METHOD, b"message", mac.ok().unwrap().as_bytes()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signer_that_does_not_answer_is_late_and_a_full_queue_is_busy() {
        let (signer, mut asked) = remote(1);
        assert_eq!(outcome(signer.mac(&KEY, b"first").await), Err(SigningError::Late(LIMITS.deadline)));
        assert_eq!(outcome(signer.mac(&KEY, b"second").await), Err(SigningError::Busy));
        // whoever comes to it at last sees that nobody waits
        assert!(asked.recv().await.unwrap().1.is_closed());
    }

    #[tokio::test]
    async fn a_signer_that_is_gone_is_away_also_for_the_request_it_had() {
        let (signer, mut asked) = remote(1);
        let (mac, ()) = tokio::join!(signer.mac(&KEY, b"message"), async { drop(asked.recv().await) });
        assert_eq!(outcome(mac), Err(SigningError::Away));
        assert!(!signer.is_away());
        drop(asked);
        assert!(signer.is_away());
        assert_eq!(outcome(signer.mac(&KEY, b"message").await), Err(SigningError::Away));
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_not_even_asked_for() {
        let (signer, mut asked) = remote(1);
        let too_long = outcome(signer.mac(&KEY, b"123456789").await);
        assert_eq!(too_long, Err(SigningError::TooLong { limit: 8 }));
        assert!(asked.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_mac_that_the_key_is_not_for_is_not_even_asked_for() {
        let (signer, mut asked) = remote(1);
        let unsupported = SigningError::Unsupported(SignatureMethod::HmacSha1);
        assert_eq!(outcome(signer.mac(&SignatureMethod::HmacSha1.into(), b"message").await), Err(unsupported));
        assert_eq!(unsupported.to_string(), "the key does not compute HmacSHA1");
        assert!(asked.try_recv().is_err());
        let other = outcome(signer.mac(&KeyUse::SecretAndAmpersand, b"message").await);
        assert_eq!(other, Err(SigningError::OtherDialect(KeyForm::Secret)));
        assert!(asked.try_recv().is_err());
        let check = |method| signer.check(MacKey { form: KeyForm::Secret, method });
        assert_eq!((check(METHOD), check(SignatureMethod::HmacSha1)), (Ok(()), Err(unsupported)));
    }

    #[test]
    fn a_key_in_memory_is_for_every_dialect() {
        let key = Signer::Held(held(b"Jefe"));
        for form in [KeyForm::Secret, KeyForm::SecretAndAmpersand, KeyForm::Aws4AndSecret] {
            for method in [METHOD, SignatureMethod::HmacSha1] {
                assert_eq!(key.check(MacKey { form, method }), Ok(()));
            }
        }
    }

    #[test]
    fn keys_are_the_same_when_they_sign_alike_or_are_one_object_of_one_signer() {
        let same = |ours: &Signer, theirs: &Signer| ours.is_same(theirs);
        let [jefe, again, other] = [&b"Jefe"[..], b"Jefe", b"other"].map(|secret| Signer::Held(held(secret)));
        assert!(same(&jefe, &again) && !same(&jefe, &other));
        let (queue, _asked) = mpsc::channel(1);
        let queue: Arc<dyn SigningQueue> = Arc::new(Channel(queue));
        let object = |name| Signer::Remote(RemoteSigner::new(Arc::clone(&queue), object(name), LIMITS));
        let (elsewhere, _asked) = remote(1);
        assert!(same(&object("1"), &object("1")));
        assert!(!same(&object("1"), &object("2")) && !same(&object("1"), &elsewhere) && !same(&object("1"), &jefe));
    }
}
