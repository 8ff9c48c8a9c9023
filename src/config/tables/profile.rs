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
    let errors = table.get("errors", None, |given| errors(given, dialect).map(Some));
    let read = (|| {
        let (dialect, method, region, service) = (dialect?, method?, region?, service?);
        let signed_for = if dialect.signs_for_a_service() { service.as_deref() } else { None };
        let signing = signing::Profile::new(dialect, method, region.as_deref(), signed_for);
        let signing = signing.map_err(|error| report(&table, &error)).ok()?;
        let errors = errors?.unwrap_or_else(|| signing.errors());
        Some(Profile { signing, errors, service: service.as_deref().and_then(Service::signing_as) })
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

/// Which errors countersign writes is a choice where the services of a dialect differ.
fn errors(given: &Given<'_>, dialect: Option<Dialect>) -> Result<ErrorDialect, String> {
    match dialect {
        Some(dialect) if !ErrorDialect::WORDS.iter().any(|(_, errors)| *errors == dialect.errors()) => {
            Err(format!("{} has errors of its own shape: leave this out", dialect.as_str()))
        }
        Some(_) | None => choice(&ErrorDialect::WORDS)(given),
    }
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
    fn errors_have_the_shape_of_the_dialect_unless_its_services_differ_and_the_route_says_which() {
        let errors = |profile: &str| route(&format!("profile = {{ {profile} }}")).profile.errors;
        let v4 = "dialect = \"aws-v4\", region = \"us-east-1\", service =";
        for (profile, expected) in [
            ("", ErrorDialect::Query),
            ("errors = \"ec2\"", ErrorDialect::Ec2),
            (&format!("{v4} \"iam\""), ErrorDialect::Query),
            (&format!("{v4} \"ec2\""), ErrorDialect::Ec2),
            (&format!("{v4} \"ec2\", errors = \"query\""), ErrorDialect::Query),
            ("dialect = \"openstack\"", ErrorDialect::Query),
            ("dialect = \"openstack\", errors = \"ec2\"", ErrorDialect::Ec2),
            ("dialect = \"nifcloud\"", ErrorDialect::Ec2),
            ("dialect = \"eucalyptus\"", ErrorDialect::Ec2),
            ("dialect = \"eucalyptus\", errors = \"query\"", ErrorDialect::Query),
            ("dialect = \"cloudstack\"", ErrorDialect::CloudStack),
            ("dialect = \"alibaba-rpc\"", ErrorDialect::Alibaba),
            ("dialect = \"qingcloud\"", ErrorDialect::QingCloud),
            ("dialect = \"tencent-v1\"", ErrorDialect::Tencent),
        ] {
            assert_eq!(errors(profile), expected, "{profile}");
        }
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
            ("dialect = \"cloudstack\", errors = \"query\"", "errors", "cloudstack has errors of its own shape"),
            ("dialect = \"alibaba-rpc\", errors = \"ec2\"", "errors", "alibaba-rpc has errors of its own shape"),
            ("dialect = \"qingcloud\", errors = \"ec2\"", "errors", "qingcloud has errors of its own shape"),
            ("dialect = \"tencent-v1\", errors = \"query\"", "errors", "tencent-v1 has errors of its own shape"),
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
