//! Asks a source for its key, in the one-shot process.

use std::env;
use std::path::PathBuf;

use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use jiff::Timestamp;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::http::{CA_BUNDLE, Http, HttpError};
use super::trusted_files;
use super::{AwsError, AwsKey, AwsSource};
use crate::credentials::access_key::{AccessKeyId, Credentials};
use crate::credentials::document;
use crate::credentials::program::redaction::hide;
use crate::credentials::secret::{SecretAccessKey, SessionToken};
use crate::credentials::store::LoadErrorKind;
use crate::error_chain::causes;

/// What AWS's logs call the sessions of an assumed role.
const SESSION_NAME: &str = "countersign";

/// The key's JSON, as the source has it now.
///
/// # Errors
/// [`AwsError`].
pub fn obtain(key: &AwsKey) -> Result<Zeroizing<Vec<u8>>, AwsError> {
    let source_name = key.source.describe();
    let system = |told: String| AwsError::System { source_name, told };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| system(error.to_string()))?;
    let ca_bundle = env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    trusted_files::check(key, ca_bundle.as_deref()).map_err(|error| AwsError::Guarded { told: causes(&error) })?;
    let http = Http::new(ca_bundle.as_deref());
    let http = http.map_err(|error| match &error {
        HttpError::Tls(error) if error.is_permissions() => AwsError::Guarded { told: causes(error) },
        HttpError::Bundle { .. } | HttpError::NoCertificate(_) | HttpError::Tls(_) => {
            AwsError::SetUp { source_name, told: error.to_string() }
        }
    })?;
    runtime.block_on(async {
        let found = timeout(key.timeout, ask(key, http)).await;
        let found = found.map_err(|_late| AwsError::Timeout { source_name, limit: key.timeout })??;
        let found = credentials(&found).ok_or(AwsError::NoKey(source_name))?;
        Ok(document::write(&found))
    })
}

async fn ask(key: &AwsKey, http: Http) -> Result<aws_credential_types::Credentials, AwsError> {
    let region = region(key).await;
    // the call for a web identity needs a region, too
    if region.is_none() && (key.role.is_some() || key.source == AwsSource::WebIdentity) {
        return Err(AwsError::NoRegion);
    }
    let provider = provider(key, http.clone(), region.clone()).await;
    let Some(role) = &key.role else {
        return provider.provide_credentials().await.map_err(|error| refused(key, &error));
    };
    // reported apart from a refused role, so that nobody looks for the fault of a role in the source
    let given = provider.provide_credentials().await.map_err(|error| refused(key, &error))?;
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(given.clone()));
    if let Some(profile) = &key.profile {
        config = config.profile_name(profile);
    }
    let config = config.load().await;
    let assumed = AssumeRoleProvider::builder(role).session_name(SESSION_NAME).configure(&config);
    let assumed = assumed.build_from_provider(given).await.provide_credentials().await;
    assumed.map_err(|error| AwsError::Failed {
        source_name: key.source.describe(),
        told: format!("the role {role} is not given: {}", told(key, &error)),
    })
}

/// The region of the configuration, the environment or the profile. The instance is not asked for it.
async fn region(key: &AwsKey) -> Option<Region> {
    if let Some(region) = &key.region {
        return Some(Region::new(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &key.profile {
        profile = profile.profile_name(name);
    }
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(profile.build()).region().await
}

async fn provider(key: &AwsKey, http: Http, region: Option<Region>) -> SharedCredentialsProvider {
    let config = ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(http)
        .with_region(region.clone());
    match key.source {
        AwsSource::Environment => SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        AwsSource::Profile => {
            let mut profile = ProfileFileCredentialsProvider::builder().configure(&config);
            if let Some(name) = &key.profile {
                profile = profile.profile_name(name);
            }
            SharedCredentialsProvider::new(profile.build())
        }
        AwsSource::WebIdentity => {
            SharedCredentialsProvider::new(WebIdentityTokenCredentialsProvider::builder().configure(&config).build())
        }
        AwsSource::Container => {
            SharedCredentialsProvider::new(EcsCredentialsProvider::builder().configure(&config).build())
        }
        AwsSource::Instance => {
            SharedCredentialsProvider::new(ImdsCredentialsProvider::builder().configure(&config).build())
        }
        AwsSource::Default => {
            let mut chain = DefaultCredentialsChain::builder().configure(config);
            chain.set_region(region);
            if let Some(name) = &key.profile {
                chain = chain.profile_name(name);
            }
            SharedCredentialsProvider::new(chain.build().await)
        }
    }
}

fn refused(key: &AwsKey, error: &CredentialsError) -> AwsError {
    let source_name = key.source.describe();
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            let (hint, kind) = wanted(key.source);
            AwsError::NotSetUp { source_name, hint, told: format!(" ({})", told(key, error)), kind }
        }
        CredentialsError::InvalidConfiguration(_) => AwsError::SetUp { source_name, told: told(key, error) },
        // the enum may grow
        CredentialsError::ProviderTimedOut(_)
        | CredentialsError::ProviderError(_)
        | CredentialsError::Unhandled(_)
        | _ => AwsError::Failed { source_name, told: told(key, error) },
    }
}

/// What to configure for a source, and how to react if it is missing: variables do not change while we run.
const fn wanted(source: AwsSource) -> (&'static str, LoadErrorKind) {
    match source {
        AwsSource::Environment => (
            "start countersign with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if there is one",
            LoadErrorKind::Invalid,
        ),
        AwsSource::Profile => (
            "the profile is in none of the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, which are \
             in ~/.aws otherwise, or it has no key",
            LoadErrorKind::Unavailable,
        ),
        AwsSource::WebIdentity => {
            ("start countersign with AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN", LoadErrorKind::Invalid)
        }
        AwsSource::Container => (
            "start countersign with AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            LoadErrorKind::Invalid,
        ),
        AwsSource::Instance => ("it cannot be reached, or the instance has no role", LoadErrorKind::Unavailable),
        AwsSource::Default => ("none of its sources has a key", LoadErrorKind::Unavailable),
    }
}

/// An error of AWS's crates and its causes, in one line. A profile may run a program, and the error may quote its
/// standard error.
fn told(key: &AwsKey, error: &dyn std::error::Error) -> String {
    let text: String = causes(error).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match key.source {
        AwsSource::Profile | AwsSource::Default => hide(&text),
        AwsSource::Environment | AwsSource::WebIdentity | AwsSource::Container | AwsSource::Instance => text,
    }
}

fn credentials(found: &aws_credential_types::Credentials) -> Option<Credentials> {
    let token = found.session_token().map(|token| SessionToken::new(token).ok_or(()));
    let expiration = found.expiry().map(|end| Timestamp::try_from(end).map_err(|_beyond| ()));
    Some(Credentials {
        access_key_id: AccessKeyId::parse(found.access_key_id())?,
        secret_access_key: SecretAccessKey::new(found.secret_access_key().as_bytes())?,
        session_token: token.transpose().ok()?,
        expiration: expiration.transpose().ok()?,
    })
}
