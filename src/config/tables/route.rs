//! `[route.NAME]`.

use std::time::Duration;

use smol_str::SmolStr;

use crate::authorize::{ActionPattern, is_safe_to_repeat};
use crate::config::cross_checks::reference;
use crate::config::grammar::{call, header, route_choice};
use crate::config::proxy_variables::ProxyVariables;
use crate::config::reading::quantity::{count, duration, size};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, name, text};
use crate::config::settings::{Name, Profile, Route, RouteLimits, RouteTimeouts};
use crate::config::tables::{egress, endpoint, fallback, profile};
use crate::query::{FormLimits, FormPlace, Service, Vocabulary};
use crate::signing::ClockSource;

/// The largest `limits.body`, in bytes: forms are held in memory, several times over while they are signed.
pub(crate) const LARGEST_BODY: usize = 16 << 20;
pub(crate) const MOST_PARAMETERS: usize = 100_000;
/// A larger number is a typing error: file descriptors run out long before.
pub(crate) const MOST_CONNECTIONS: usize = 1_000_000;
/// More would make a start a burst of connections, for calls that have not come.
pub(crate) const MOST_WARM: usize = 64;
/// An endpoint that fails more often in a row is down in any case.
pub(crate) const MOST_FAILURES: usize = 1000;

/// The names of all keys.
pub(crate) struct AllKeys<'k> {
    pub(crate) names: &'k [Name],
    /// Those that clients have.
    pub(crate) issued: Vec<&'k str>,
}

/// Reads a route. `proxies` is what the environment says about proxies.
pub(crate) fn read(
    called: Option<Name>,
    mut table: Table<'_>,
    keys: &AllKeys<'_>,
    proxies: &ProxyVariables,
) -> Option<Route> {
    let tenant = table.tenant();
    let endpoint = endpoint::read(&mut table);
    let egress = egress::read(&mut table, endpoint.as_ref(), proxies);
    let host = endpoint.as_ref().map(|endpoint| endpoint.host.clone());
    let key = signing_key(&mut table, keys);
    let hosts = table.list("hosts", Vec::new(), route_choice::host);
    let path = table.get("path", "/".to_owned(), |given| route_choice::path_prefix(text(given)?));
    let scope = table.get("scope", None, |given| route_choice::scope(text(given)?).map(Some));
    let profile = profile::read(table.section("profile"));
    let names = profile.as_ref().map_or(&Vocabulary::AWS, |profile| profile.signing.dialect().vocabulary());
    let fits = endpoint::fits(&table, endpoint.as_ref(), profile.as_ref().map(|profile| &profile.signing));
    let first = endpoint.zip(egress).map(|(endpoint, egress)| (egress::reached(endpoint, &egress), egress));
    let fallbacks = fallback::read(&mut table, first.as_ref().map(|(endpoint, _)| endpoint), profile.as_ref(), proxies);
    let clock = table.get("clock", ClockSource::Endpoint, choice(&ClockSource::WORDS));
    let accept = accept(&mut table);
    let forward_headers = table.list("forward_headers", Vec::new(), header::forwarded_header);
    let safe_to_repeat = table.list("safe_to_repeat", reads(names), call::action_pattern);
    let known_actions = table.list("known_actions", actions_of_service(profile.as_ref(), host.as_deref()), |text| {
        call::action(text).map(|action| SmolStr::new(action.as_str()))
    });
    let probe = probe(&mut table, names, safe_to_repeat.as_deref());
    let audit_values = table.list("audit_values", Vec::new(), call::parameter);
    let limits = limits(table.section("limits"), profile.as_ref());
    let timeouts = timeouts(table.section("timeouts"));
    table.finish();
    let (endpoint, egress) = first?;
    Some(Route {
        name: called?,
        tenant,
        endpoint,
        egress,
        fallbacks: fallbacks?,
        key: key?,
        probe: probe?,
        hosts: hosts?,
        path: path?,
        scope: scope?,
        profile: profile.filter(|_| fits)?,
        clock: clock?,
        accept: accept?,
        forward_headers: forward_headers?,
        safe_to_repeat: safe_to_repeat?,
        known_actions: known_actions?,
        audit_values: audit_values?,
        limits: limits?,
        timeouts: timeouts?,
    })
}

