//! Whether an Action may be carried out twice.

/// Whether an Action may be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// The Action only reads.
    Safe,
    /// The Action may change something each time.
    Unsafe,
}
