//! `[route.NAME.profile]`: the dialect of a route's endpoint, and what it leaves to choose.

use crate::config::grammar::call;
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, text};
use crate::config::settings::Profile;
use crate::query::{ErrorDialect, Service};
use crate::signing::{self, Dialect, ProfileError, SignatureMethod};

/// Reads the profile.
pub(crate) fn read(mut table: Table<'_>) -> Option<Profile> {
    let dialect = table.get("dialect", Dialect::AwsV2, choice(&Dialect::ON_ROUTES));
    let method = table.get("signature_method", None, |given| choice(&SignatureMethod::WORDS)(given).map(Some));
    let region = table.get("region", None, |given| text(given).map(|region| Some(region.to_owned())));
    let service = table.get("service", None, |given| service(given, dialect));
    let errors = table.get("errors", ErrorDialect::Query, choice(&ErrorDialect::WORDS));
    let read = (|| {
        let (dialect, method, region, service) = (dialect?, method?, region?, service?);
        let signed_for = if dialect.signs_for_a_service() { service.as_deref() } else { None };
        let signing = signing::Profile::new(dialect, method, region.as_deref(), signed_for);
        let signing = signing.map_err(|error| report(&table, &error)).ok()?;
        Some(Profile { signing, errors: errors?, service: service.as_deref().and_then(Service::signing_as) })
    })();
    table.finish();
    read
}

/// A service that is signed for may have any name; otherwise it only says which Actions there are.
fn service(given: &Given<'_>, dialect: Option<Dialect>) -> Result<Option<String>, String> {
    let name = text(given)?;
    if !dialect.is_some_and(Dialect::signs_for_a_service) {
        call::service(name)?;
    }
    Ok(Some(name.to_owned()))
}

/// Tells a fault at the line that has it.
fn report(table: &Table<'_>, error: &ProfileError) {
    let message = error.to_string();
    match error {
        ProfileError::RegionMissing(_) => table.missing("region", &message),
        ProfileError::ServiceMissing(_) => table.missing("service", &message),
        ProfileError::NoRegion(_) | ProfileError::Region => table.fault("region", message),
        ProfileError::NoService(_) | ProfileError::Service => table.fault("service", message),
        ProfileError::Method { .. } => table.fault("signature_method", message),
        ProfileError::Path { .. } => table.fault("dialect", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{fault, route};

    #[test]
    fn a_route_signs_as_aws_did_first_unless_it_names_a_dialect() {
        assert_eq!(route("").profile.signing, signing::Profile::aws_v2(SignatureMethod::HmacSha256));
        let read = route("profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"sts\" }").profile;
        assert_eq!(read.signing.dialect(), Dialect::AwsV4);
        assert_eq!((read.signing.region(), read.signing.service()), (Some("eu-central-1"), Some("sts")));
        assert_eq!(read.service, Service::named("sts"));
        let other = route("profile = { dialect = \"aws-v4\", region = \"RegionOne\", service = \"ess\" }").profile;
        assert_eq!((other.signing.service(), other.service), (Some("ess"), None), "a service of another cloud");
        assert_eq!(route("profile.dialect = \"cloudstack\"").profile.signing.dialect(), Dialect::CloudStack);
    }

    #[test]
    fn what_a_dialect_does_not_leave_to_choose_is_refused_at_its_line() {
        for (lines, at, why) in [
            ("dialect = \"aws-v5\"", "dialect", "write \"aws-v2\" or"),
            ("dialect = \"volcengine\"", "dialect", "write \"aws-v2\" or"),
            ("dialect = \"alibaba-acs3\"", "dialect", "write \"aws-v2\" or"),
            ("dialect = \"aws-v4\", service = \"ec2\"", "region", "missing: aws-v4 signs for a region"),
            ("dialect = \"aws-v4\", region = \"us-east-1\"", "service", "missing: aws-v4 signs for a region"),
            ("dialect = \"aws-v4\", region = \"us/1\", service = \"ec2\"", "region", "1 to 64 ASCII letters"),
            ("dialect = \"aws-v4\", region = \"us-1\", service = \"e c\"", "service", "1 to 64 ASCII letters"),
            ("region = \"us-east-1\"", "region", "aws-v2 signs for no region"),
            ("dialect = \"openstack\", signature_method = \"HmacSHA1\"", "signature_method", "HmacSHA256 only"),
        ] {
            let found = fault("route.ie", &format!("profile = {{ {lines} }}"));
            assert!(found.contains(&format!(" route.ie.profile.{at}: ")) && found.contains(why), "{found}");
        }
        let path = "profile = { dialect = \"alibaba-rpc\" }\nendpoint = \"https://ecs.aliyuncs.com/v1\"";
        let text = crate::config::sample::LEAST.replace("endpoint = \"https://importexport.amazonaws.com/\"", path);
        let found = crate::config::sample::faults(&text);
        assert!(found[0].contains(" route.ie.endpoint: ") && found[0].contains("a path of `/` alone"), "{found:?}");
    }
}
