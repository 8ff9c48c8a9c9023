//! What of a configuration can be built where its secrets are not: for a check in a pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::destination::{PlatformRoots, destination};
use super::error::BuildError;
use super::shared_listener::faults_without_secrets;
use super::{rate_store, span_export};
use crate::config::settings::{
    Egress, EgressProxy, Endpoint, Fallback, KeyStore, Route, Settings, TokenKeys, Transport,
};
use crate::trust::ClientTlsSettings;
use crate::upstream::Destination;

/// Reads every file that holds no secret. The destinations are those of the endpoints of all routes, by their tables.
///
/// # Errors
/// Everything that is wrong, not only the first thing.
pub(crate) fn without_keys(settings: &Settings) -> Result<BTreeMap<String, Arc<Destination>>, Vec<BuildError>> {
    let (mut destinations, mut errors) = (BTreeMap::new(), Vec::new());
    for listener in &settings.listeners {
        let faults = faults_without_secrets(listener).into_iter();
        errors.extend(
            faults.map(|source| BuildError::Listener { name: listener.name.clone(), source: Box::new(source) }),
        );
    }
    let mut platform = PlatformRoots::default();
    for route in settings.routes.iter().map(public) {
        for endpoint in route.endpoints() {
            match destination(&endpoint, settings.process.workers, &mut platform, &[]) {
                Ok(built) => drop(destinations.insert(endpoint.table(), built)),
                Err(error) => errors.push(error),
            }
        }
    }
    errors.extend(span_export::fault_without_secrets(settings));
    errors.extend(rate_store::fault_without_secrets(settings));
    if errors.is_empty() { Ok(destinations) } else { Err(errors) }
}

/// The route without its secrets. The parts that can have one are named in full, so that a new part does not compile
/// until somebody decides whether it is one.
fn public(route: &Route) -> Route {
    let mut route = route.clone();
    hide(&mut route.endpoint, &mut route.egress);
    for Fallback { endpoint, egress, signing: _ } in &mut route.fallbacks {
        hide(endpoint, egress);
    }
    route
}

fn hide(endpoint: &mut Endpoint, egress: &mut Egress) {
    match egress {
        Egress::Direct(_) => {}
        Egress::Proxy(EgressProxy { origin: _, host: _, port: _, roots: _, credentials }) => *credentials = None,
    }
    match &mut endpoint.transport {
        Transport::Plaintext => {}
        Transport::Tls { trust: _, client: ClientTlsSettings { minimum: _, pinned_keys: _, identity } } => {
            *identity = None;
        }
    }
}

/// Whether an endpoint is shown a certificate, whose key is a secret.
const fn is_shown_certificate(endpoint: &Endpoint) -> bool {
    match &endpoint.transport {
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
    let endpoints = || settings.routes.iter().flat_map(Route::endpoints);
    let shown = endpoints().filter(|it| it.egress.proxy().is_some_and(|proxy| proxy.credentials.is_some()));
    let shown = shown.map(|endpoint| format!("{}.egress_credentials_file", endpoint.table()));
    let certificates = endpoints().filter(|it| is_shown_certificate(it.endpoint));
    let store = settings.rates.as_ref().filter(|rates| is_shown_certificate(&rates.endpoint));
    let certificates = certificates.map(|it| it.table()).chain(store.map(|_| "rates".to_owned()));
    let certificates = certificates.map(|table| format!("{table}.client_certificate with its client_key"));
    let export = settings.trace.as_ref().and_then(|trace| trace.export.as_ref());
    let headers = export.and_then(|export| export.headers_file.as_ref()).map(|_| "trace.headers_file".to_owned());
    let password = settings.rates.as_ref().and_then(|rates| rates.password_file.as_ref());
    let password = password.map(|_| "rates.password_file".to_owned());
    keys.chain(private).chain(tokens).chain(shown).chain(certificates).chain(headers).chain(password).collect()
}
