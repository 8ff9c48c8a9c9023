//! `[client.NAME]`.

use std::time::Duration;

use crate::authorize::{Identifiers, Mode};
use crate::config::cross_checks::reference;
use crate::config::grammar::identifier;
use crate::config::reading::quantity::count;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, name, text};
use crate::config::settings::{Client, Name, Rate, Share};
use crate::config::tables::rules;

/// A higher rate is as good as no limit.
pub(crate) const MOST_CALLS: usize = 1_000_000;
/// As many as any limit may have.
pub(crate) const MOST_PLACES: usize = 1_000_000;
/// A larger quota is as good as none.
pub(crate) const LARGEST_QUOTA: u64 = 1_000_000_000;
/// What identifies a client.
pub(crate) const IDENTIFIERS: [&str; 7] =
    ["uid", "gid", "spiffe", "dns", "token_sha256", "service_account", "issued_keys"];

/// Reads a client; `routes` and `keys` are the names of all routes and keys.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>, routes: &[Name], keys: &[Name]) -> Option<Client> {
    let tenant = table.tenant();
    let identifiers = identifiers(&mut table, keys);
    let mode = table.get("mode", Mode::Enforce, choice(&Mode::WORDS));
    let rate = rate(&mut table);
    let quota = table.get("quota", None, |given| calls_per_day(given).map(Some));
    let share = table.get("share", None, |given| share(given).map(Some));
    let allow = rules::patterns(&mut table, "allow", routes);
    let deny = rules::patterns(&mut table, "deny", routes);
    let rules = rules::read(&mut table, routes);
    table.finish();
    Some(Client {
        name: called?,
        tenant,
        identifiers: identifiers?,
        mode: mode?,
        rate: rate?,
        quota: quota?,
        share: share?,
        allow: allow?,
        deny: deny?,
        rules: rules?,
    })
}

fn identifiers(table: &mut Table<'_>, keys: &[Name]) -> Option<Identifiers> {
    let uids = table.several("uid", identifier::id);
    let gids = table.several("gid", identifier::id);
    let spiffe_ids = table.several("spiffe", identifier::spiffe);
    let dns_names = table.several("dns", identifier::dns);
    let tokens = table.several("token_sha256", identifier::token_digest);
    let service_accounts = table.several("service_account", identifier::service_account);
    let issued_keys =
        table.list("issued_keys", Vec::new(), |text| Ok(reference(name(text)?, keys, "key")?.as_str().to_owned()));
    if !IDENTIFIERS.iter().any(|key| table.has(key)) {
        table.missing(
            "uid",
            "say what identifies the client: `uid`, `gid`, `spiffe`, `dns`, `token_sha256`, `service_account` or \
             `issued_keys`",
        );
        return None;
    }
    Some(Identifiers {
        uids: uids?,
        gids: gids?,
        spiffe_ids: spiffe_ids?,
        dns_names: dns_names?,
        tokens: tokens?,
        service_accounts: service_accounts?,
        issued_keys: issued_keys?,
    })
}

fn rate(table: &mut Table<'_>) -> Option<Option<Rate>> {
    let rate = table.get("rate", None, |given| calls_per_period(given).map(Some));
    let burst = table.get("burst", None, |given| count(1..=MOST_CALLS)(given).map(Some));
    if table.has("burst") && !table.has("rate") {
        table.fault("burst", "means nothing without `rate`: add it, or remove this line");
        return None;
    }
    let (rate, burst) = (rate?, burst?);
    let Some((calls, period)) = rate else { return Some(None) };
    let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(calls);
    Some(Some(Rate { calls, period, burst }))
}

/// `50/s` or `600/m`.
fn calls_per_period(given: &Given<'_>) -> Result<(u32, Duration), String> {
    let wrong =
        || format!("{} is not a rate: write calls by the second or minute, e.g. \"50/s\" or \"600/m\"", given.shown());
    let (calls, unit) = text(given).map_err(|_| wrong())?.split_once('/').ok_or_else(wrong)?;
    let period = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err(wrong()),
    };
    if calls.is_empty() || !calls.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let calls = calls.parse().ok().filter(|calls| (1..=MOST_CALLS).contains(calls));
    let calls = calls.and_then(|calls: usize| u32::try_from(calls).ok());
    Ok((calls.ok_or_else(|| format!("{} is not between 1 and {MOST_CALLS} calls", given.shown()))?, period))
}

