//! The keys that MACs are computed with: which part each dialect needs of a secret, and what a device has of it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secret::SecretAccessKey;

/// The MACs of Signature Version 2 (AWS General Reference, "Signature Version 2 signing process", 2010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HmacSHA256`.
    HmacSha256,
    /// `HmacSHA1`.
    HmacSha1,
}

impl SignatureMethod {
    /// Their names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] =
        [(Self::HmacSha256.as_str(), Self::HmacSha256), (Self::HmacSha1.as_str(), Self::HmacSha1)];

    /// The value of the `SignatureMethod` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HmacSHA256",
            Self::HmacSha1 => "HmacSHA1",
        }
    }
}

/// What is made of a secret before it is the key of a MAC. A key in memory has all of them, a device one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// The secret itself.
    Secret,
    /// The secret and `&` behind it: Alibaba Cloud's RPC style.
    SecretAndAmpersand,
    /// `AWS4` and the secret behind it: AWS Signature Version 4. It signs nothing itself; keys are derived from it.
    Aws4AndSecret,
}

/// A form of a secret, and the MAC that is computed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacKey {
    /// The form.
    pub form: KeyForm,
    /// The MAC.
    pub method: SignatureMethod,
}

/// What Signature Version 4 puts before the secret.
pub(super) const AWS4: &[u8] = b"AWS4";

impl KeyForm {
    const ALL: [Self; 3] = [Self::Secret, Self::SecretAndAmpersand, Self::Aws4AndSecret];

    /// What the label of such a key in a token ends with. No attribute of PKCS#11 can say it; a label, every tool shows
    /// and every token keeps.
    #[must_use]
    pub const fn label_end(self) -> &'static str {
        match self {
            Self::Secret => "",
            Self::SecretAndAmpersand => ".alibaba-rpc",
            Self::Aws4AndSecret => ".aws-v4",
        }
    }

    /// The form of the key with this label.
    #[must_use]
    pub fn of_label(label: &str) -> Self {
        let ends = |form: &Self| *form != Self::Secret && label.ends_with(form.label_end());
        Self::ALL.into_iter().find(ends).unwrap_or(Self::Secret)
    }

    /// The label for a key of this form that is to be called `name`; `None` if that label is one of another form.
    #[must_use]
    pub fn label(self, name: &str) -> Option<String> {
        let end = self.label_end();
        let label = format!("{}{end}", name.strip_suffix(end).unwrap_or(name));
        let is_clear = Self::of_label(&label) == self && [Self::Secret, self].contains(&Self::of_label(name));
        is_clear.then_some(label)
    }

    /// The MACs that are computed with a key of this form.
    #[must_use]
    pub const fn methods(self) -> &'static [SignatureMethod] {
        match self {
            Self::Secret => &[SignatureMethod::HmacSha256, SignatureMethod::HmacSha1],
            Self::SecretAndAmpersand => &[SignatureMethod::HmacSha1],
            Self::Aws4AndSecret => &[SignatureMethod::HmacSha256],
        }
    }

    /// The form in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Secret => "the secret itself",
            Self::SecretAndAmpersand => "the secret and `&`",
            Self::Aws4AndSecret => "`AWS4` and the secret",
        }
    }

    /// The key that a device is to have. One of the longest secrets gets no longer.
    #[must_use]
    pub fn of_secret(self, secret: &SecretAccessKey) -> Option<SecretAccessKey> {
        let (before, behind): (&[u8], &[u8]) = match self {
            Self::Secret => (b"", b""),
            Self::SecretAndAmpersand => (b"", b"&"),
            Self::Aws4AndSecret => (AWS4, b""),
        };
        let secret = secret.expose_secret();
        // made at its full length: growing would leave copies
        let length = [before.len(), secret.len(), behind.len()].into_iter().fold(0, usize::saturating_add);
        let mut key = Zeroizing::new(Vec::with_capacity(length));
        [before, secret, behind].into_iter().for_each(|part| key.extend_from_slice(part));
        SecretAccessKey::new(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_says_the_form_and_is_not_ended_twice() {
        for form in KeyForm::ALL {
            let label = form.label("main").unwrap();
            assert_eq!(KeyForm::of_label(&label), form);
            assert_eq!(form.label(&label), Some(label));
        }
        assert_eq!(KeyForm::Aws4AndSecret.label("main").as_deref(), Some("main.aws-v4"));
        assert_eq!(KeyForm::Secret.label("main").as_deref(), Some("main"));
        assert_eq!(KeyForm::Secret.label("main.aws-v4"), None, "it would be taken for a key of aws-v4");
        assert_eq!(KeyForm::SecretAndAmpersand.label("main.aws-v4"), None);
        assert_eq!(KeyForm::of_label("main.aws-v4.old"), KeyForm::Secret);
    }

    #[test]
    fn a_device_gets_of_the_secret_what_its_dialect_needs() {
        let secret = SecretAccessKey::new(b"Jefe").unwrap();
        for (form, key) in [
            (KeyForm::Secret, &b"Jefe"[..]),
            (KeyForm::SecretAndAmpersand, b"Jefe&"),
            (KeyForm::Aws4AndSecret, b"AWS4Jefe"),
        ] {
            assert_eq!(form.of_secret(&secret).unwrap().expose_secret(), key);
        }
    }
}
