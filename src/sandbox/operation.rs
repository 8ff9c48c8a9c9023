//! The names of the service's six operations.

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Checks a manifest and creates a job.
    CreateJob,
    /// Replaces a job's manifest.
    UpdateJob,
    /// Cancels a job.
    CancelJob,
    /// Describes a job and its stage.
    GetStatus,
    /// Lists jobs, newest first.
    ListJobs,
    /// Creates a prepaid label for sending devices to AWS.
    GetShippingLabel,
}

impl Operation {
    const ALL: [Self; 6] =
        [Self::CreateJob, Self::UpdateJob, Self::CancelJob, Self::GetStatus, Self::ListJobs, Self::GetShippingLabel];

    /// The operation that the value of `Action` names, if there is one.
    pub(super) fn named(action: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == action)
    }

    /// The names of all operations.
    pub(super) fn names() -> [&'static str; 6] {
        Self::ALL.map(Self::name)
    }

    /// The value of `Action`.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CreateJob => "CreateJob",
            Self::UpdateJob => "UpdateJob",
            Self::CancelJob => "CancelJob",
            Self::GetStatus => "GetStatus",
            Self::ListJobs => "ListJobs",
            Self::GetShippingLabel => "GetShippingLabel",
        }
    }
}
