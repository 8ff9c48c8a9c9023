//! What the sandbox does with a form, and how much a form may hold.

use crate::query::FormLimits;

const MIB: usize = 1024 * 1024;

/// What happens to a form whose signature is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It is carried out as AWS Import/Export does.
    ImportExport,
    /// Its parameters come back, whatever its Action and Version are.
    AnyAction,
}

impl Behaviour {
    /// The longest form, in MiB. SimpleDB's largest documented call, a BatchPutAttributes of 1 MB, is up to three times
    /// as long once it is encoded.
    pub(super) const fn body_limit_in_mib(self) -> usize {
        match self {
            Self::ImportExport => 1,
            Self::AnyAction => 4,
        }
    }

    /// The same, in bytes.
    pub(super) const fn body_limit(self) -> usize {
        self.body_limit_in_mib().saturating_mul(MIB)
    }

    /// How many parameters a form may have. That call of SimpleDB's has 19,200.
    pub(super) const fn form_limits(self) -> FormLimits {
        match self {
            Self::ImportExport => FormLimits::DEFAULT,
            Self::AnyAction => FormLimits::new(20_000),
        }
    }
}
