//! Overwrites the processor's vector registers, in which copies and hashes leave parts of secrets.
//!
//! Only their next use overwrites them. Until then a compiler may store their contents as the value of uninitialised
//! memory (such as the unused part of an enum), and the kernel stores all of them on the stack for a signal handler.

/// Overwrites the vector registers.
///
/// Call it after overwriting the stack, which uses these registers, too.
#[inline(never)]
pub fn wipe_registers() {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    x86_64::wipe();
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    aarch64::wipe();
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64 {
    use std::arch::{asm, is_x86_feature_detected};

    pub(super) fn wipe() {
        if is_x86_feature_detected!("avx512vl") {
            upper();
        }
        if is_x86_feature_detected!("avx") {
            // SAFETY: the processor has the instruction, which overwrites the registers that are named and nothing
            // else.
            unsafe {
                asm!("vzeroall", out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                     out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                    options(nomem, nostack, preserves_flags));
            }
        } else {
            lower();
        }
    }

    /// Without AVX.
    fn lower() {
        // SAFETY: every x86-64 has these, and they overwrite the registers that are named and nothing else.
        unsafe {
            asm!("xorps xmm0, xmm0", "xorps xmm1, xmm1", "xorps xmm2, xmm2", "xorps xmm3, xmm3", "xorps xmm4, xmm4",
                "xorps xmm5, xmm5", "xorps xmm6, xmm6", "xorps xmm7, xmm7", "xorps xmm8, xmm8", "xorps xmm9, xmm9",
                "xorps xmm10, xmm10", "xorps xmm11, xmm11", "xorps xmm12, xmm12", "xorps xmm13, xmm13",
                "xorps xmm14, xmm14", "xorps xmm15, xmm15",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack, preserves_flags));
        }
    }

    /// The sixteen that AVX-512 adds, through which the C library copies where it can. What is written to their lowest
    /// part clears the rest.
    fn upper() {
        // SAFETY: the processor has the instructions, which overwrite the registers that are named and nothing else.
        unsafe {
            asm!("vpxord xmm16, xmm16, xmm16", "vpxord xmm17, xmm17, xmm17", "vpxord xmm18, xmm18, xmm18",
                "vpxord xmm19, xmm19, xmm19", "vpxord xmm20, xmm20, xmm20", "vpxord xmm21, xmm21, xmm21",
                "vpxord xmm22, xmm22, xmm22", "vpxord xmm23, xmm23, xmm23", "vpxord xmm24, xmm24, xmm24",
                "vpxord xmm25, xmm25, xmm25", "vpxord xmm26, xmm26, xmm26", "vpxord xmm27, xmm27, xmm27",
                "vpxord xmm28, xmm28, xmm28", "vpxord xmm29, xmm29, xmm29", "vpxord xmm30, xmm30, xmm30",
                "vpxord xmm31, xmm31, xmm31",
                out("xmm16") _, out("xmm17") _, out("xmm18") _, out("xmm19") _, out("xmm20") _, out("xmm21") _,
                out("xmm22") _, out("xmm23") _, out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _,
                out("xmm28") _, out("xmm29") _, out("xmm30") _, out("xmm31") _,
                options(nomem, nostack, preserves_flags));
        }
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod aarch64 {
    use std::arch::asm;

    pub(super) fn wipe() {
        // SAFETY: every aarch64 with a C library has these, and they overwrite only the registers that are named; the
        // lower halves of v8 to v15 belong to the caller, and are saved as such.
        unsafe {
            asm!("movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0", "movi v4.2d, #0",
                 "movi v5.2d, #0",
                "movi v6.2d, #0", "movi v7.2d, #0", "movi v8.2d, #0", "movi v9.2d, #0", "movi v10.2d, #0",
                "movi v11.2d, #0",
                "movi v12.2d, #0", "movi v13.2d, #0", "movi v14.2d, #0", "movi v15.2d, #0", "movi v16.2d, #0",
                "movi v17.2d, #0", "movi v18.2d, #0", "movi v19.2d, #0", "movi v20.2d, #0", "movi v21.2d, #0",
                "movi v22.2d, #0", "movi v23.2d, #0", "movi v24.2d, #0", "movi v25.2d, #0", "movi v26.2d, #0",
                "movi v27.2d, #0", "movi v28.2d, #0", "movi v29.2d, #0", "movi v30.2d, #0", "movi v31.2d, #0",
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _,
                out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
                out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
                out("v29") _, out("v30") _, out("v31") _,
                options(nomem, nostack, preserves_flags));
        }
    }
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use std::arch::{asm, is_x86_feature_detected};

    use super::*;

    const MARK: u64 = 0x5ec2_e75e_c2e7_5ec2;

    #[test]
    fn what_was_in_a_register_is_gone() {
        // SAFETY: what is written is named.
        unsafe { asm!("movq xmm5, {}", in(reg) MARK, out("xmm5") _, options(nomem, nostack)) };
        wipe_registers();
        let found: u64;
        // SAFETY: nothing but the output is written.
        unsafe { asm!("movq {}, xmm5", out(reg) found, options(nomem, nostack)) };
        assert_ne!(found, MARK);
    }

    #[test]
    fn nor_does_it_stay_in_one_that_only_some_processors_have() {
        if !is_x86_feature_detected!("avx512vl") {
            return; // there is none
        }
        // SAFETY: the processor has the instruction, and what is written is named.
        unsafe { asm!("vmovq xmm21, {}", in(reg) MARK, out("xmm21") _, options(nomem, nostack)) };
        wipe_registers();
        let found: u64;
        // SAFETY: as before.
        unsafe { asm!("vmovq {}, xmm21", out(reg) found, options(nomem, nostack)) };
        assert_ne!(found, MARK);
    }
}
