//! Keys that AWS's own tools would find: from the words of the configuration to those of the store.

use crate::config::settings::{self, AwsStore};
use crate::credentials::aws::{AwsKey, AwsSource, sees};
use crate::credentials::{AgentStore, KeyStore, LoadError, Order};

/// Starts the store's agent.
pub(super) fn store(store: &AwsStore) -> Result<Box<dyn KeyStore>, LoadError> {
    let AwsStore { source, profile, role, region, timeout, refresh } = store.clone();
    let source = match source {
        settings::AwsSource::Environment => AwsSource::Environment,
        settings::AwsSource::Profile => AwsSource::Profile,
        settings::AwsSource::WebIdentity => AwsSource::WebIdentity,
        settings::AwsSource::Container => AwsSource::Container,
        settings::AwsSource::Instance => AwsSource::Instance,
        settings::AwsSource::Default => AwsSource::Default,
    };
    let order = Order::Aws(AwsKey { source, profile, role, region, timeout, refresh });
    let environment = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(sees)).collect();
    Ok(Box::new(AgentStore::start(order, environment)?))
}
