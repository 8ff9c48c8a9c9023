//! Attempts to get past a client's rules by spelling: Actions, parameters and their names as a lenient endpoint would
//! read them.

use serde_json::Value;

use crate::harness::clients::{client, token};
use crate::harness::{Answer, Draft, Endpoint, Proxy, Setup};

/// May call everything but what its rules deny: ending instances, Actions that begin with Cancel, instances of another
/// type than the small one, and instances with data of the user.
fn renter() -> String {
    client(
        "renter",
        "allow = [\"importexport:List*\", \"importexport:GetStatus\", \"importexport:TerminateInstances\", \
                  \"importexport:CancelJob\"]\n\
         deny = [\"*:TerminateInstances\", \"importexport:Cancel*\"]\n\
         [[client.renter.rule]]\neffect = \"allow\"\nactions = [\"importexport:RunInstances\"]\n\
         when = [{ parameter = \"InstanceType\", one_of = [\"t2.micro\"] }]\n\
         [[client.renter.rule]]\neffect = \"deny\"\nactions = [\"importexport:RunInstances\"]\n\
         when = [{ parameter = \"UserData\", absent = false }]",
    )
}

/// A client that may call everything, but instances with data of the user.
fn trusted() -> String {
    client(
        "trusted",
        "allow = [\"*:*\"]\n\
         deny = [\"*:TerminateInstances\"]\n\
         [[client.trusted.rule]]\neffect = \"deny\"\nactions = [\"*:RunInstances\"]\n\
         when = [{ parameter = \"UserData\", absent = false }]",
    )
}

struct Attack {
    proxy: Proxy,
    endpoint: Endpoint,
}

impl Attack {
    fn on(clients: &str) -> Self {
        let endpoint = Endpoint::obliging();
        let mut setup = Setup::to(&endpoint).more(clients);
        setup.callers = "authenticate = [\"token\"]";
        Self { proxy: setup.start(), endpoint }
    }

    fn call(&self, client: &str, form: &str) -> Answer {
        self.proxy.call(&Draft::form(form).field("Authorization", &format!("Bearer {}", token(client))))
    }

    /// Expects that the call is refused with this status and code and not sent; the line of the log.
    #[track_caller]
    fn refused(&self, client: &str, form: &str, status: u16, code: &str) -> Value {
        let before = self.endpoint.requests().len();
        let answer = self.call(client, form);
        assert_eq!((answer.status, answer.element("Code").as_str()), (status, code), "{form}");
        self.proxy.assert_own(&answer, status, code, "no");
        assert_eq!(self.endpoint.requests().len(), before, "{form} was sent");
        self.proxy.log.exchange(&answer.request_id())
    }
}

fn text<'l>(line: &'l Value, field: &str) -> &'l str {
    line[field].as_str().unwrap_or_default()
}

#[test]
fn a_denied_action_is_denied_in_every_spelling() {
    let attack = Attack::on(&format!("{}{}", renter(), trusted()));
    for action in ["TerminateInstances", "terminateInstances", "TERMINATEINSTANCES", "terminateinstances"] {
        for (client, rule) in [("renter", "deny[1]"), ("trusted", "deny[1]")] {
            let line = attack.refused(client, &format!("Action={action}"), 403, "AccessDenied");
            assert_eq!((text(&line, "decision"), text(&line, "rule")), ("deny", rule), "{line}");
        }
    }
    for action in ["CancelJob", "cancelJob", "CANCELEverything", "cancel"] {
        let line = attack.refused("renter", &format!("Action={action}"), 403, "AccessDenied");
        assert_eq!(text(&line, "rule"), "deny[2]", "{action}");
    }
    // what is not letters and digits is the name of no operation
    for action in ["terminate_instances", "Terminate-Instances", "+TerminateInstances", "TerminateInstances%C2%A0"] {
        attack.refused("trusted", &format!("Action={action}"), 400, "InvalidAction");
    }
    attack.call("trusted", "Action=TerminateInstance").expect(200);
}

#[test]
fn an_action_that_is_allowed_in_one_spelling_is_refused_in_others_and_the_log_says_so() {
    let attack = Attack::on(&renter());
    for action in ["getStatus", "GETSTATUS", "listJobs", "runInstances&InstanceType=t2.micro"] {
        let line = attack.refused("renter", &format!("Action={action}"), 403, "AccessDenied");
        assert_eq!((text(&line, "reason"), text(&line, "level")), ("policy.spelling", "WARN"), "{line}");
        assert!(text(&line, "error").contains("allows another spelling of its Action"), "{line}");
    }
    let line = attack.refused("renter", "Action=CreateJob", 403, "AccessDenied");
    assert_eq!(text(&line, "reason"), "policy");
    attack.call("renter", "Action=GetStatus").expect(200);
}

