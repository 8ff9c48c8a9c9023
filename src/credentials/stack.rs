//! Wiping what a secret leaves on the stack, and in registers.

use std::hint::black_box;

use secret_memory::wipe_registers;
use zeroize::Zeroize;

/// What age and the parsers may have used of the stack, with room to spare: their deepest frames take some 64 KiB.
const BURNED: usize = 256 * 1024;

/// Overwrites the part of the stack that calls made before this one have used and left as it was.
///
/// Call it from the function that called the one which handled a secret, after that has returned.
#[inline(never)]
pub fn burn_stack() {
    let mut frame = [0_u8; BURNED];
    black_box(&mut frame).zeroize();
    black_box(&frame);
    wipe_registers();
}

/// The same for a MAC, whose frames are small, and so fast that it may follow each one.
#[inline(never)]
pub fn burn_frames() {
    black_box(&mut [0_u64; 256]);
    wipe_registers();
}
