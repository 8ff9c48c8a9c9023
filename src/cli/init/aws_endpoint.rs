//! Where a service of AWS has its endpoint in a region, and how it takes requests.

use crate::query::Service;
use crate::signing::Dialect;

/// An endpoint of AWS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AwsEndpoint {
    pub(super) url: String,
    pub(super) dialect: Dialect,
    /// What to sign for.
    pub(super) region: String,
    pub(super) service: String,
}

/// Services with one endpoint, which is signed for as if it were in this region.
const GLOBAL: [&str; 2] = ["iam", "importexport"];
const HOME: &str = "us-east-1";
/// Services that take Signature Version 2, and of which the SDKs that knew it are gone.
const OLD: [&str; 2] = ["importexport", "sdb"];

/// The endpoint of a service, by the name that it has in signatures or in the names of its endpoints.
pub(super) fn endpoint(service: &str, region: Option<&str>) -> Result<AwsEndpoint, String> {
    let Some(service) = Service::signing_as(service) else {
        let known: Vec<_> = Service::all().map(|service| service.name()).collect();
        return Err(format!(
            "--service {service:?} is none of the services of AWS whose Actions are known ({}): give its URL with \
             --endpoint",
            known.join(", ")
        ));
    };
    let name = service.name();
    let is_global = GLOBAL.contains(&name);
    let region = match region {
        _ if is_global => HOME,
        Some(region) if is_region(region) => region,
        Some(region) => return Err(format!("--region {region:?} is not a region, such as eu-central-1")),
        None => return Err(format!("say in which region {name} is called: --region REGION, e.g. eu-central-1")),
    };
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let label = if name == "ses" { "email" } else { name };
    let host = if is_global || (name == "sdb" && region == HOME) {
        format!("{label}.{end}")
    } else {
        format!("{label}.{region}.{end}")
    };
    let dialect = if OLD.contains(&name) { Dialect::AwsV2 } else { Dialect::AwsV4 };
    Ok(AwsEndpoint { url: format!("https://{host}/"), dialect, region: region.to_owned(), service: name.to_owned() })
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    parts.len() >= 3 && parts.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_service_has_an_endpoint_that_is_known_as_its_own() {
        for service in Service::all() {
            let found = endpoint(service.name(), Some("eu-west-1")).unwrap();
            let host = found.url.trim_start_matches("https://").trim_end_matches('/');
            assert_eq!(Service::at(host), Some(service), "{host}");
        }
    }

    #[test]
    fn global_and_old_services_have_their_own_hosts() {
        let url = |service: &str, region: Option<&str>| endpoint(service, region).unwrap().url;
        assert_eq!(url("iam", None), "https://iam.amazonaws.com/");
        assert_eq!(url("importexport", Some("eu-west-1")), "https://importexport.amazonaws.com/");
        assert_eq!(url("sdb", Some("us-east-1")), "https://sdb.amazonaws.com/");
        assert_eq!(url("sdb", Some("eu-west-1")), "https://sdb.eu-west-1.amazonaws.com/");
        assert_eq!(url("SES", Some("eu-west-1")), "https://email.eu-west-1.amazonaws.com/");
        assert_eq!(url("ec2", Some("cn-north-1")), "https://ec2.cn-north-1.amazonaws.com.cn/");
        assert_eq!(endpoint("sdb", Some("eu-west-1")).unwrap().dialect, Dialect::AwsV2);
        assert_eq!(endpoint("ec2", Some("eu-west-1")).unwrap().dialect, Dialect::AwsV4);
        assert!(endpoint("s3", Some("eu-west-1")).unwrap_err().contains("--endpoint"));
        assert!(endpoint("ec2", None).unwrap_err().contains("--region REGION"));
        assert!(endpoint("ec2", Some("Frankfurt")).unwrap_err().contains("is not a region"));
    }
}