#[test]
fn a_parameter_that_a_rule_asks_about_passes_in_no_other_spelling_beside_it_or_instead_of_it() {
    let attack = Attack::on(&format!("{}{}", renter(), trusted()));
    let other_spellings = ["instanceType", "instance_type", "+InstanceType+", "Instance-Type", "INSTANCETYPE"];
    for name in other_spellings.into_iter().chain(["InstanceType.value", "InstanceType.1", "instance_type%5B0%5D"]) {
        for form in [
            format!("Action=RunInstances&InstanceType=t2.micro&{name}=m5.large"),
            format!("Action=RunInstances&{name}=m5.large"),
            format!("Version=2016-11-15&{name}=m5.large&Action=RunInstances&InstanceType=t2.micro"),
        ] {
            let line = attack.refused("renter", &form, 400, "InvalidQueryParameter");
            assert_eq!(text(&line, "reason"), "form.spelling", "{form}: {line}");
        }
    }
    for name in ["userData", "user_data", "User-Data", "UserData.value", "userData.value", "UserData.1", "UserData."] {
        let line = attack.refused("trusted", &format!("Action=RunInstances&{name}=x"), 400, "InvalidQueryParameter");
        assert_eq!((text(&line, "decision"), text(&line, "rule")), ("deny", "rule[1]"), "{line}");
        let error = text(&line, "error");
        assert!(error.contains(name) && error.contains("'UserData'") && error.contains("rule[1]"), "{line}");
    }
    attack.refused("trusted", "Action=RunInstances&UserData=x", 403, "AccessDenied");
    attack.call("renter", "Action=RunInstances&InstanceType=t2.micro&Instance=1&InstanceTypes.1=a").expect(200);
    attack.call("renter", "Action=ListJobs&instance_type=a&UserData.1=b").expect(200);
    attack.call("trusted", "Action=RunInstances&UserDataset=1&Tag.1.Key=UserData&Tag.1.Value=user_data").expect(200);
}

#[test]
fn two_spellings_of_one_parameter_are_refused_whatever_the_rules() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    for form in [
        "Action=RunInstances&InstanceType=t2.micro&instanceType=m5.large",
        "Action=RunInstances&Instance-Type=m5.large&B=1&InstanceType=t2.micro",
        "Action=CreateTags&Tag.1.Key=a&Tag.1.Value=b&tag.1.key=c",
        "Action=ListJobs&a+=1&_a=2",
        "_=1&Action=ListJobs&-=2",
    ] {
        let answer = proxy.post(form);
        proxy.assert_own(&answer, 400, "InvalidQueryParameter", "no");
        assert!(answer.element("Message").contains("differ only by case"), "{}", answer.text());
        assert_eq!(text(&proxy.log.exchange(&answer.request_id()), "reason"), "form.spelling");
    }
    proxy.post("Action=CreateTags&Tag.1.Key=a&Tag.1.Value=b&Tag.11.Key=c&Tags=d&Tag1=e").expect(200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn what_a_dispatcher_could_take_for_the_action_is_refused_beside_it_and_instead_of_it() {
    let attack = Attack::on(&trusted());
    let names = ["Operation", "operation", "OPERATION", "Command", "command", "action", "_Action", "Action.1"];
    for name in
        names.into_iter().chain(["Action%5B%5D", "Operation.1", "+operation", "ac-tion", "VERSION", "version.1"])
    {
        for form in [
            format!("Action=ListJobs&{name}=TerminateInstances"),
            format!("{name}=TerminateInstances&Action=ListJobs&Version=2010-06-03"),
            format!("{name}=TerminateInstances&Version=2010-06-03"),
        ] {
            attack.refused("trusted", &form, 400, "InvalidQueryParameter");
        }
    }
    attack.call("trusted", "Action=ListJobs&OperationType=add&ActionNames.member.1=a&Commands=b").expect(200);
}

#[test]
fn a_name_beyond_printable_ascii_is_refused_at_its_position_and_logged_escaped() {
    let attack = Attack::on(&trusted());
    for (name, position) in [
        ("UserData%C2%A0", 9),    // a space that does not break
        ("User%E2%80%8BData", 5), // of no width
        ("%EF%BB%BFUserData", 1), // a byte order mark
        ("%E2%80%AEataDresU", 1), // from right to left
        ("UserDat%D0%B0", 8),     // a Cyrillic letter
        ("UserData%7F", 9),
        ("UserData%09", 9),
        ("UserData\u{a0}", 9),
    ] {
        let form = format!("Action=RunInstances&{name}=x");
        let line = attack.refused("trusted", &form, 400, "InvalidQueryParameter");
        let error = text(&line, "error");
        assert!(error.contains(&format!("at position {position} ")) && error.is_ascii(), "{line}");
        assert_eq!(text(&line, "reason"), "form.name");
    }
    let log = attack.proxy.log.text();
    assert!(log.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "raw bytes in the log");
    attack.call("trusted", "Action=ListJobs&Name=%C2%A0%E2%80%8B&%21~+%7B=1").expect(200);
}
