//! How the exchanges of one listener are traced.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::app::build::shared_route::SharedRoute;
use crate::config::settings::RouteEndpoint;
use crate::downstream::ListenAddress;
use crate::telemetry::trace::{EndpointFacts, ListenerFacts, RouteFacts, SpanQueue, Tracer, Tracing};

/// Traces the exchanges on `addresses` as the graph says.
pub(super) fn tracing(
    graph: &Graph,
    listener: &SharedListener,
    addresses: &[ListenAddress],
    spans: Option<&SpanQueue>,
) -> Tracing {
    let Some(trace) = &graph.settings.trace else { return Tracing::off() };
    let spans = spans.zip(graph.spans.as_ref()).map(|(spans, export)| spans.with_places(export.places.clone()));
    let listener = ListenerFacts {
        address: match addresses {
            // a wildcard or one of several addresses says nothing about where the client has called
            [ListenAddress::Tcp(address)] => Some(*address).filter(|address| !address.ip().is_unspecified()),
            _ => None,
        },
        scheme: if listener.settings.tls.is_some() { "https" } else { "http" },
    };
    let routes: BTreeMap<_, _> =
        graph.routes.iter().map(|(name, route)| (name.as_str().to_owned(), Arc::new(facts(route)))).collect();
    let (sampling, forwarding) = (trace.sampling, trace.forwarding);
    Tracing::by(Tracer { sampling, forwarding, spans, listener: Arc::new(listener), routes })
}

fn facts(route: &SharedRoute) -> RouteFacts {
    let settings = &route.settings;
    let endpoint = |it: RouteEndpoint<'_>| EndpointFacts {
        url: it.endpoint.url(),
        host: it.endpoint.bare_host().to_owned(),
        port: it.endpoint.port,
    };
    RouteFacts {
        name: settings.name.as_str().to_owned(),
        path: settings.path.clone(),
        endpoint: endpoint(settings.first_endpoint()),
        fallbacks: settings.fallback_endpoints().map(endpoint).collect(),
    }
}