/// `100000/d`.
fn calls_per_day(given: &Given<'_>) -> Result<u64, String> {
    let wrong = || format!("{} is not a quota: write calls by the day, e.g. \"100000/d\"", given.shown());
    let calls = text(given).map_err(|_| wrong())?.strip_suffix("/d").ok_or_else(wrong)?;
    if calls.is_empty() || !calls.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let calls = calls.parse().ok().filter(|calls| (1..=LARGEST_QUOTA).contains(calls));
    calls.ok_or_else(|| format!("{} is not between 1 and {LARGEST_QUOTA} calls", given.shown()))
}

/// `"50%"` or a number of places.
fn share(given: &Given<'_>) -> Result<Share, String> {
    let Some(percent) = given.as_text().and_then(|text| text.strip_suffix('%')) else {
        return count(1..=MOST_PLACES)(given).map(Share::Places).map_err(|_| {
            format!(
                "{} is not a share: write a part of each limit, \"1%\" to \"100%\", or a number of places, 1 to \
                 {MOST_PLACES}",
                given.shown()
            )
        });
    };
    let digits = (!percent.is_empty() && percent.bytes().all(|b| b.is_ascii_digit())).then_some(percent);
    let percent = digits.and_then(|digits| digits.parse().ok()).filter(|percent| (1..=100).contains(percent));
    percent.map(Share::Percent).ok_or_else(|| format!("{} is not between 1% and 100%", given.shown()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, client, client_fault, faults, parse_with, settings, with_client};

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_client_is_enforced_and_unlimited_by_default() {
        let read = client("uid = 1000");
        assert_eq!((read.name.as_str(), read.mode, read.rate), ("a", Mode::Enforce, None));
        assert_eq!(read.identifiers.uids, [1000]);
        assert!(read.allow.is_empty() && read.deny.is_empty() && read.rules.is_empty());
    }

    #[test]
    fn identifiers_are_one_or_a_list() {
        let read = client(&format!(
            "uid = [1, 2]\ngid = 3\nspiffe = \"spiffe://d/x\"\ndns = [\"a.example\", \"b.example\"]\n\
             token_sha256 = [\"{DIGEST}\"]\nservice_account = \"ns/x\"\nmode = \"record\""
        ));
        let Identifiers { uids, gids, spiffe_ids, dns_names, tokens, service_accounts, issued_keys } = read.identifiers;
        assert_eq!((uids.len(), gids.len(), spiffe_ids.len()), (2, 1, 1));
        assert_eq!((dns_names.len(), tokens.len(), service_accounts.len(), issued_keys.len()), (2, 1, 1, 0));
        assert_eq!(read.mode, Mode::Record);
        assert!(client_fault("uid = []").contains("empty list"));
        assert!(client_fault("uid = [1, 1]").contains("stands in the list twice"));
        assert!(client_fault("uid = \"root\"").contains("is not a whole number"));
    }

    #[test]
    fn variables_set_a_client_too() {
        let variables = [
            ("COUNTERSIGN__CLIENT__A__UID", "1, 2"),
            ("COUNTERSIGN__CLIENT__A__ALLOW", "ie:Get*, ie:ListJobs"),
            ("COUNTERSIGN__CLIENT__A__RATE", "5/s"),
        ];
        let read = parse_with(LEAST, &variables).unwrap().clients.remove(0);
        assert_eq!((read.identifiers.uids.as_slice(), read.allow.len()), ([1, 2].as_slice(), 2));
        let rule = parse_with(&with_client("uid = 1"), &[("COUNTERSIGN__CLIENT__A__RULE", "x")]).unwrap_err();
        assert!(rule.to_string().contains("cannot be set by a variable"), "{rule}");
        let inside =
            parse_with(&with_client("uid = 1"), &[("COUNTERSIGN__CLIENT__A__RULE__0__EFFECT", "x")]).unwrap_err();
        assert!(inside.to_string().contains("is not a list of tables"), "{inside}");
    }

    #[test]
    fn a_client_without_a_way_to_identify_it_is_refused() {
        assert!(client_fault("allow = []").contains("say what identifies the client"));
    }

    #[test]
    fn issued_keys_are_names_of_keys_that_no_route_signs_with_and_no_other_client_has() {
        let issued = "[key.agent]\nfile = \"agent.age\"\nidentity_file = \"/run/identity\"\n";
        let with = |more: &str| format!("{}{issued}{more}", with_client("issued_keys = [\"agent\"]"));
        let read = settings(&with(""));
        assert_eq!(read.clients[0].identifiers.issued_keys, ["agent"]);
        assert_eq!(read.routes[0].key.as_str(), "main", "the only key that is not issued");
        assert!(client_fault("issued_keys = [\"ci\"]").contains("`ci` names no key: known are `main`"));
        let twice = faults(&with("[client.b]\nissued_keys = [\"agent\"]"));
        assert!(twice.len() == 1 && twice[0].contains("client.b.issued_keys: identifies client `a` too"), "{twice:?}");
        let signs = faults(&with("").replace("[route.ie]\n", "[route.ie]\nkey = \"agent\"\n"));
        assert!(
            signs.len() == 1 && signs[0].contains("route.ie.key: key `agent` is issued to client `a`"),
            "{signs:?}"
        );
        let none = faults(&with_client("issued_keys = [\"main\"]"));
        assert!(none.len() == 1 && none[0].contains("every key is issued to a client"), "{none:?}");
        let elsewhere = with("").replace(
            "file = \"agent.age\"\nidentity_file = \"/run/identity\"",
            "kind = \"aws\"\nsource = \"instance\"",
        );
        let found = faults(&elsewhere);
        assert!(
            found.len() == 1 && found[0].contains("key.agent.kind: key `agent` is issued to client `a`"),
            "{found:?}"
        );
    }

    #[test]
    fn a_token_in_place_of_its_digest_is_refused_and_not_shown() {
        for lines in ["token_sha256 = \"marker-token\"", "token = \"marker-token\"\nuid = 1"] {
            let fault = client_fault(lines);
            assert!(fault.contains("token_sha256") && !fault.contains("marker"), "{fault}");
        }
    }

    #[test]
    fn rates_are_calls_by_the_second_or_minute() {
        let rate = |lines: &str| client(&format!("uid = 1\n{lines}")).rate.unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(rate("rate = \"50/s\""), Rate { calls: 50, period: second, burst: 50 });
        assert_eq!(rate("rate = \"6/m\"\nburst = 2"), Rate { calls: 6, period: second * 60, burst: 2 });
        for wrong in ["\"50\"", "50", "\"50/h\"", "\"0/s\"", "\"-1/s\"", "\"/s\"", "\"5 /s\"", "\"9999999/s\""] {
            client_fault(&format!("uid = 1\nrate = {wrong}"));
        }
        assert!(client_fault("uid = 1\nburst = 5").contains("without `rate`"));
        client_fault("uid = 1\nrate = \"5/s\"\nburst = 0");
    }

    #[test]
    fn quotas_are_calls_by_the_day() {
        let quota = |lines: &str| client(&format!("uid = 1\n{lines}")).quota;
        assert_eq!((quota(""), quota("quota = \"100000/d\"")), (None, Some(100_000)));
        for wrong in ["\"5\"", "5", "\"5/h\"", "\"0/d\"", "\"-1/d\"", "\"/d\"", "\"5 /d\"", "\"1000000001/d\""] {
            client_fault(&format!("uid = 1\nquota = {wrong}"));
        }
    }

    #[test]
    fn a_share_is_a_percentage_or_a_number_of_places() {
        let share = |line: &str| client(&format!("uid = 1\n{line}")).share;
        assert_eq!(share(""), None);
        assert_eq!(share("share = \"50%\""), Some(Share::Percent(50)));
        assert_eq!(share("share = \"100%\""), Some(Share::Percent(100)));
        assert_eq!(share("share = 20"), Some(Share::Places(20)));
        let variable = [("COUNTERSIGN__CLIENT__A__SHARE", "20")];
        let read = parse_with(&with_client("uid = 1"), &variable).unwrap().clients.remove(0);
        assert_eq!(read.share, Some(Share::Places(20)));
        for wrong in
            ["0", "-1", "0.5", "true", "1000001", "\"20\"", "\"0%\"", "\"101%\"", "\"%\"", "\"+5%\"", "\"5 %\""]
        {
            let fault = client_fault(&format!("uid = 1\nshare = {wrong}"));
            assert!(fault.contains("client.a.share: ") && fault.contains('%'), "{fault}");
        }
    }

    #[test]
    fn two_clients_with_the_same_identifier_are_refused() {
        for (first, second, key) in [
            ("uid = [1, 2]", "uid = 2", "uid"),
            ("gid = 1", "gid = [1]", "gid"),
            ("dns = \"a\"", "dns = \"a\"", "dns"),
            (
                &format!("token_sha256 = \"{DIGEST}\""),
                &format!("token_sha256 = \"{}\"", DIGEST.to_uppercase()),
                "token_sha256",
            ),
        ] {
            let found = faults(&format!("{}[client.b]\n{second}\n", with_client(first)));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!("client.b.{key}: identifies client `a` too")), "{found:?}");
        }
        client("uid = 1\ngid = 1");
    }
}
