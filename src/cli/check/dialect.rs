//! The part of `countersign check` that tells how a route's requests are signed, and warns where the endpoint's host
//! names another region or service. The host decides nothing: it may be an alias, or that of a gateway.

use super::aws_host::{Said, said};
use super::findings::Section;
use crate::config::settings::Route;

/// Tells the dialect of a route, and what it signs for.
pub(super) fn describe(section: &mut Section, route: &Route) {
    let signing = &route.profile.signing;
    let dialect = signing.dialect().as_str();
    section.fact("dialect", dialect);
    let (Some(region), Some(service)) = (signing.region(), signing.service()) else {
        section.detail(format!("dialect: {dialect}"));
        return;
    };
    section.detail(format!("dialect: {dialect}, for the service {service} in the region {region}"));
    section.fact("region", region);
    section.fact("service", service);
    for warning in warnings(route.endpoint.bare_host(), region, service) {
        section.warn(warning);
    }
}

fn warnings(host: &str, region: &str, service: &str) -> Vec<String> {
    let Some(Said { service: of_host, region: in_host }) = said(host) else { return Vec::new() };
    let differ = |what: &str, is: &str, should: &str| {
        (is != should).then(|| {
            format!(
                "profile.{what} is {is:?}, and requests to {host} are signed for the {what} {should:?}: the endpoint \
                 refuses them otherwise"
            )
        })
    };
    [differ("region", region, in_host), differ("service", service, of_host)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_or_service_that_the_host_contradicts_is_warned_of() {
        assert_eq!(warnings("iam.amazonaws.com", "us-east-1", "iam"), Vec::<String>::new());
        assert_eq!(warnings("gateway.internal", "eu-central-1", "ec2"), Vec::<String>::new());
        let both = warnings("email.eu-central-1.amazonaws.com", "us-east-1", "email");
        let [region, service] = both.as_slice() else { panic!("{both:?}") };
        assert!(region.contains("signed for the region \"eu-central-1\""), "{region}");
        assert!(service.contains("signed for the service \"ses\""), "{service}");
    }
}
