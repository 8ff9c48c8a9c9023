//! The services of AWS that take forms, and the Actions of each.

use std::fmt;

/// Read when a configuration is, and as text on purpose: a table of 1,900 slices would take 30 KiB that the loader
/// writes at each start, and this stays in the file until it is asked for.
const SECTIONS: &str = include_str!("actions.txt");
/// The section that has the ends of endpoints' names.
const SUFFIXES: &str = "suffixes";

/// A service whose Actions are known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Service {
    name: &'static str,
    /// The label that stands for it in the names of its endpoints.
    label: &'static str,
    /// Its Actions, in order, separated by white space.
    actions: &'static str,
}

impl Service {
    /// Every service, in the order of their names.
    pub fn all() -> impl Iterator<Item = Self> {
        sections().filter(|section| section.name != SUFFIXES)
    }

    /// The service with this name, which is the one that it has in a signature's scope.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|service| service.name == name)
    }

    /// The services that sign with this name, in any case: `elasticloadbalancing` for both load balancers, `rds` for
    /// Neptune and `DocumentDB` too. `email`, which is SES in the names of endpoints, is SES here as well.
    #[must_use]
    pub fn signing_as(name: &str) -> Option<Self> {
        let is_called = |service: &Self| [service.name, service.label].iter().any(|own| own.eq_ignore_ascii_case(name));
        Self::all().find(is_called)
    }

    /// The service that has its endpoints at this host: `sdb.eu-west-1.amazonaws.com`, `rds-fips.us-east-1.api.aws`.
    #[must_use]
    pub fn at(host: &str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let suffixes = sections().find(|section| section.name == SUFFIXES)?;
        let labels = suffixes.actions().find_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'))?;
        labels.split('.').find_map(|label| {
            let label = label.strip_suffix("-fips").unwrap_or(label);
            Self::all().find(|service| service.label == label)
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The names of its Actions, in order.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.actions.split_ascii_whitespace()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name)
    }
}

/// What stands behind each `[NAME] LABEL`.
fn sections() -> impl Iterator<Item = Service> {
    SECTIONS.split("\n[").skip(1).filter_map(|section| {
        let (head, actions) = section.split_once('\n')?;
        let (name, label) = head.split_once(']')?;
        Some(Service { name, label: label.trim_ascii(), actions })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Action;

    #[test]
    fn a_service_is_known_by_its_name_and_by_its_endpoints() {
        for (name, host) in [
            ("importexport", "importexport.amazonaws.com"),
            ("sdb", "sdb.amazonaws.com"),
            ("sdb", "sdb.eu-west-1.amazonaws.com"),
            ("sdb", "sdb.eu-west-1.amazonaws.com."),
            ("ec2", "ec2.cn-north-1.amazonaws.com.cn"),
            ("ec2", "ec2.eu-north-1.api.aws"),
            ("rds", "rds-fips.us-east-1.amazonaws.com"),
            ("rds", "vpce-0123456789abcdef0-abcdefgh.rds.us-east-1.vpce.amazonaws.com"),
            ("ses", "email.us-east-1.amazonaws.com"),
            ("elasticloadbalancing", "elasticloadbalancing.us-east-1.amazonaws.com"),
        ] {
            assert_eq!(Service::at(host).map(|service| service.name()), Some(name), "{host}");
            assert_eq!(Service::named(name), Service::at(host));
        }
    }

    #[test]
    fn a_host_that_is_none_of_a_known_services_leads_to_none() {
        for host in [
            "",
            "amazonaws.com",
            "sdb",
            "sdb.example.com",
            "sdb.amazonaws.com.example",
            "sdbamazonaws.com",
            "s3.amazonaws.com",
            "sdb2.amazonaws.com",
            "127.0.0.1",
            "heat.example.internal",
        ] {
            assert_eq!(Service::at(host), None, "{host}");
        }
        assert_eq!(Service::named("elb"), None);
        assert_eq!(Service::named(SUFFIXES), None);
    }

    #[test]
    fn a_signing_name_leads_to_the_actions_of_all_services_that_sign_with_it() {
        let has = |name: &str, action: &str| Service::signing_as(name).unwrap().actions().any(|known| known == action);
        for (name, action) in [
            ("elasticloadbalancing", "CreateRule"),
            ("elasticloadbalancing", "AttachLoadBalancerToSubnets"),
            ("rds", "CreateDBInstance"),
            ("rds", "ModifyDBClusterEndpoint"),
            ("monitoring", "PutMetricData"),
            ("ses", "SendEmail"),
            ("SES", "SendEmail"),
            ("email", "SendEmail"),
            ("sts", "GetCallerIdentity"),
            ("iam", "CreateUser"),
            ("cloudformation", "CreateStack"),
        ] {
            assert!(has(name, action), "{name} {action}");
        }
        for unknown in ["", "sqs", "fcu", "suffixes", "elb"] {
            assert_eq!(Service::signing_as(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_actions_of_every_service_are_actions_in_order() {
        let services: Vec<Service> = Service::all().collect();
        assert!(services.len() >= 16 && services.is_sorted_by_key(Service::name), "{services:?}");
        for service in services {
            let actions: Vec<&str> = service.actions().collect();
            assert!(actions.is_sorted_by(|one, next| one < next), "{service:?}");
            assert!(!actions.is_empty() && actions.iter().all(|action| Action::parse(action).is_some()), "{service:?}");
        }
        let of = |name| Service::named(name).unwrap().actions().collect::<Vec<_>>();
        let import_export = ["CancelJob", "CreateJob", "GetShippingLabel", "GetStatus", "ListJobs", "UpdateJob"];
        assert_eq!(of("importexport"), import_export);
        assert_eq!(of("sdb").len(), 10);
        assert!(of("ec2").len() > 800 && of("ec2").contains(&"RunInstances"));
        assert!(of("rds").contains(&"CreateDBInstance"), "and those of the services at the same endpoint:");
        assert!(
            of("elasticloadbalancing").contains(&"CreateRule")
                && of("elasticloadbalancing").contains(&"AttachLoadBalancerToSubnets")
        );
    }
}
