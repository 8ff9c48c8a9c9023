//! Listeners as all workers share them: how they authenticate clients, and how many connections they accept.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use super::shares::Counters;
use crate::authorize::Method;
use crate::clock;
use crate::config::settings::{self, Endpoint, Listener, ListenerTls, TokenKeys, Transport};
use crate::downstream::dates::{Dates, OutOfDate};
use crate::downstream::listener::Security;
use crate::downstream::service_account::{TokenSettings, Verifier};
use crate::downstream::tls::{Clients, ReloadableTls, TlsError, TlsSettings, Versions};
use crate::downstream::tls_files::{SecretFiles, unusable_files};
use crate::downstream::{Capacity, JwksError, OwnerLookup, PlaceRequests, Shares, loopback};
use crate::fetch::{FetchError, Location, ServerLocation, Source};
use crate::upstream::NextHop;

/// One listener as all workers share it.
pub(crate) struct SharedListener {
    pub(crate) settings: Listener,
    pub(crate) authentication: Arc<Authentication>,
    /// Places for client connections, and each client's share of them.
    pub(crate) connections: Shares<Capacity>,
    /// What workers tell each other when there are no places left.
    pub(crate) requests: Arc<PlaceRequests>,
}

/// How a listener finds out who its clients are.
pub(crate) struct Authentication {
    settings: AuthenticationSettings,
    pub(crate) security: Security,
    pub(crate) service_accounts: Option<ServiceAccounts>,
}

/// What of a listener's settings its [`Authentication`] depends on, and the only thing it is made from.
#[derive(PartialEq)]
struct AuthenticationSettings {
    tls: Option<ListenerTls>,
    service_account: Option<settings::ServiceAccount>,
    owners: OwnerLookup,
}

/// How a listener authenticates service accounts.
pub(crate) struct ServiceAccounts {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) keys: KeysFrom,
}

/// Where the keys of a token issuer come from.
pub(crate) enum KeysFrom {
    /// A file, which has been read already.
    File(PathBuf),
    /// A server, which has not been asked yet: that it is unreachable at the moment must not prevent a start.
    Server {
        /// The URL, for the log.
        url: String,
        /// The means to ask it.
        source: Arc<Source>,
    },
}

/// Why a listener cannot do what it is configured to.
#[derive(Debug, Error)]
pub enum ListenerError {
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The keys of its token issuer cannot be used.
    #[error(transparent)]
    Tokens(#[from] JwksError),
    /// They cannot be fetched with what is configured for it.
    #[error("{url}")]
    Fetch {
        /// The URL.
        url: String,
        /// Why not.
        source: FetchError,
    },
    /// The kernel cannot be asked who owns a loopback connection.
    #[error(
        "`loopback-owner` needs the kernel's socket diagnostics (NETLINK_SOCK_DIAG), which cannot be asked; under \
         systemd, add AF_NETLINK to RestrictAddressFamilies="
    )]
    Owner(#[source] io::Error),
}

impl SharedListener {
    /// Builds what workers share of `listener`. As far as it is configured as `before`, it is kept: certificates and
    /// token keys, which have their own watcher, and open connections.
    pub(crate) fn build(
        listener: &Listener,
        descriptors: &Capacity,
        shares: &Counters<'_>,
        before: Option<&Self>,
    ) -> Result<Self, Vec<ListenerError>> {
        let settings = AuthenticationSettings::of(listener);
        let authentication = match before.map(|before| &before.authentication) {
            Some(known) if known.settings == settings => Arc::clone(known),
            Some(_) => {
                let loaded = Authentication::load(settings)?;
                // what is served has certificates that hold, or is not worse off without these
                loaded.check_dates(clock::now()).map_err(|error| vec![ListenerError::Tls(TlsError::Dates(error))])?;
                Arc::new(loaded)
            }
            // at a start, the files may be renewed while they are served
            None => Arc::new(Authentication::load(settings)?),
        };
        let limit = listener.limits.connections;
        let connections = before.map(|before| &before.connections);
        let all = match connections {
            Some(before) => before.all().with_limit(limit),
            None => Capacity::new(limit).within(descriptors),
        };
        let connections = shares.of_listener(listener, all, connections);
        let requests = before.map(|before| Arc::clone(&before.requests)).unwrap_or_default();
        Ok(Self { settings: listener.clone(), authentication, connections, requests })
    }

    /// Whether tokens cannot be judged, since the keys of their issuer have never been loaded.
    pub(crate) fn awaits_keys(&self) -> bool {
        self.authentication.service_accounts.as_ref().is_some_and(|accounts| !accounts.verifier.has_keys())
    }
}

impl AuthenticationSettings {
    /// Every setting is named here, so that a new one does not compile until somebody decides whether certificates and
    /// token keys that were loaded without it may still be used.
    fn of(listener: &Listener) -> Self {
        // `_`: used anew by each connection or request, or changed only by a restart
        let Listener {
            name: _,
            addresses: _,
            callers: _,
            hosts: _,
            required_header: _,
            routes: _,
            view: _,
            rate_limit_fields: _,
            exposure: _,
            relays: _,
            tls,
            service_account,
            limits: _,
        } = listener;
        let owners = if listener.callers.accepts(Method::LoopbackOwner) { OwnerLookup::Ask } else { OwnerLookup::Skip };
        Self { tls: tls.clone(), service_account: service_account.clone(), owners }
    }
}

