//! Which identities a file of `conf.d/` may give its clients, as `[conf_d.NAME]` grants them.

use std::ops::RangeInclusive;

use crate::config::grammar::identifier;
use crate::config::reading::value::{Given, shown};
use crate::config::settings::{IdentityGrant, NameGrant};

/// Reads an item of `identities`.
pub(crate) fn identity(item: &str) -> Result<IdentityGrant, String> {
    let read = match item.split_once(':') {
        None if item == "token" => Some(IdentityGrant::Tokens),
        Some(("uid", range)) => ids(range)?.map(IdentityGrant::Uids),
        Some(("gid", range)) => ids(range)?.map(IdentityGrant::Gids),
        Some(("spiffe", _)) => spiffe(item).map(IdentityGrant::Spiffe),
        Some(("dns", name)) => dns(name).map(IdentityGrant::Dns),
        Some(("service_account", account)) => service_account(account).map(IdentityGrant::ServiceAccounts),
        Some(_) | None => None,
    };
    read.ok_or_else(|| {
        format!(
            "{} is not an identity: write e.g. \"uid:2000\", \"gid:2000-2999\", \"spiffe://example.org/team-a/*\", \
             \"dns:*.team-a.example.org\", \"service_account:team-a/*\" or \"token\"",
            shown(item)
        )
    })
}

/// `2000` or `2000-2999`.
fn ids(text: &str) -> Result<Option<RangeInclusive<u32>>, String> {
    let id = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| identifier::id(&Given::Variable(text)).ok()).flatten()
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (id(first), id(last)) {
        (Some(first), Some(last)) if first > last => Err(format!("{} is an empty range", shown(text))),
        (Some(first), Some(last)) => Ok(Some(first..=last)),
        (None, _) | (_, None) => Ok(None),
    }
}

/// A SPIFFE id, or all below a trust domain or a path: `spiffe://example.org/team-a/*`.
fn spiffe(text: &str) -> Option<NameGrant> {
    let is_id = |id: &str| identifier::spiffe(&Given::Text(id)).is_ok();
    match text.strip_suffix('*') {
        // with any last segment it would be an id
        Some(prefix) if prefix.ends_with('/') && is_id(&format!("{prefix}x")) => {
            Some(NameGrant::Beginning(prefix.to_owned()))
        }
        Some(_) => None,
        None => is_id(text).then(|| NameGrant::Exact(text.to_owned())),
    }
}

/// A DNS name, or all below one: `*.team-a.example.org`.
fn dns(text: &str) -> Option<NameGrant> {
    let is_name = |name: &str| identifier::dns(&Given::Text(name)).is_ok();
    match text.strip_prefix('*') {
        Some(rest) => rest.strip_prefix('.').filter(|name| is_name(name)).map(|_| NameGrant::End(rest.to_owned())),
        None => is_name(text).then(|| NameGrant::Exact(text.to_owned())),
    }
}

/// A service account, or all of a namespace: `team-a/*`.
fn service_account(text: &str) -> Option<NameGrant> {
    let is_account = |account: &str| identifier::service_account(&Given::Text(account)).is_ok();
    match text.strip_suffix('*') {
        Some(prefix) if prefix.ends_with('/') && is_account(&format!("{prefix}x")) => {
            Some(NameGrant::Beginning(prefix.to_owned()))
        }
        Some(_) => None,
        None => is_account(text).then(|| NameGrant::Exact(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_one_or_a_family_that_is_told_by_its_place() {
        for (item, read) in [
            ("token", IdentityGrant::Tokens),
            ("uid:7", IdentityGrant::Uids(7..=7)),
            ("gid:2000-2999", IdentityGrant::Gids(2000..=2999)),
            ("spiffe://a/b", IdentityGrant::Spiffe(NameGrant::Exact("spiffe://a/b".to_owned()))),
            ("spiffe://a/*", IdentityGrant::Spiffe(NameGrant::Beginning("spiffe://a/".to_owned()))),
            ("dns:a.example", IdentityGrant::Dns(NameGrant::Exact("a.example".to_owned()))),
            ("dns:*.a.example", IdentityGrant::Dns(NameGrant::End(".a.example".to_owned()))),
            ("service_account:a/b", IdentityGrant::ServiceAccounts(NameGrant::Exact("a/b".to_owned()))),
            ("service_account:a/*", IdentityGrant::ServiceAccounts(NameGrant::Beginning("a/".to_owned()))),
        ] {
            assert_eq!(identity(item), Ok(read), "{item}");
        }
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for item in [
            "",
            "*",
            "uid",
            "uid:",
            "uid:-1",
            "uid:1-",
            "uid:1-2-3",
            "uid:+1",
            "uid: 1",
            "uid:4294967295",
            "gid:a",
            "spiffe:x",
            "spiffe://*",
            "spiffe://a*",
            "spiffe://a/b*",
            "spiffe://A/*",
            "spiffe://a//*",
            "dns:",
            "dns:*",
            "dns:*a.example",
            "dns:a.*.example",
            "dns:*.A.example",
            "dns:*..a",
            "service_account:a",
            "service_account:*",
            "service_account:*/a",
            "service_account:a/b*",
            "token:x",
            "issued:a",
        ] {
            assert!(identity(item).unwrap_err().contains("is not an identity"), "{item}");
        }
        assert!(identity("uid:2-1").unwrap_err().contains("is an empty range"));
    }
}
