//! `kind = "aws"`: a key where AWS's own tools find it.

use std::time::Duration;

use crate::config::reading::quantity::duration;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, shown, text};
use crate::config::settings::KeyStore;
use crate::credentials::{AwsKey, AwsSource};

const TIMEOUT: Duration = Duration::from_secs(30);
const REFRESH: Duration = Duration::from_secs(3600);
const LONGEST: usize = 2048;

/// Reads what belongs to the kind.
pub(crate) fn read(table: &mut Table<'_>) -> Option<KeyStore> {
    const WHY: &str = "say where the key is, so that no other is taken in its place: \"environment\", \"profile\", \
                       \"web-identity\", \"container\", \"instance\", or \"default\", the first of these that has one";
    let source = table.required("source", WHY, choice(&AwsSource::WORDS));
    let profile = table.get("profile", None, |given| word(given, "a profile").map(Some));
    let role = table.get("role", None, |given| role(given).map(Some));
    let region = table.get("region", None, |given| region(given).map(Some));
    let timeout = table.get("timeout", TIMEOUT, duration);
    let refresh = table.get("refresh", REFRESH, duration);
    let (source, profile) = (source?, profile?);
    match (source, &profile) {
        (
            AwsSource::Environment | AwsSource::WebIdentity | AwsSource::Container | AwsSource::Instance,
            Some(profile),
        ) => {
            let message =
                format!("{} is of no use to this source: remove it, or write source = \"profile\"", shown(profile));
            table.fault("profile", message);
            None
        }
        (AwsSource::Profile | AwsSource::Default, _) | (_, None) => Some(KeyStore::Aws(AwsKey {
            source,
            profile,
            role: role?,
            region: region?,
            timeout: timeout?,
            refresh: refresh?,
        })),
    }
}

fn word(given: &Given<'_>, what: &str) -> Result<String, String> {
    let word = text(given)?;
    if word.is_empty() || word.len() > LONGEST || word.chars().any(char::is_control) {
        return Err(format!("{} is not the name of {what}", shown(word)));
    }
    Ok(word.to_owned())
}

fn role(given: &Given<'_>) -> Result<String, String> {
    let arn = word(given, "a role")?;
    if arn.starts_with("arn:") && arn.contains(":role/") {
        Ok(arn)
    } else {
        Err(format!("{} is not the ARN of a role: write arn:aws:iam::ACCOUNT:role/NAME", shown(&arn)))
    }
}

/// It becomes part of a host name.
fn region(given: &Given<'_>) -> Result<String, String> {
    let region = text(given)?;
    let plain = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && !region.is_empty() && region.len() <= 63 {
        Ok(region.to_owned())
    } else {
        Err(format!("{} is not a region of AWS: write one like \"eu-central-1\"", shown(region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, settings};

    fn with(lines: &str) -> String {
        let least = LEAST.replace("file = \"/etc/countersign/main.age\"\n", "");
        least.replace("identity_file = \"/run/identity\"", &format!("kind = \"aws\"\n{lines}"))
    }

    #[test]
    fn a_source_is_said_and_the_rest_may_be() {
        let store = |lines| settings(&with(lines)).keys.remove(0).store;
        let least = AwsKey {
            source: AwsSource::WebIdentity,
            profile: None,
            role: None,
            region: None,
            timeout: TIMEOUT,
            refresh: REFRESH,
        };
        assert_eq!(store("source = \"web-identity\""), KeyStore::Aws(least));
        let all = "source = \"profile\"\nprofile = \"ops\"\nrole = \"arn:aws:iam::123456789012:role/a\"\n\
                   region = \"eu-central-1\"\ntimeout = \"5s\"\nrefresh = \"1m\"";
        let expected = AwsKey {
            source: AwsSource::Profile,
            profile: Some("ops".into()),
            role: Some("arn:aws:iam::123456789012:role/a".into()),
            region: Some("eu-central-1".into()),
            timeout: Duration::from_secs(5),
            refresh: Duration::from_secs(60),
        };
        assert_eq!(store(all), KeyStore::Aws(expected));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_said() {
        for (lines, part) in [
            ("", "key.main.source: missing"),
            ("source = \"sso\"", "is not known here"),
            ("source = \"instance\"\nprofile = \"ops\"", "is of no use to this source"),
            ("source = \"profile\"\nprofile = \"\"", "is not the name of a profile"),
            ("source = \"instance\"\nrole = \"admin\"", "is not the ARN of a role"),
            ("source = \"instance\"\nregion = \"evil.example/\"", "is not a region"),
        ] {
            let found = faults(&with(lines));
            assert!(found.len() == 1 && found[0].contains(part), "{lines}: {found:?}");
        }
    }
}
