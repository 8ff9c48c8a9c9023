//! The variables by which programs are told of a proxy, read as curl documents them, for routes with
//! `egress = "environment"`.

use super::grammar::no_proxy::NoProxy;
use super::grammar::proxy_url::{ProxyUrl, proxy_url};
use super::settings::{Direct, Egress, Route, Settings};

/// Those that name a proxy for `https` URLs, the first that is set before the others. `HTTP_PROXY` is not one of them:
/// it is for `http` URLs.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// What the environment says about proxies.
#[derive(Debug, Default)]
pub(crate) struct ProxyVariables {
    /// The variable's name, and its value.
    proxy: Option<(&'static str, String)>,
    exceptions: Option<NoProxy>,
}

/// Whether this variable says something about proxies for `https` URLs.
pub(super) fn is_proxy_variable(name: &str) -> bool {
    PROXY.contains(&name) || NO_PROXY.contains(&name)
}

/// What the start and `check` warn of: a variable names a proxy, and no route says anything about one. The value, which
/// may have a password in it, is not shown.
#[must_use]
pub fn unused_proxy(settings: &Settings, environment: &[(String, String)]) -> Option<String> {
    let variables = ProxyVariables::of(environment);
    let (name, _) = variables.proxy.as_ref()?;
    let is_silent = |egress: &Egress| matches!(egress, Egress::Direct(Direct::Default));
    let endpoints = || settings.routes.iter().flat_map(Route::endpoints);
    let concerns = endpoints().any(|it| !variables.excepts(it.endpoint.bare_host(), it.endpoint.port));
    (concerns && endpoints().all(|it| is_silent(it.egress))).then(|| {
        format!(
            "the variable {name} names a proxy, and no route uses it: endpoints are connected to without a proxy. \
             Write `egress = \"environment\"` on the routes that need it, or `egress = \"direct\"` on one that does not"
        )
    })
}

impl ProxyVariables {
    /// Picks them. One that is set to nothing counts as not set.
    pub(crate) fn of(environment: &[(String, String)]) -> Self {
        let value = |wanted: &str| {
            let set = environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            set.map(|(_, value)| value.clone())
        };
        let proxy = PROXY.iter().find_map(|name| value(name).map(|value| (*name, value)));
        let exceptions = NO_PROXY.iter().find_map(|name| value(name)).map(|list| NoProxy::parse(&list));
        Self { proxy, exceptions }
    }

    /// Whether `NO_PROXY` covers this host (without brackets) and port.
    pub(crate) fn excepts(&self, host: &str, port: u16) -> bool {
        self.exceptions.as_ref().is_some_and(|exceptions| exceptions.covers(host, port))
    }

    /// The proxy, and the variable that names it. A value without a scheme is a proxy over plain HTTP.
    ///
    /// # Errors
    /// The variable names no proxy that countersign can use.
    pub(crate) fn proxy(&self) -> Result<Option<(&'static str, ProxyUrl)>, String> {
        let Some((name, value)) = &self.proxy else { return Ok(None) };
        let whole = if value.contains("://") { value.clone() } else { format!("http://{value}") };
        let url = proxy_url(&whole).map_err(|why| format!("the variable {name} {why}"))?;
        Ok(Some((*name, url)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(set: &[(&str, &str)]) -> ProxyVariables {
        let environment: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ProxyVariables::of(&environment)
    }

    #[test]
    fn small_letters_go_before_capitals_and_https_before_all() {
        let all = [
            ("ALL_PROXY", "http://d:1"),
            ("all_proxy", "http://c:1"),
            ("HTTPS_PROXY", "http://b:1"),
            ("https_proxy", "http://a:1"),
        ];
        for (set, name) in [(4, "https_proxy"), (3, "HTTPS_PROXY"), (2, "all_proxy"), (1, "ALL_PROXY")] {
            assert_eq!(variables(&all[..set]).proxy().unwrap().unwrap().0, name);
        }
        let empty = variables(&[("https_proxy", ""), ("HTTPS_PROXY", "b:1"), ("HTTP_PROXY", "c:1")]);
        assert_eq!(empty.proxy().unwrap().unwrap().1.host, "b", "without a scheme, and the empty one is not set");
        assert!(variables(&[("HTTP_PROXY", "http://c:1"), ("http_proxy", "http://c:1")]).proxy().unwrap().is_none());
    }

    #[test]
    fn a_variable_that_is_no_proxy_is_named_and_its_value_is_not_shown() {
        let message = variables(&[("HTTPS_PROXY", "http://marker:word@b:1")]).proxy().unwrap_err();
        assert!(message.starts_with("the variable HTTPS_PROXY has a user name"), "{message}");
        assert!(!message.contains("marker"));
    }
}
