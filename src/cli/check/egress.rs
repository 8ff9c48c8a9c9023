//! What `check` says of the way out: which route goes through a proxy, and which variables nobody uses.

use super::findings::{Findings, Kind, Section};
use crate::config;
use crate::config::settings::{Direct, Egress, EgressOrigin, EgressProxy, Settings};
use crate::trust::Roots;

/// The proxy of a route, or why it has none. A route that says nothing about one gets no line.
pub(super) fn describe(section: &mut Section, egress: &Egress) {
    match egress {
        Egress::Direct(Direct::Default) => {}
        Egress::Direct(Direct::Configured) => section.detail("egress: direct"),
        Egress::Direct(Direct::NoVariable) => section.detail("egress: direct, since no variable names a proxy"),
        Egress::Direct(Direct::NoProxy) => section.detail("egress: direct, since NO_PROXY covers the endpoint"),
        Egress::Proxy(proxy) => {
            section.detail(through(proxy));
            section.fact("egress", proxy.url());
        }
    }
}

fn through(proxy: &EgressProxy) -> String {
    let origin = match proxy.origin {
        EgressOrigin::Route => String::new(),
        EgressOrigin::Variable(name) => format!(", which {name} names"),
    };
    let trust = match &proxy.roots {
        None => String::new(),
        Some(Roots::Platform) => ", verified against the platform's roots".to_owned(),
        Some(Roots::File(path)) => format!(", verified against {}", path.display()),
    };
    let in_clear = proxy.roots.is_none() && !proxy.next_hop().is_on_this_machine();
    let shown = proxy.credentials.as_deref().map(|path| {
        let how = if in_clear { ", which cross the network in clear" } else { "" };
        format!(", with the user and password in {}{how}", path.display())
    });
    format!("egress: through {}{origin}{trust}{}", proxy.url(), shown.unwrap_or_default())
}

/// Warns of a variable that names a proxy which no route uses.
pub(super) fn warn_of_unused_variable(found: &mut Findings, settings: &Settings) {
    if let Some(warning) = config::unused_proxy(settings, &config::process_environment()) {
        found.warning(Kind::Process, None, warning);
    }
}
