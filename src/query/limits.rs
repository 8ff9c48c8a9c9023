//! The limits of a form.

/// How much a form may hold. The size of its body is limited before, while the body is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormLimits {
    max_parameters: usize,
}

impl FormLimits {
    /// The limits of a route that does not set `limits.parameters`.
    pub const DEFAULT: Self = Self::new(1000);

    /// For forms whose author is trusted, such as the arguments of a command.
    pub const UNLIMITED: Self = Self::new(usize::MAX);

    /// At most `max_parameters` parameters.
    #[must_use]
    pub const fn new(max_parameters: usize) -> Self {
        Self { max_parameters }
    }

    /// The greatest number of parameters, those of authentication included.
    #[must_use]
    pub const fn max_parameters(self) -> usize {
        self.max_parameters
    }
}