fn signing_key(table: &mut Table<'_>, keys: &AllKeys<'_>) -> Option<Name> {
    let named = table.get("key", None, |given| reference(name(text(given)?)?, keys.names, "key").map(Some))?;
    let signing: Vec<&Name> = keys.names.iter().filter(|name| !keys.issued.contains(&name.as_str())).collect();
    match (named, signing.as_slice()) {
        (Some(named), _) => Some(named),
        (None, [only]) => Some((*only).clone()),
        // a configuration without keys is reported where keys are read
        (None, []) if keys.names.is_empty() => None,
        (None, []) => {
            table.missing("key", "every key is issued to a client: add the key that signs, `[key.NAME]`");
            None
        }
        (None, _) => {
            let known = signing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            table.missing("key", &format!("there are several keys: name the one that signs, of {known}"));
            None
        }
    }
}

/// A list without "post" is a mistake: whoever adds GET for one client would lock all others out.
fn accept(table: &mut Table<'_>) -> Option<Vec<FormPlace>> {
    let word = |text: &str| choice(&FormPlace::WORDS)(&Given::Text(text));
    let accept = table.list("accept", vec![FormPlace::PostBody], word)?;
    if accept.contains(&FormPlace::PostBody) {
        return Some(accept);
    }
    table.fault("accept", "lacks \"post\", which all current SDKs use: add it");
    None
}

/// An Action, or a form with one, that only reads.
fn probe(table: &mut Table<'_>, names: &'static Vocabulary, reads: Option<&[ActionPattern]>) -> Option<Option<String>> {
    let form = table.get("probe", None, |given| call::probe(text(given)?, names).map(Some))?;
    let Some(call::Probe { action, form }) = form else { return Some(None) };
    if is_safe_to_repeat(reads?, &action, names) {
        return Some(Some(form));
    }
    table.fault("probe", format!("{action} is not among the Actions of safe_to_repeat, and a probe may only read"));
    None
}

/// The Actions of the service that the profile names, or that has its endpoints at this host; none of any other.
fn actions_of_service(profile: Option<&Profile>, host: Option<&str>) -> Vec<SmolStr> {
    let named = profile.and_then(|profile| profile.service);
    let service = named.or_else(|| Service::at(host?));
    service.map(|service| service.actions().map(SmolStr::new_static).collect()).unwrap_or_default()
}

fn limits(mut table: Table<'_>, profile: Option<&Profile>) -> Option<RouteLimits> {
    let body = table.get("body", 256 << 10, size(1..=LARGEST_BODY)).filter(|body| is_taken(*body, &table, profile));
    let form =
        table.get("parameters", FormLimits::DEFAULT, |given| count(1..=MOST_PARAMETERS)(given).map(FormLimits::new));
    let in_flight = table.get("in_flight", RouteLimits::IN_FLIGHT, count(1..=MOST_CONNECTIONS));
    let pool = table.get("pool", 64, count(0..=MOST_CONNECTIONS));
    let warm = table.get("warm", 0, count(0..=MOST_WARM));
    let failures = table.get("failures", 5, count(0..=MOST_FAILURES));
    table.finish();
    Some(RouteLimits { body: body?, form: form?, in_flight: in_flight?, pool: pool?, warm: warm?, failures: failures? })
}

/// Whether an endpoint of the dialect takes forms of this size: whoever raises the limit beyond that waits in vain.
fn is_taken(body: usize, table: &Table<'_>, profile: Option<&Profile>) -> bool {
    let Some(dialect) = profile.map(|profile| profile.signing.dialect()) else { return true };
    match dialect.vocabulary().largest_form {
        Some(largest) if body > largest => {
            let (limit, word) = (largest >> 20, dialect.as_str());
            table.fault("body", format!("more than the {limit} MiB that an endpoint of {word} takes"));
            false
        }
        Some(_) | None => true,
    }
}

fn timeouts(mut table: Table<'_>) -> Option<RouteTimeouts> {
    let connect = table.get("connect", Duration::from_secs(10), duration);
    let first_byte = table.get("first_byte", Duration::from_secs(30), duration);
    let idle = table.get("idle", Duration::from_secs(30), duration);
    let pool_idle = table.get("pool_idle", Duration::from_secs(15), duration);
    let probe = table.get("probe", Duration::from_secs(2), duration);
    table.finish();
    Some(RouteTimeouts {
        connect: connect?,
        first_byte: first_byte?,
        idle: idle?,
        pool_idle: pool_idle?,
        probe: probe?,
    })
}

