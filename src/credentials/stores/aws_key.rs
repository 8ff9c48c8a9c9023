//! Which key is asked of AWS's own sources: what the configuration says, and what the store's agent is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A key that one source has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsKey {
    /// Which.
    pub source: AwsSource,
    /// The profile, instead of what `AWS_PROFILE` says.
    pub profile: Option<String>,
    /// The ARN of a role that is assumed with what the source gives.
    pub role: Option<String>,
    /// The region of the services that are asked, instead of what `AWS_REGION` or the profile says.
    pub region: Option<String>,
    /// The timeout of a whole load.
    pub timeout: Duration,
    /// How often the source is asked again at least.
    pub refresh: Duration,
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AwsSource {
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Environment,
    /// A profile of AWS's files, whatever it refers to.
    Profile,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, and `AWS_ROLE_ARN`.
    WebIdentity,
    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `..._RELATIVE_URI` names.
    Container,
    /// The instance metadata service, version 2.
    Instance,
    /// The first of all these that has one, in the order of AWS's tools.
    Default,
}

impl AwsSource {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("environment", Self::Environment),
        ("profile", Self::Profile),
        ("web-identity", Self::WebIdentity),
        ("container", Self::Container),
        ("instance", Self::Instance),
        ("default", Self::Default),
    ];

    /// In words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Environment => "the environment (source \"environment\")",
            Self::Profile => "the AWS profile (source \"profile\")",
            Self::WebIdentity => "the web identity (source \"web-identity\")",
            Self::Container => "the container endpoint (source \"container\")",
            Self::Instance => "the instance metadata service (source \"instance\")",
            Self::Default => "AWS's default chain (source \"default\")",
        }
    }
}

impl AwsKey {
    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        let profile = self.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
        let role = self.role.as_ref().map(|role| format!(", role {role}")).unwrap_or_default();
        format!("{}{profile}{role}", self.source.describe())
    }
}
