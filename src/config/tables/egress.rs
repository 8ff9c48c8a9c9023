//! The keys `egress...` of a route: the proxy on the way to its endpoint.

use std::path::PathBuf;

use crate::config::grammar::proxy_url::{ProxyUrl, proxy_url};
use crate::config::proxy_variables::ProxyVariables;
use crate::config::reading::table::Table;
use crate::config::reading::value::text;
use crate::config::settings::{Direct, Egress, EgressOrigin, EgressProxy, Endpoint, Transport};
use crate::signing::Scheme;
use crate::trust::Roots;

/// What `egress` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// Nothing.
    Default,
    Direct,
    Environment,
    Proxy(ProxyUrl),
}

/// Reads `egress`, `egress_ca_file` and `egress_credentials_file` of a route to `endpoint`, which is `None` when it has
/// a fault of its own.
pub(crate) fn read(table: &mut Table<'_>, endpoint: Option<&Endpoint>, variables: &ProxyVariables) -> Option<Egress> {
    let wanted = table.get("egress", Wanted::Default, |given| match text(given)? {
        "direct" => Ok(Wanted::Direct),
        "environment" => Ok(Wanted::Environment),
        url => proxy_url(url)
            .map(Wanted::Proxy)
            .map_err(|why| format!("{why}; \"environment\" and \"direct\" are valid too")),
    });
    let directory = table.directory();
    let ca_file = table.get("egress_ca_file", None, |given| directory.file(given).map(Some));
    let credentials = table.get("egress_credentials_file", None, |given| directory.file(given).map(Some));
    let (wanted, ca_file, credentials) = (wanted?, ca_file?, credentials?);
    let named = match wanted {
        Wanted::Default => return direct(table, Direct::Default, ca_file.as_ref(), credentials.as_ref()),
        Wanted::Direct => return direct(table, Direct::Configured, ca_file.as_ref(), credentials.as_ref()),
        Wanted::Environment => None,
        Wanted::Proxy(url) => Some(url),
    };
    if table.has("connect") {
        table.fault("connect", "cannot be used together with `egress`: remove one of the two");
        return None;
    }
    let endpoint = endpoint?;
    if endpoint.transport == Transport::Plaintext {
        let why = "is for https endpoints, and this one is http: whoever runs the proxy could read and change what is \
                   signed; remove the line, or write https";
        table.fault("egress", why);
        return None;
    }
    match named {
        Some(url) if url.scheme == Scheme::Http && ca_file.is_some() => {
            table.fault("egress_ca_file", "is for an https proxy, and `egress` names an http one: remove this line");
            None
        }
        Some(url) => Some(Egress::Proxy(proxy(EgressOrigin::Route, url, ca_file, credentials))),
        None => from_environment(table, endpoint, variables, ca_file, credentials),
    }
}

/// The endpoint, with the proxy as the place that connections are made to.
pub(crate) fn reached(endpoint: Endpoint, egress: &Egress) -> Endpoint {
    match egress.proxy() {
        None => endpoint,
        Some(proxy) => Endpoint { next_hop: proxy.next_hop(), ..endpoint },
    }
}

/// No proxy; files that are for one are faults.
fn direct(
    table: &Table<'_>,
    direct: Direct,
    ca_file: Option<&PathBuf>,
    credentials: Option<&PathBuf>,
) -> Option<Egress> {
    let given = [("egress_ca_file", ca_file), ("egress_credentials_file", credentials)];
    let mut useless = given.into_iter().filter(|(_, file)| file.is_some()).peekable();
    let is_fine = useless.peek().is_none();
    useless.for_each(|(key, _)| {
        table.fault(key, "is for a proxy, and `egress` names none: remove this line, or name the proxy");
    });
    is_fine.then_some(Egress::Direct(direct))
}

/// What the environment says about this endpoint. Certificates and credentials are those of the route, since the
/// variables have no place for them.
fn from_environment(
    table: &Table<'_>,
    endpoint: &Endpoint,
    variables: &ProxyVariables,
    ca_file: Option<PathBuf>,
    credentials: Option<PathBuf>,
) -> Option<Egress> {
    if variables.excepts(endpoint.bare_host(), endpoint.port) {
        return Some(Egress::Direct(Direct::NoProxy));
    }
    match variables.proxy() {
        Ok(None) => Some(Egress::Direct(Direct::NoVariable)),
        Ok(Some((name, url))) => Some(Egress::Proxy(proxy(EgressOrigin::Variable(name), url, ca_file, credentials))),
        Err(why) => {
            table.fault("egress", why);
            None
        }
    }
}

