//! Calls: Actions, patterns of them, services that have them, the form of a probe, the names of parameters.

use crate::authorize::ActionPattern;
use crate::config::reading::hints::nearest;
use crate::config::reading::value::shown;
use crate::query::{Action, FormLimits, QueryForm, Reader, Service, Vocabulary};

/// An Action, or the beginning of one followed by `*`.
pub(crate) fn action_pattern(text: &str) -> Result<ActionPattern, String> {
    if text == "*" {
        return Err(
            "`*` would call every Action safe to repeat, and CreateJob would create two: list the ones that only \
                    read"
                .to_owned(),
        );
    }
    ActionPattern::parse(text).ok_or_else(|| {
        format!("{} is not an Action: write letters and digits, and perhaps one `*` at the end", shown(text))
    })
}

/// The name of an Action.
pub(crate) fn action(text: &str) -> Result<Action, String> {
    Action::parse(text).ok_or_else(|| {
        format!("{} is not an Action: write 1 to {} letters and digits", shown(text), Action::MAX_LENGTH)
    })
}

/// A service whose Actions are known.
pub(crate) fn service(name: &str) -> Result<Service, String> {
    Service::named(name).ok_or_else(|| {
        let names: Vec<_> = Service::all().map(|service| service.name()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "write one of \"{}\", or leave the line out and list the Actions in `known_actions`",
                names.join("\", \"")
            ),
        };
        format!("{} is not a service whose Actions are known: {hint}", shown(name))
    })
}

/// A form that tries out a key, and its Action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) action: Action,
    pub(crate) form: String,
}

/// An Action, or a form with one, `Action=ListJobs&Version=2010-06-03`, in the words of a dialect.
pub(crate) fn probe(text: &str, names: &'static Vocabulary) -> Result<Probe, String> {
    let probe = probe_form(text, names.operation)?;
    let read = QueryForm::parse_as(names, Reader::Policy, probe.form.as_bytes(), FormLimits::DEFAULT);
    read.map_err(|error| error.to_string())?;
    Ok(probe)
}

fn probe_form(text: &str, operation: &str) -> Result<Probe, String> {
    if !text.contains('=') {
        return action(text).map(|action| Probe { form: format!("{operation}={action}"), action });
    }
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b));
    let pairs: Option<Vec<_>> = text.split('&').map(|pair| pair.split_once('=')).collect();
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(name, value)| plain(name) && plain(value)));
    let pairs = pairs.ok_or_else(|| format!("{} is not a form: write \"{operation}=ListJobs&A=B\"", shown(text)))?;
    let named = pairs.iter().find(|(name, _)| *name == operation);
    let (_, named) = named.ok_or_else(|| format!("is a form without {operation}"))?;
    Ok(Probe { action: action(named)?, form: text.to_owned() })
}

/// The name of a parameter, such as `Filter.1.Name`.
pub(crate) fn parameter(text: &str) -> Result<String, String> {
    if (1..=128).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is not the name of a parameter: write 1 to 128 characters", shown(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_letters_and_digits() {
        assert_eq!(action("CreateJob").unwrap().as_str(), "CreateJob");
        for text in ["", "Create Job", "Create*", "Über", &"a".repeat(129)] {
            assert!(action(text).is_err(), "{text}");
        }
    }

    #[test]
    fn action_patterns_may_end_with_a_star_but_not_be_one() {
        for good in ["GetStatus", "Get*"] {
            assert_eq!(action_pattern(good).unwrap().to_string(), good);
        }
        assert!(action_pattern("*").unwrap_err().contains("every Action"));
        for text in ["", "*Get", "G*t", "Get**", "Get *"] {
            assert!(action_pattern(text).unwrap_err().contains("one `*` at the end"), "{text}");
        }
    }

    #[test]
    fn a_probe_is_an_action_or_a_form_with_one() {
        let read = |text| probe(text, &Vocabulary::AWS).map(|Probe { action, form }| (action.to_string(), form));
        let expected = |form: &str| Ok(("ListJobs".to_owned(), form.to_owned()));
        assert_eq!(read("ListJobs"), expected("Action=ListJobs"));
        let form = "Action=ListJobs&Version=2010-06-03";
        assert_eq!(read(form), expected(form));
        for text in ["", "List Jobs", "Version=2010-06-03", "Action=ListJobs&", "Action=List+Jobs", "Action=&A=1"] {
            assert!(probe(text, &Vocabulary::AWS).is_err(), "{text}");
        }
    }

    #[test]
    fn a_probe_is_a_form_that_the_dialect_takes() {
        let read = |text| probe(text, &Vocabulary::CLOUDSTACK).map(|Probe { action, form }| (action.to_string(), form));
        let expected = |form: &str| Ok(("listZones".to_owned(), form.to_owned()));
        for (text, form) in
            [("listZones", "command=listZones"), ("command=listZones&response=json", "command=listZones&response=json")]
        {
            assert_eq!(read(text), expected(form));
        }
        for (text, why) in [
            ("Action=listZones", "is a form without command"),
            ("command=listZones&ID=1&id=2", "differ only by case"),
            ("command=listZones&Command=login", "differ only by case"),
            ("listIdps", "without a look at the signature"),
            ("command=login&username=a", "without a look at the signature"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }
}
