//! States of HMAC after their key, from which MACs are computed without the key.

use hmac::KeyInit;
use hmac::digest::{FixedOutputReset, Output};

/// The MAC of `message`. `state` is a copy, which stays on the stack until a caller overwrites that.
pub(super) fn finish<M: hmac::Mac + FixedOutputReset>(mut state: M, message: &[u8]) -> Output<M> {
    hmac::Mac::update(&mut state, message);
    // not `finalize`, which moves the state and does not wipe its old place
    state.finalize_fixed_reset()
}

/// The state after `secret`, run once and reset. A fresh state has an uninitialised block buffer that may hold what its
/// constructor left on the stack, which is the key XOR opad; running it overwrites that block.
pub(super) fn scrubbed<M: hmac::Mac + KeyInit + FixedOutputReset>(secret: &[u8]) -> M {
    #[allow(clippy::expect_used)] // HMAC takes keys of any length (RFC 2104 section 3); the Result is the trait's
    let mut state = <M as KeyInit>::new_from_slice(secret).expect("any key length");
    hmac::Mac::update(&mut state, &[0; 64]);
    let _overwritten = state.finalize_fixed_reset();
    state
}