fn reads(names: &Vocabulary) -> Vec<ActionPattern> {
    names.reads.iter().filter_map(|pattern| ActionPattern::parse(pattern)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, fault, faults, route, settings, with};
    use crate::config::settings::Transport;
    use crate::query::ErrorDialect;
    use crate::signing::{Profile as SigningProfile, SignatureMethod};
    use crate::trust::{ClientTlsSettings, Roots};

    const IMPORT_EXPORT: [&str; 6] =
        ["CancelJob", "CreateJob", "GetShippingLabel", "GetStatus", "ListJobs", "UpdateJob"];
    const SECOND_KEY: &str = "[key.other]\nfile = \"a\"\nidentity_credential = \"b\"\n";

    fn signed_with(method: SignatureMethod) -> SigningProfile {
        SigningProfile::aws_v2(method)
    }

    fn seconds(timeouts: RouteTimeouts) -> [u64; 5] {
        let RouteTimeouts { connect, first_byte, idle, pool_idle, probe } = timeouts;
        [connect, first_byte, idle, pool_idle, probe].map(|duration| duration.as_secs())
    }

    #[test]
    fn a_probe_only_reads() {
        assert_eq!(route("").probe, None);
        assert_eq!(route("probe = \"ListJobs\"").probe.as_deref(), Some("Action=ListJobs"));
        assert!(fault("route.ie", "probe = \"CreateJob\"").contains("a probe may only read"));
        assert!(fault("route.ie", "probe = \"Lis\"").contains("safe_to_repeat"));
        let own = "probe = \"Peek\"\nsafe_to_repeat = [\"Peek\"]";
        assert_eq!(route(own).probe.as_deref(), Some("Action=Peek"));
    }

    #[test]
    fn a_route_has_the_documented_defaults() {
        let read = route("");
        assert_eq!(read.name.as_str(), "ie");
        assert_eq!(read.key.as_str(), "main");
        assert_eq!(
            read.endpoint.transport,
            Transport::Tls { trust: Roots::Platform, client: ClientTlsSettings::PLAIN }
        );
        assert_eq!(read.endpoint.authority(), "importexport.amazonaws.com");
        assert!(read.hosts.is_empty() && read.forward_headers.is_empty());
        assert_eq!(read.accept, [FormPlace::PostBody]);
        assert_eq!(read.path, "/");
        assert_eq!(
            read.profile,
            Profile { signing: signed_with(SignatureMethod::HmacSha256), errors: ErrorDialect::Query, service: None }
        );
        assert_eq!(read.clock, ClockSource::Endpoint);
        assert_eq!(read.safe_to_repeat.iter().map(ToString::to_string).collect::<Vec<_>>(), Vocabulary::AWS.reads);
        assert_eq!(read.known_actions, IMPORT_EXPORT, "those of the service at this endpoint");
        assert!(read.audit_values.is_empty());
        assert_eq!(
            read.limits,
            RouteLimits { body: 262_144, form: FormLimits::new(1000), in_flight: 256, pool: 64, warm: 0, failures: 5 }
        );
        assert_eq!(seconds(read.timeouts), [10, 30, 30, 15, 2]);
    }

    #[test]
    fn every_line_of_a_route_is_read() {
        let read = route(
            "key = \"main\"\nhosts = [\"ie.internal\"]\npath = \"/ie\"\nca_file = \"/ca.pem\"\n\
             forward_headers = [\"traceparent\"]\nsafe_to_repeat = []\nknown_actions = [\"GetStatus\"]\n\
             audit_values = [\"JobId\"]\nclock = \"host\"\n\
             profile = { signature_method = \"HmacSHA1\", errors = \"ec2\", service = \"sdb\" }\n\
             limits = { body = \"16 MiB\", parameters = 1, in_flight = 2, pool = 4, warm = 4, failures = 3 }\n\
             timeouts = { connect = \"1s\", first_byte = \"2s\", idle = \"3s\", pool_idle = \"4s\", probe = \"5s\" }",
        );
        assert_eq!((read.path.as_str(), read.key.as_str()), ("/ie", "main"));
        let trust = Roots::File("/ca.pem".into());
        assert_eq!(read.endpoint.transport, Transport::Tls { trust, client: ClientTlsSettings::PLAIN });
        assert_eq!((read.hosts, read.forward_headers), (vec!["ie.internal".into()], vec!["traceparent".into()]));
        assert_eq!((read.safe_to_repeat, read.known_actions), (vec![], vec!["GetStatus".into()]));
        assert_eq!((read.audit_values, read.clock), (vec!["JobId".into()], ClockSource::Host));
        let (signature_method, errors) = (SignatureMethod::HmacSha1, ErrorDialect::Ec2);
        let signing = signed_with(signature_method);
        assert_eq!(read.profile, Profile { signing, errors, service: Service::named("sdb") });
        assert_eq!(
            read.limits,
            RouteLimits { body: 16 << 20, form: FormLimits::new(1), in_flight: 2, pool: 4, warm: 4, failures: 3 }
        );
        assert_eq!(seconds(read.timeouts), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_route_knows_the_actions_of_its_service_and_of_no_other() {
        let at = |host: &str, lines: &str| {
            let text = with("route.ie", lines).replace("importexport.amazonaws.com", host);
            settings(&text).routes.remove(0).known_actions
        };
        let (sdb, other) = ("sdb.eu-west-1.amazonaws.com", "heat.example.internal");
        assert_eq!(at(other, ""), Vec::<SmolStr>::new());
        let of_sdb = at(sdb, "");
        assert_eq!((of_sdb.len(), of_sdb[0].as_str()), (10, "BatchDeleteAttributes"));
        assert_eq!(at(other, "profile.service = \"sdb\""), of_sdb);
        assert_eq!(at("sdb.amazonaws.com", "profile.service = \"importexport\""), IMPORT_EXPORT, "the line decides");
        let own = "profile.service = \"sdb\"\nknown_actions = [\"Peek\"]";
        assert_eq!(at(sdb, own), ["Peek"], "a list of the route's own replaces the service's");
        assert_eq!(at(sdb, "known_actions = []"), Vec::<SmolStr>::new());
    }

    #[test]
    fn the_name_that_is_signed_for_leads_to_the_actions_of_its_services() {
        let signed_for = |service: &str| {
            let profile =
                format!("profile = {{ dialect = \"aws-v4\", region = \"eu-central-1\", service = \"{service}\" }}");
            let text = with("route.ie", &profile).replace("importexport.amazonaws.com", "cloud.example.internal");
            settings(&text).routes.remove(0).known_actions
        };
        for (service, action) in [
            ("elasticloadbalancing", "CreateRule"),
            ("elasticloadbalancing", "AttachLoadBalancerToSubnets"),
            ("rds", "CreateDBInstance"),
            ("monitoring", "PutMetricData"),
            ("email", "SendEmail"),
            ("SES", "SendEmail"),
        ] {
            assert!(signed_for(service).iter().any(|known| known == action), "{service}");
        }
        assert_eq!(signed_for("fcu"), Vec::<SmolStr>::new(), "a service of another cloud");
        assert_eq!(route("profile.dialect = \"cloudstack\"").known_actions, IMPORT_EXPORT, "the host says so");
    }

    #[test]
    fn what_only_reads_is_a_matter_of_the_dialect() {
        for (dialect, reads) in [
            ("openstack", ["Get*", "List*", "Describe*"].as_slice()),
            ("nifcloud", &["Describe*", "NiftyDescribe*"]),
            ("cloudstack", &["list*", "get*", "query*", "find*"]),
            ("alibaba-rpc", &["Describe*", "List*"]),
            ("qingcloud", &["Describe*"]),
            ("tencent-v1", &["Describe*"]),
        ] {
            let read = route(&format!("profile.dialect = \"{dialect}\""));
            assert_eq!(read.safe_to_repeat.iter().map(ToString::to_string).collect::<Vec<_>>(), reads);
        }
        let stack = |probe: &str| format!("profile.dialect = \"cloudstack\"\nprobe = \"{probe}\"");
        assert_eq!(route(&stack("listZones")).probe.as_deref(), Some("command=listZones"));
        assert!(fault("route.ie", &stack("getUploadParamsForVolume")).contains("a probe may only read"));
        assert!(fault("route.ie", &stack("login")).contains("without a look at the signature"));
    }

    #[test]
    fn a_limit_beyond_what_an_endpoint_takes_is_refused() {
        let limit = |size: &str| format!("profile.dialect = \"tencent-v1\"\nlimits.body = \"{size}\"");
        assert_eq!(
            fault("route.ie", &limit("2 MiB")),
            "f:6:15: route.ie.limits.body: more than the 1 MiB that an endpoint of tencent-v1 takes"
        );
        assert_eq!(route(&limit("1 MiB")).limits.body, 1 << 20);
    }

    #[test]
    fn a_route_accepts_forms_in_the_places_that_it_lists() {
        let guarded = LEAST.replace("any_local = true", "any_local = true\nrequired_header = \"x-requested-by\"");
        let places = |list: &str| {
            let text = guarded.replace("[route.ie]", &format!("[route.ie]\naccept = {list}"));
            settings(&text).routes.remove(0).accept
        };
        assert_eq!(places("[\"post\"]"), [FormPlace::PostBody]);
        assert_eq!(places("[\"post-query\", \"post\"]"), [FormPlace::PostQuery, FormPlace::PostBody]);
        assert_eq!(places("[\"post\", \"get\"]"), [FormPlace::PostBody, FormPlace::GetQuery]);
    }

    #[test]
    fn the_key_may_be_left_out_only_when_there_is_one() {
        let two = format!("{LEAST}{SECOND_KEY}");
        let told = "f:4:8: route.ie.key: missing: there are several keys: name the one that signs, of ";
        let found = faults(&two);
        assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
        let named = found[0].trim_start_matches(told);
        assert_eq!(named.matches('`').count(), 4, "both are named: {named}");
    }

    #[test]
    fn the_key_must_exist() {
        assert_eq!(
            fault("route.ie", "key = \"mian\""),
            "f:5:7: route.ie.key: `mian` names no key: did you mean `main`?"
        );
        assert!(fault("route.ie", "key = \"spare\"").ends_with("known are `main`"));
        assert!(fault("route.ie", "key = \"Main\"").contains("is not a name"));
    }

    #[test]
    fn a_key_with_a_fault_of_its_own_still_exists() {
        let broken = LEAST
            .replace("file = \"/etc/countersign/main.age\"", "")
            .replace("[route.ie]", "[route.ie]\nkey = \"main\"");
        assert_eq!(faults(&broken).len(), 1);
    }

    #[test]
    fn every_bad_value_is_refused_at_its_place() {
        for (line, why) in [
            ("path = \"ie\"", "does not start"),
            ("path = 1", "is not a text"),
            ("profile.signature_method = \"HmacMD5\"", "write \"HmacSHA256\" or \"HmacSHA1\""),
            ("profile.service = \"sbd\"", "did you mean \"sdb\"?"),
            ("profile.service = \"elb\"", "write one of \"autoscaling\", \"cloudformation\", "),
            ("profile.service = 1", "is not a text"),
            ("clock = \"ntp\"", "write \"endpoint\" or \"host\""),
            ("profile.errors = \"json\"", "write \"query\" or \"ec2\""),
            ("forward_headers = [\"authorization\"]", "never passed on"),
            ("accept = \"get\"", "is not a list"),
            ("accept = [\"get\"]", "lacks \"post\""),
            ("accept = []", "lacks \"post\""),
            ("accept = [\"post\", \"GET\"]", "write \"post\" or \"get\" or \"post-query\""),
            ("safe_to_repeat = [\"*\"]", "every Action"),
            ("known_actions = [\"Get*\"]", "is not an Action"),
            ("audit_values = [\"\"]", "is not the name of a parameter"),
            ("limits.body = 1024", "e.g. \"1024 B\""),
            ("limits.body = \"17 MiB\"", "not between 1 B and 16 MiB"),
            ("limits.body = \"0 B\"", "not between"),
            ("limits.parameters = 0", "not between 1 and 100000"),
            ("limits.parameters = 100001", "not between 1 and 100000"),
            ("limits.in_flight = 0", "not between 1 and"),
            ("limits.pool = -1", "not between 0 and"),
            ("limits.warm = -1", "not between 0 and"),
            ("limits.warm = 65", "not between 0 and 64"),
            ("limits.failures = 1001", "not between 0 and 1000"),
            ("timeouts.probe = \"0s\"", "no time at all"),
            ("timeouts.connect = 5", "e.g. \"5s\""),
            ("timeouts.first_byte = \"0ms\"", "no time at all"),
            ("timeouts.idle = \"2h\"", "more than 1h"),
            ("timeouts.pool_idle = true", "is not a duration"),
            ("hosts = [\"IE\"]", "lower case"),
        ] {
            let fault = fault("route.ie", line);
            assert!(fault.starts_with("f:5:") && fault.contains(why), "{fault}");
        }
    }
}
