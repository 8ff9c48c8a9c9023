//! `[[route.NAME.fallback]]`: further endpoints of a route.

use crate::config::proxy_variables::ProxyVariables;
use crate::config::reading::table::Table;
use crate::config::reading::value::text;
use crate::config::settings::{Endpoint, Fallback, Profile};
use crate::config::tables::{egress, endpoint};
use crate::signing::{self, ProfileError};

/// More would not help: a call that finds no endpoint waits for each of them.
pub(crate) const MOST_FALLBACKS: usize = 4;

/// Reads the fallbacks of a route with this first endpoint and this profile, which are `None` when they have faults of
/// their own.
///
/// Nothing of how the first endpoint is reached or trusted holds for a fallback: each table says all of it.
pub(crate) fn read(
    table: &mut Table<'_>,
    first: Option<&Endpoint>,
    profile: Option<&Profile>,
    proxies: &ProxyVariables,
) -> Option<Vec<Fallback>> {
    let tables = table.tables("fallback", "`[[route.NAME.fallback]]` with double brackets");
    let count = tables.len();
    if count > MOST_FALLBACKS {
        table.fault("fallback", format!("{count} tables, and a route has at most {MOST_FALLBACKS} fallbacks"));
    }
    let mut fallbacks: Vec<Fallback> = Vec::new();
    for table in tables {
        let known = first.into_iter().chain(fallbacks.iter().map(|fallback| &fallback.endpoint));
        if let Some(fallback) = one(table, known, profile, proxies) {
            fallbacks.push(fallback);
        }
    }
    (fallbacks.len() == count && count <= MOST_FALLBACKS).then_some(fallbacks)
}

fn one<'e>(
    mut table: Table<'_>,
    mut known: impl Iterator<Item = &'e Endpoint>,
    profile: Option<&Profile>,
    proxies: &ProxyVariables,
) -> Option<Fallback> {
    let endpoint = endpoint::read(&mut table);
    let egress = egress::read(&mut table, endpoint.as_ref(), proxies);
    let region = table.get("region", None, |given| text(given).map(|region| Some(region.to_owned())));
    let signing = region.and_then(|region| in_region(&table, &profile?.signing, region.as_deref()));
    let fits = endpoint::fits(&table, endpoint.as_ref(), signing.as_ref());
    let endpoint = endpoint.zip(egress.as_ref()).map(|(endpoint, egress)| egress::reached(endpoint, egress));
    let is_new = !endpoint.as_ref().is_some_and(|endpoint| known.any(|other| is_same(other, endpoint)));
    if !is_new {
        let why = "is an endpoint of this route already, reached the same way: name another one, or another `connect`";
        table.fault("endpoint", why);
    }
    table.finish();
    (fits && is_new).then_some(Fallback { endpoint: endpoint?, egress: egress?, signing: signing? })
}

/// Requests to a fallback are signed as those to the first endpoint, but for a region of its own.
fn in_region(table: &Table<'_>, first: &signing::Profile, region: Option<&str>) -> Option<signing::Profile> {
    let signing = first.in_region(region);
    let told = |error: ProfileError| {
        let message = error.to_string();
        match error {
            ProfileError::RegionMissing(_) => table.missing("region", &message),
            ProfileError::NoRegion(_)
            | ProfileError::Region
            | ProfileError::ServiceMissing(_)
            | ProfileError::NoService(_)
            | ProfileError::Service
            | ProfileError::Method { .. }
            | ProfileError::Path { .. } => table.fault("region", message),
        }
    };
    signing.map_err(told).ok()
}

fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    one.url() == other.url() && one.next_hop == other.next_hop
}

#[cfg(test)]
mod tests {
    use crate::config::sample::{LEAST, faults, settings, with};
    use crate::config::settings::{EndpointPlace, RouteEndpoint, Transport};
    use crate::trust::Roots;

    /// `LEAST`, with a fallback that has these lines.
    fn with_fallback(lines: &str) -> String {
        format!("{LEAST}[[route.ie.fallback]]\n{lines}\n")
    }

