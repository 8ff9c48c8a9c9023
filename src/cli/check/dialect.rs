//! The part of `countersign check` that tells how a route's requests are signed, and warns where the endpoint's host
//! names another region or service. The host decides nothing: it may be an alias, or that of a gateway.

use super::aws_host::{Said, said};
use super::findings::Section;
use crate::config::settings::{Route, RouteEndpoint};

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
    for warning in warnings(route.endpoint.bare_host(), "profile.region", region, service) {
        section.warn(warning);
    }
}

/// Tells what requests to a fallback are signed for, where that is another region.
pub(super) fn describe_fallback(section: &mut Section, fallback: &RouteEndpoint<'_>) {
    let (Some(region), Some(service)) = (fallback.signing.region(), fallback.signing.service()) else { return };
    section.detail(format!("signed for the service {service} in the region {region}"));
    section.fact("region", region);
    for warning in warnings(fallback.endpoint.bare_host(), "region", region, service) {
        section.warn(warning);
    }
}

fn warnings(host: &str, region_key: &str, region: &str, service: &str) -> Vec<String> {
    let Some(Said { service: of_host, region: in_host }) = said(host) else { return Vec::new() };
    let differ = |key: &str, what: &str, is: &str, should: &str| {
        (is != should).then(|| {
            format!(
                "{key} is {is:?}, and requests to {host} are signed for the {what} {should:?}: the endpoint \
                 refuses them otherwise"
            )
        })
    };
    let all = [differ(region_key, "region", region, in_host), differ("profile.service", "service", service, of_host)];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_or_service_that_the_host_contradicts_is_warned_of() {
        assert_eq!(warnings("iam.amazonaws.com", "profile.region", "us-east-1", "iam"), Vec::<String>::new());
        assert_eq!(warnings("gateway.internal", "profile.region", "eu-central-1", "ec2"), Vec::<String>::new());
        let both = warnings("email.eu-central-1.amazonaws.com", "profile.region", "us-east-1", "email");
        let [region, service] = both.as_slice() else { panic!("{both:?}") };
        assert!(region.contains("signed for the region \"eu-central-1\""), "{region}");
        assert!(service.contains("signed for the service \"ses\""), "{service}");
    }
}
