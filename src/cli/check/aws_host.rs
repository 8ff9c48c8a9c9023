//! What the host of one of AWS's endpoints says of the service and the region that requests are signed for.

/// What such a host says. A host of another kind says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'h> {
    /// The service, by the name that is signed.
    pub(super) service: &'h str,
    /// The region.
    pub(super) region: &'h str,
}

/// What AWS's hosts end with.
const ENDS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];

/// Regions of hosts that name none, or no region of their own (AWS General Reference, "Service endpoints and quotas").
const GLOBAL: [(&str, &str); 2] = [("us-gov", "us-gov-west-1"), ("global", "us-east-1")];
const WITHOUT_REGION: &str = "us-east-1";

/// Services that are signed for by another name than the one in their hosts.
const SIGNED_AS: [(&str, &str); 2] = [("email", "ses"), ("queue", "sqs")];

/// What `host` (lower case, without a port) says.
pub(super) fn said(host: &str) -> Option<Said<'_>> {
    let (names, end) = ENDS.into_iter().find_map(|end| Some((host.strip_suffix(end)?, end)))?;
    let mut labels: Vec<&str> = names.split('.').collect();
    // an interface endpoint in a VPC: vpce-0123-abcd.ec2.us-east-1.vpce.amazonaws.com
    if labels.len() > 2 && labels.last() == Some(&"vpce") && labels.first()?.starts_with("vpce-") {
        labels.pop();
        labels.remove(0);
    }
    let (service, region) = match *labels.as_slice() {
        // elsewhere than in China, the hosts of all of AWS's first services have no region
        [service] if end == ".amazonaws.com" => (service, WITHOUT_REGION),
        [service, place] if is_region(place) => (service, place),
        [service, place] => (service, GLOBAL.into_iter().find(|(name, _)| *name == place).map(|(_, region)| region)?),
        _ => return None,
    };
    let service = service.strip_suffix("-fips").unwrap_or(service);
    let signed = SIGNED_AS.into_iter().find(|(host, _)| *host == service);
    Some(Said { service: signed.map_or(service, |(_, signed)| signed), region })
}

/// Whether a label is a region: `eu-central-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [area, words @ .., number] => {
            area.len() == 2
                && is_word(area)
                && !words.is_empty()
                && words.iter().all(is_word)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        [_] | [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_aws_say_what_their_requests_are_signed_for() {
        for (host, service, region) in [
            ("ec2.eu-central-1.amazonaws.com", "ec2", "eu-central-1"),
            ("iam.amazonaws.com", "iam", "us-east-1"),
            ("sts.amazonaws.com", "sts", "us-east-1"),
            ("sts.eu-west-1.amazonaws.com", "sts", "eu-west-1"),
            ("iam.us-gov.amazonaws.com", "iam", "us-gov-west-1"),
            ("sts.us-gov-east-1.amazonaws.com", "sts", "us-gov-east-1"),
            ("iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1"),
            ("iam.global.api.aws", "iam", "us-east-1"),
            ("ec2.us-east-2.api.aws", "ec2", "us-east-2"),
            ("email.eu-central-1.amazonaws.com", "ses", "eu-central-1"),
            ("monitoring.us-west-2.amazonaws.com", "monitoring", "us-west-2"),
            ("ec2-fips.us-east-1.amazonaws.com", "ec2", "us-east-1"),
            ("iam-fips.amazonaws.com", "iam", "us-east-1"),
            ("vpce-0f1-ab2.ec2.us-east-1.vpce.amazonaws.com", "ec2", "us-east-1"),
        ] {
            assert_eq!(said(host), Some(Said { service, region }), "{host}");
        }
    }

    #[test]
    fn what_is_not_one_of_these_hosts_says_nothing() {
        for host in [
            "heat.example.internal",
            "127.0.0.1",
            "amazonaws.com",
            "ec2.eu-central-1.amazonaws.com.evil.example",
            "iam.amazonaws.com.cn",
            "bucket.s3.eu-central-1.amazonaws.com",
            "ec2.moon.amazonaws.com",
        ] {
            assert_eq!(said(host), None, "{host}");
        }
    }

    #[test]
    fn a_region_has_an_area_a_direction_and_a_number() {
        for region in ["us-east-1", "ap-southeast-10", "us-gov-west-1", "us-isob-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["", "us", "us-1", "us-east", "usa-east-1", "us-east-1a", "US-EAST-1", "us--1"] {
            assert!(!is_region(other), "{other}");
        }
    }
}
