//! What `check` and the log say of settings that weaken security, where both say the same.

/// `danger_plaintext` of a route.
pub(super) const PLAINTEXT_ROUTE: &str = "danger_plaintext: signed requests cross the network unprotected";

/// `danger_readable_secret` of a key.
pub(super) const READABLE_SECRET: &str =
    "danger_readable_secret: whoever has the PIN can read the secret out of the token";