    /// The one fault.
    fn fault(lines: &str) -> String {
        let found = faults(&with_fallback(lines));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    #[test]
    fn the_endpoints_of_a_route_are_in_the_order_of_their_tables_and_share_nothing_but_the_way_of_signing() {
        assert_eq!(settings(LEAST).routes[0].fallbacks, []);
        let lines = "endpoint = \"https://two.example/\"\nca_file = \"/two.pem\"\n[[route.ie.fallback]]\n\
                     endpoint = \"https://three.example/\"\negress = \"http://proxy.example:3128\"";
        let route = settings(&with_fallback(lines)).routes.remove(0);
        let names: Vec<_> = route.endpoints().map(|endpoint| (endpoint.table(), endpoint.name())).collect();
        let expected = [
            ("route.ie", "https://importexport.amazonaws.com/"),
            ("route.ie.fallback[1]", "https://two.example/"),
            ("route.ie.fallback[2]", "https://three.example/"),
        ];
        assert_eq!(names, expected.map(|(table, name)| (table.to_owned(), name.to_owned())));
        let trusts = |endpoint: RouteEndpoint<'_>| match &endpoint.endpoint.transport {
            Transport::Tls { trust, .. } => trust.clone(),
            Transport::Plaintext => panic!("https"),
        };
        let trusted: Vec<_> = route.endpoints().map(trusts).collect();
        assert_eq!(trusted, [Roots::Platform, Roots::File("/two.pem".into()), Roots::Platform]);
        let keys: Vec<_> = route.endpoints().map(|endpoint| endpoint.next_hop_key()).collect();
        assert_eq!(keys, ["endpoint", "endpoint", "egress"]);
        assert_eq!(route.endpoints().last().unwrap().place, EndpointPlace::Fallback(2));
    }

    #[test]
    fn a_fallback_has_a_region_of_its_own_where_the_dialect_signs_for_one() {
        let profile = "profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"sts\" }";
        let fallback = "[[route.ie.fallback]]\nendpoint = \"https://sts.eu-west-1.amazonaws.com/\"\n";
        let text = |region: &str| format!("{}{fallback}{region}\n", with("route.ie", profile));
        let route = settings(&text("region = \"eu-west-1\"")).routes.remove(0);
        let regions: Vec<_> = route.endpoints().map(|endpoint| endpoint.signing.region().unwrap()).collect();
        assert_eq!(regions, ["eu-central-1", "eu-west-1"]);
        assert!(route.endpoints().all(|endpoint| endpoint.signing.service() == Some("sts")));
        for (region, told) in [
            ("", "route.ie.fallback[1].region: missing: aws-v4 signs for a region"),
            ("region = \"eu/1\"", "route.ie.fallback[1].region: a region is 1 to 64 ASCII letters"),
        ] {
            let found = faults(&text(region));
            assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
        }
        let told = fault("endpoint = \"https://two.example/\"\nregion = \"eu-west-1\"");
        assert!(told.contains("route.ie.fallback[1].region: aws-v2 signs for no region"), "{told}");
    }

    #[test]
    fn a_fallback_is_another_endpoint_or_the_same_one_reached_another_way() {
        let same = "endpoint = \"https://importexport.amazonaws.com/\"";
        assert!(fault(same).contains("fallback[1].endpoint: is an endpoint of this route already"));
        let two = "endpoint = \"https://two.example\"\n[[route.ie.fallback]]\nendpoint = \"https://two.example/\"";
        assert!(fault(two).contains("fallback[2].endpoint: is an endpoint of this route already"));
        let route = settings(&with_fallback(&format!("{same}\nconnect = \"192.0.2.1:443\""))).routes.remove(0);
        let names: Vec<_> = route.endpoints().map(|endpoint| endpoint.name()).collect();
        let url = "https://importexport.amazonaws.com/";
        let expected = ["importexport.amazonaws.com:443", "192.0.2.1:443"].map(|way| format!("{url} via {way}"));
        assert_eq!(names, expected);
    }

    #[test]
    fn a_fallback_obeys_the_rules_of_every_endpoint() {
        for (lines, told) in [
            ("", "fallback[1].endpoint: missing"),
            ("endpoint = \"http://two.example/\"", "fallback[1].endpoint: `two.example` is not this machine"),
            ("endpoint = \"http://127.0.0.1/\"\nminimum_tls = \"1.3\"", "fallback[1].minimum_tls: is for https"),
            ("endpoint = \"https://two.example/\"\nkey = \"main\"", "fallback[1].key: unknown"),
            ("endpoint = \"https://two.example/\"\negress_ca_file = \"/a\"", "fallback[1].egress_ca_file: is for a"),
        ] {
            let found = fault(lines);
            assert!(found.contains(told), "{found}");
        }
        let five = "endpoint = \"https://two.example/\"\n".to_owned()
            + &(3..7)
                .map(|n| format!("[[route.ie.fallback]]\nendpoint = \"https://{n}.example/\"\n"))
                .collect::<String>();
        assert!(fault(&five).contains("route.ie.fallback: 5 tables, and a route has at most 4 fallbacks"));
        let single = with("route.ie", "fallback = \"https://two.example/\"");
        assert!(faults(&single)[0].contains("write `[[route.NAME.fallback]]` with double brackets"));
    }
}
