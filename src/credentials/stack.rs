//! Wiping the parts of secrets that calls leave on the stack and in registers.

use std::hint::black_box;

use secret_memory::wipe_registers;
use zeroize::Zeroize;

/// How much of the stack is overwritten, in words. age and the parsers use less: their deepest frames take about 64
/// KiB. Not much more, because the pages that are overwritten stay in memory for as long as the thread lives.
const BURNED: usize = 128 * 1024 / size_of::<u64>();

/// Overwrites the part of the stack that earlier calls have used.
///
/// Call it after a function that handled a secret has returned, from the function that called it.
#[inline(never)]
pub fn burn_stack() {
    let mut frame = [0_u64; BURNED]; // words take an eighth of the time of bytes
    black_box(&mut frame).zeroize();
    black_box(&frame);
    wipe_registers();
}

/// The same after computing a MAC, whose frames are small: fast enough to follow each one.
#[inline(never)]
pub fn burn_frames() {
    black_box(&mut [0_u64; 256]);
    wipe_registers();
}
