//! Registration of a metric, which returns the handle to it.

use prometheus_client::registry::{Metric, Registry, Unit};

pub(super) fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

pub(super) fn register_with_unit<M: Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    unit: Unit,
    help: &str,
    metric: M,
) -> M {
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}