impl Authentication {
    /// Loads certificates and token keys.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first thing.
    fn load(settings: AuthenticationSettings) -> Result<Self, Vec<ListenerError>> {
        let security = match (&settings.tls, settings.owners) {
            (Some(tls), _) => load_tls(tls).map(|tls| Security::Tls(Arc::new(tls))),
            (None, OwnerLookup::Ask) => match loopback::available() {
                Ok(()) => Ok(Security::Plain(OwnerLookup::Ask)),
                Err(source) => Err(vec![ListenerError::Owner(source)]),
            },
            (None, OwnerLookup::Skip) => Ok(Security::Plain(OwnerLookup::Skip)),
        };
        match (security, settings.service_account.as_ref().map(service_accounts).transpose()) {
            (Ok(security), Ok(service_accounts)) => Ok(Self { settings, security, service_accounts }),
            (security, tokens) => {
                let errors = security.err().into_iter().chain(tokens.err()).flatten();
                Err(errors.collect())
            }
        }
    }
}

impl Authentication {
    /// When the listener's certificate and revocation lists hold; `None` without TLS.
    pub(crate) fn dates(&self) -> Option<Arc<Dates>> {
        match &self.security {
            Security::Tls(tls) => Some(tls.dates()),
            Security::Plain(_) => None,
        }
    }

    /// Whether they hold at `now`.
    pub(crate) fn check_dates(&self, now: Timestamp) -> Result<(), OutOfDate> {
        self.dates().map_or(Ok(()), |dates| dates.check(now))
    }
}

fn load_tls(tls: &ListenerTls) -> Result<ReloadableTls, Vec<ListenerError>> {
    ReloadableTls::load(tls_settings(tls)).map_err(|error| {
        let each = unusable_files(&tls_settings(tls), SecretFiles::Opened);
        // each file can be used, and they do not fit together
        let all = if each.is_empty() { vec![error] } else { each };
        all.into_iter().map(ListenerError::Tls).collect()
    })
}

/// What is wrong with the files of a listener that hold no secret.
pub(super) fn faults_without_secrets(listener: &Listener) -> Vec<ListenerError> {
    let tls = listener.tls.iter().flat_map(|tls| unusable_files(&tls_settings(tls), SecretFiles::LeftOut));
    let mut faults: Vec<_> = tls.map(ListenerError::Tls).collect();
    if let Some(mut tokens) = listener.service_account.clone() {
        if let TokenKeys::Url { token_file, .. } = &mut tokens.keys {
            *token_file = None;
        }
        faults.extend(service_accounts(&tokens).err().into_iter().flatten());
    }
    faults
}

impl ListenerError {
    /// Whether the owner or permissions of a file have to be changed.
    pub(crate) fn is_permissions(&self) -> bool {
        match self {
            Self::Tls(TlsError::Pem(error)) | Self::Tokens(JwksError::File(error)) => error.is_permissions(),
            Self::Fetch { source, .. } => source.is_permissions(),
            Self::Tls(_) | Self::Tokens(_) | Self::Owner(_) => false,
        }
    }
}

fn service_accounts(tokens: &settings::ServiceAccount) -> Result<ServiceAccounts, Vec<ListenerError>> {
    let verifier = Arc::new(Verifier::new(token_settings(tokens)));
    let keys = match &tokens.keys {
        TokenKeys::File(path) => match verifier.adopt_file(path) {
            Ok(_) => KeysFrom::File(path.clone()),
            Err(error) => return Err(vec![ListenerError::Tokens(error)]),
        },
        TokenKeys::Url { endpoint, token_file } => {
            let url = endpoint.url();
            match Source::new(location(endpoint, token_file.clone())) {
                Ok(source) => KeysFrom::Server { url, source: Arc::new(source) },
                Err(source) => return Err(fetch_faults(endpoint, token_file.as_ref(), source)),
            }
        }
    };
    Ok(ServiceAccounts { verifier, keys })
}

/// The first fault, and that of the token's file when the first is another one.
fn fetch_faults(endpoint: &Endpoint, token_file: Option<&PathBuf>, first: FetchError) -> Vec<ListenerError> {
    let failed = |source| ListenerError::Fetch { url: endpoint.url(), source };
    let of_token = token_file.filter(|_| Source::new(location(endpoint, None)).is_err()).and_then(|path| {
        let server = ServerLocation { roots: None, ..server_location(endpoint) };
        Source::new(Location { server, token_file: Some(path.clone()) }).err()
    });
    std::iter::once(first).chain(of_token).map(failed).collect()
}

fn location(endpoint: &Endpoint, token_file: Option<PathBuf>) -> Location {
    Location { server: server_location(endpoint), token_file }
}

/// Where a server is that is no endpoint of a route.
pub(super) fn server_location(endpoint: &Endpoint) -> ServerLocation {
    ServerLocation {
        host: match &endpoint.next_hop {
            NextHop::Tcp { host, port: _ } => host.clone(),
            NextHop::Unix(_) => endpoint.bare_host().to_owned(),
        },
        port: endpoint.port,
        authority: endpoint.authority(),
        path: endpoint.path.clone(),
        roots: match &endpoint.transport {
            Transport::Plaintext => None,
            Transport::Tls { trust, client: _ } => Some(trust.clone()),
        },
    }
}

fn tls_settings(tls: &settings::ListenerTls) -> TlsSettings {
    TlsSettings {
        certificate_file: tls.certificate.clone(),
        key_file: tls.private_key.clone(),
        clients: match &tls.clients {
            None => Clients::Anonymous,
            Some(clients) => {
                Clients::Verified { ca_file: clients.ca.clone(), crl_files: clients.revocation_lists.clone() }
            }
        },
        versions: Versions::From12,
        session_lifetime: tls.session_lifetime,
    }
}

fn token_settings(tokens: &settings::ServiceAccount) -> TokenSettings {
    TokenSettings { issuer: tokens.issuer.clone(), audience: tokens.audience.clone(), algorithm: tokens.algorithm }
}