fn proxy(origin: EgressOrigin, url: ProxyUrl, ca_file: Option<PathBuf>, credentials: Option<PathBuf>) -> EgressProxy {
    let ProxyUrl { scheme, host, port } = url;
    let roots = match scheme {
        Scheme::Http => None,
        Scheme::Https => Some(ca_file.map_or(Roots::Platform, Roots::File)),
    };
    EgressProxy { origin, host, port, roots, credentials }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, fault, faults, faults_with, parse_with, route};

    const PROXY: &str = "egress = \"http://proxy.example:3128\"";

    /// The route's egress with these variables, or its first fault.
    fn egress(lines: &str, variables: &[(&str, &str)]) -> Result<Egress, String> {
        let text = LEAST.replace("[key.main]", &format!("{lines}\n[key.main]"));
        let read = parse_with(&text, variables).map(|mut settings| settings.routes.remove(0).egress);
        read.map_err(|_| faults_with(&text, variables).remove(0))
    }

    fn proxy_of(lines: &str, variables: &[(&str, &str)]) -> EgressProxy {
        egress(lines, variables).unwrap().proxy().unwrap().clone()
    }

    #[test]
    fn a_route_goes_through_the_proxy_it_names() {
        assert_eq!(route("").egress, Egress::Direct(Direct::Default));
        assert_eq!(route("egress = \"direct\"").egress, Egress::Direct(Direct::Configured));
        let plain = proxy_of(&format!("{PROXY}\negress_credentials_file = \"/run/proxy\""), &[]);
        assert_eq!((plain.origin, plain.url().as_str()), (EgressOrigin::Route, "http://proxy.example:3128"));
        assert_eq!((plain.roots, plain.credentials), (None, Some("/run/proxy".into())));
        assert_eq!(proxy_of("egress = \"https://[::1]:1\"", &[]).url(), "https://[::1]:1");
        assert_eq!(proxy_of("egress = \"https://p\"", &[]).roots, Some(Roots::Platform));
        let own = proxy_of("egress = \"https://p\"\negress_ca_file = \"/ca.pem\"", &[]);
        assert_eq!(own.roots, Some(Roots::File("/ca.pem".into())));
    }

    #[test]
    fn the_environment_says_which_proxy_and_for_which_endpoints() {
        const ENVIRONMENT: &str = "egress = \"environment\"";
        let named = proxy_of(ENVIRONMENT, &[("HTTPS_PROXY", "http://proxy.example:3128")]);
        assert_eq!(named.origin, EgressOrigin::Variable("HTTPS_PROXY"));
        assert_eq!(egress(ENVIRONMENT, &[]), Ok(Egress::Direct(Direct::NoVariable)));
        let covered = [("https_proxy", "p:3128"), ("NO_PROXY", ".amazonaws.com")];
        assert_eq!(egress(ENVIRONMENT, &covered), Ok(Egress::Direct(Direct::NoProxy)));
        assert_eq!(egress("", &covered[..1]), Ok(Egress::Direct(Direct::Default)), "only where a route asks for it");
        let socks = egress(ENVIRONMENT, &[("ALL_PROXY", "socks5://p:1080")]).unwrap_err();
        assert!(socks.contains("route.ie.egress: the variable ALL_PROXY names a SOCKS proxy"), "{socks}");
    }

    #[test]
    fn what_has_no_use_without_a_proxy_is_refused() {
        for (lines, at) in [
            ("egress_ca_file = \"/ca.pem\"", "egress_ca_file: is for a proxy"),
            ("egress = \"direct\"\negress_credentials_file = \"/c\"", "egress_credentials_file: is for a proxy"),
            (&format!("{PROXY}\negress_ca_file = \"/ca.pem\""), "egress_ca_file: is for an https proxy"),
        ] {
            assert!(egress(lines, &[]).unwrap_err().contains(at), "{lines}");
        }
    }

    #[test]
    fn a_route_has_a_proxy_or_another_address_and_not_both() {
        let both = egress(&format!("{PROXY}\nconnect = \"127.0.0.1:8443\""), &[]).unwrap_err();
        assert!(both.contains("route.ie.connect: cannot be used together with `egress`"), "{both}");
        let direct = "egress = \"direct\"\nconnect = \"127.0.0.1:8443\"";
        assert_eq!(egress(direct, &[]), Ok(Egress::Direct(Direct::Configured)));
        let through = route(PROXY);
        assert_eq!(through.endpoint.next_hop.to_string(), "proxy.example:3128");
        assert_eq!((through.first_endpoint().next_hop_key(), through.endpoint.port), ("egress", 443));
    }

    #[test]
    fn a_plain_http_endpoint_has_no_proxy() {
        for egress in ["http://proxy.example:3128", "environment"] {
            let text = LEAST.replace(
                "https://importexport.amazonaws.com/\"",
                &format!("http://localhost/\"\negress = \"{egress}\""),
            );
            assert!(faults(&text)[0].contains("route.ie.egress: is for https endpoints"), "{:?}", faults(&text));
        }
    }

    #[test]
    fn credentials_in_the_url_are_refused_at_their_place_with_a_hint() {
        let told = fault("route.ie", "egress = \"http://marker:word@proxy.example:3128\"");
        assert!(told.starts_with("f:5:10: route.ie.egress: has a user name"), "{told}");
        assert!(told.contains("egress_credentials_file") && !told.contains("marker"), "{told}");
    }
}
