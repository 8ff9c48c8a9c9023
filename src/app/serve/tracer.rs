//! How the exchanges of one listener are traced.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::app::build::shared_route::SharedRoute;
use crate::downstream::ListenAddress;
use crate::telemetry::trace::{ListenerFacts, RouteFacts, SpanQueue, Tracer, Tracing};

/// Traces the exchanges on `address` as the graph says.
pub(super) fn tracing(
    graph: &Graph,
    listener: &SharedListener,
    address: &ListenAddress,
    spans: Option<&SpanQueue>,
) -> Tracing {
    let Some(trace) = &graph.settings.trace else { return Tracing::off() };
    let spans = spans.zip(graph.spans.as_ref()).map(|(spans, export)| spans.with_places(export.places.clone()));
    let listener = ListenerFacts {
        address: match address {
            // a wildcard says nothing about where the client has called
            ListenAddress::Tcp(address) => Some(*address).filter(|address| !address.ip().is_unspecified()),
            ListenAddress::Unix(_) => None,
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
    RouteFacts {
        name: settings.name.as_str().to_owned(),
        path: settings.path.clone(),
        url: settings.endpoint.url(),
        host: settings.endpoint.bare_host().to_owned(),
        port: settings.endpoint.port,
    }
}
