//! Whether a job imports or exports.

/// Import or export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobType {
    /// From a device into S3.
    Import,
    /// From S3 onto a device.
    Export,
}

impl JobType {
    /// Reads `text`; case does not matter, as the AWS CLI's own example says `import`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Import, Self::Export].into_iter().find(|job_type| job_type.as_str().eq_ignore_ascii_case(text))
    }

    /// The name as the service writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "Import",
            Self::Export => "Export",
        }
    }
}
