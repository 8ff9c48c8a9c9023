//! Why a graph cannot be built, each fault with its place in the configuration.

use thiserror::Error;

use super::egress::CredentialsError;
use super::shared_listener::ListenerError;
use crate::config::settings::Name;
use crate::credentials::{LoadError, LoadErrorKind};
use crate::fetch::UploadError;
use crate::rates::StoreFault;
use crate::trust::{IdentityError, RootsError};

/// Why a graph cannot be built from settings.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A key cannot be loaded.
    #[error("key.{name}")]
    Key {
        /// The key's name.
        name: Name,
        /// Why not.
        source: LoadError,
    },
    /// A route's trusted roots cannot be used.
    #[error("{table}")]
    Roots {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
        /// Why not.
        source: RootsError,
    },
    /// The certificate that a route is to show to its endpoint cannot be used.
    #[error("{table}")]
    Identity {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
        /// Why not.
        source: Box<IdentityError>,
    },
    /// The endpoint's host is neither an address nor a name that a certificate can be for.
    #[error("{table}: the host of `endpoint` is not a DNS name or IP address that a certificate can be for")]
    HostName {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
    },
    /// The trusted roots of a route's egress proxy cannot be used.
    #[error("{table}: egress_ca_file")]
    ProxyRoots {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
        /// Why not.
        source: RootsError,
    },
    /// The host of an `https://` egress proxy is neither an address nor a name that a certificate can be for.
    #[error("{table}: the host of `egress` is not a DNS name or IP address that a certificate can be for")]
    ProxyName {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
    },
    /// What a route's egress proxy is shown cannot be read.
    #[error("{table}: egress_credentials_file")]
    ProxyCredentials {
        /// The endpoint's table: that of the route, or of a fallback.
        table: String,
        /// Why not.
        source: CredentialsError,
    },
    /// A listener cannot do what it is configured to.
    #[error("listener.{name}")]
    Listener {
        /// The listener's name.
        name: Name,
        /// Why not.
        source: Box<ListenerError>,
    },
    /// The key of a client has a session token, so it is a cloud's.
    #[error("key.{name}: it has a session token, which issued keys have not: make one by `countersign clients issue`")]
    IssuedWithToken {
        /// The key's name.
        name: String,
    },
    /// Two keys of clients have one id, so that it would not tell who signed.
    #[error("key.{name}: it has the same access key ID as key.{other}: each issued key needs one of its own")]
    IssuedTwice {
        /// The key's name.
        name: String,
        /// The other key's.
        other: String,
    },
    /// The key of a client is a cloud's.
    #[error(
        "key.{name}: it has the same access key ID as key.{other}, which signs for the cloud, so that its client could \
         do without countersign: make one by `countersign clients issue`"
    )]
    IssuedSigns {
        /// The key's name.
        name: String,
        /// The cloud's.
        other: String,
    },
    /// The collector of spans cannot be reached with what is configured for it.
    #[error("trace.endpoint: {url}")]
    Collector {
        /// Its URL.
        url: String,
        /// Why not.
        source: Box<UploadError>,
    },
    /// The store of rates cannot be asked with what is configured for it.
    #[error("rates.store: {url}")]
    RateStore {
        /// Its URL.
        url: String,
        /// Why not.
        source: Box<StoreFault>,
    },
    /// A route without its key, which the configuration's reader refuses.
    #[error("route.{name}: its key is not configured")]
    NoKey {
        /// The route's name.
        name: Name,
    },
}

impl BuildError {
    /// What has to be mended, as for a key store: permissions, availability, or the configuration itself.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        match self {
            Self::Key { source, .. } => source.kind(),
            Self::Listener { source, .. } if source.is_permissions() => LoadErrorKind::Permissions,
            Self::Roots { source, .. } | Self::ProxyRoots { source, .. } if source.is_permissions() => {
                LoadErrorKind::Permissions
            }
            Self::ProxyCredentials { source: CredentialsError::Guarded(source), .. } if source.is_permissions() => {
                LoadErrorKind::Permissions
            }
            Self::Identity { source, .. } if source.is_permissions() => LoadErrorKind::Permissions,
            Self::Collector { source, .. } if source.is_permissions() => LoadErrorKind::Permissions,
            Self::RateStore { source, .. } if source.is_permissions() => LoadErrorKind::Permissions,
            Self::Roots { .. }
            | Self::Identity { .. }
            | Self::HostName { .. }
            | Self::ProxyRoots { .. }
            | Self::ProxyName { .. }
            | Self::ProxyCredentials { .. }
            | Self::Listener { .. }
            | Self::IssuedWithToken { .. }
            | Self::IssuedTwice { .. }
            | Self::IssuedSigns { .. }
            | Self::Collector { .. }
            | Self::RateStore { .. }
            | Self::NoKey { .. } => LoadErrorKind::Invalid,
        }
    }
}
