//! What of a configuration can be built where its secrets are not: for a check in a pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::destination::{PlatformRoots, destination};
use super::error::BuildError;
use super::shared_listener::faults_without_secrets;
use super::span_export::fault_without_secrets;
use crate::config::settings::{Egress, EgressProxy, KeyStore, Name, Route, Settings, TokenKeys, Transport};
use crate::trust::ClientTlsSettings;
use crate::upstream::Destination;

/// Reads every file that holds no secret. The destinations are those of the routes.
///
/// # Errors
/// Everything that is wrong, not only the first thing.
pub(crate) fn without_keys(settings: &Settings) -> Result<BTreeMap<Name, Arc<Destination>>, Vec<BuildError>> {
    let (mut destinations, mut errors) = (BTreeMap::new(), Vec::new());
    for listener in &settings.listeners {
        let faults = faults_without_secrets(listener).into_iter();
        errors.extend(
            faults.map(|source| BuildError::Listener { name: listener.name.clone(), source: Box::new(source) }),
        );
    }
    let mut platform = PlatformRoots::default();
    for route in &settings.routes {
        match destination(&public(route), settings.process.workers, &mut platform, None) {
            Ok(built) => drop(destinations.insert(route.name.clone(), built)),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(fault_without_secrets(settings));
    if errors.is_empty() { Ok(destinations) } else { Err(errors) }
}

/// The route without its secrets. The parts that can have one are named in full, so that a new part does not compile
/// until somebody decides whether it is one.
fn public(route: &Route) -> Route {
    let mut route = route.clone();
    match &mut route.egress {
        Egress::Direct(_) => {}
        Egress::Proxy(EgressProxy { origin: _, host: _, port: _, roots: _, credentials }) => *credentials = None,
    }
    match &mut route.endpoint.transport {
        Transport::Plaintext => {}
        Transport::Tls { trust: _, client: ClientTlsSettings { minimum: _, pinned_keys: _, identity } } => {
            *identity = None;
        }
    }
    route
}

/// Whether a route shows its endpoint a certificate, whose key is a secret.
const fn shows_certificate(route: &Route) -> bool {
    match &route.endpoint.transport {
        Transport::Plaintext => false,
        Transport::Tls { client, .. } => client.identity.is_some(),
    }
}

/// The keys of the configuration whose files or stores [`without_keys`] leaves out.
pub(crate) fn left_out(settings: &Settings) -> Vec<String> {
    let keys = settings.keys.iter().map(|key| {
        let what = match &key.store {
            KeyStore::Sealed { .. } | KeyStore::File(_) => "",
            KeyStore::Process(_) => " (its program is not started)",
            KeyStore::Aws(_) => " (no service is asked)",
            KeyStore::Pkcs11(_) => " (its token is not opened)",
        };
        format!("key.{}{what}", key.name)
    });
    let private = settings.listeners.iter().filter(|listener| listener.tls.is_some());
    let private = private.map(|listener| format!("listener.{}.tls.private_key", listener.name));
    let tokens = settings.listeners.iter().filter(|listener| {
        let keys = listener.service_account.as_ref().map(|tokens| &tokens.keys);
        matches!(keys, Some(TokenKeys::Url { token_file: Some(_), .. }))
    });
    let tokens = tokens.map(|listener| format!("listener.{}.service_account.jwks_token_file", listener.name));
    let shown =
        settings.routes.iter().filter(|route| route.egress.proxy().is_some_and(|proxy| proxy.credentials.is_some()));
    let shown = shown.map(|route| format!("route.{}.egress_credentials_file", route.name));
    let certificates = settings.routes.iter().filter(|route| shows_certificate(route));
    let certificates =
        certificates.map(|route| format!("route.{0}.client_certificate with its client_key", route.name));
    let export = settings.trace.as_ref().and_then(|trace| trace.export.as_ref());
    let headers = export.and_then(|export| export.headers_file.as_ref()).map(|_| "trace.headers_file".to_owned());
    keys.chain(private).chain(tokens).chain(shown).chain(certificates).chain(headers).collect()
}
