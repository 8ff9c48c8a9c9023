//! Reads an access key out of the JSON that a cloud's own tool prints when it makes one, for `countersign keys seal`.
//!
//! A key store does not read these forms ([`super::document`] is the only one there): each has names of its own for the
//! same things, and a file that changes must not change its meaning. Here a person runs one command and is told what
//! was read. A form is taken only where exactly one reading fits; what the tool says about the key's end and whether it
//! is switched on is read or refused, never passed over.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::access_key::{AccessKeyId, Credentials};
use super::document::string;
use super::saved_text::without_mark;
use super::secret::{SecretAccessKey, SessionToken};

/// Why the output of a tool is not taken, although it has a key. Names fields, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToolOutputError {
    /// A field that this form always has is missing: without the token, say, the key would sign and no endpoint would
    /// take it.
    #[error("it looks like what {tool} prints, but {field} is missing")]
    Missing {
        /// The tool.
        tool: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field that cannot be read.
    #[error("it looks like what {tool} prints, but {field} is not {wanted}")]
    Unreadable {
        /// The tool.
        tool: &'static str,
        /// The field.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The key is switched off.
    #[error("it is what {tool} prints, and {field} says that the key cannot be used: switch it on first")]
    Inactive {
        /// The tool.
        tool: &'static str,
        /// The field.
        field: &'static str,
    },
    /// Two readings fit.
    #[error("it could be what {0} prints, and what {1} prints: cut it down to the key alone")]
    Ambiguous(&'static str, &'static str),
}

/// How a tool prints a key.
struct Form {
    /// The commands, as they are told to the user.
    tool: &'static str,
    /// The objects that lead to the one with the secret.
    within: &'static [&'static str],
    /// The object with everything else, from the top.
    about: &'static [&'static str],
    id: &'static str,
    secret: &'static str,
    token: Field,
    expiration: Field,
    unit: Unit,
    /// A field that says whether the key is switched on, and what it then says.
    active: Option<(&'static str, &'static str)>,
    /// What tells this form from one with the same names.
    mark: Mark,
}

/// A name beside the secret that tells two forms apart.
#[derive(Clone, Copy)]
enum Mark {
    None,
    With(&'static str),
    Without(&'static str),
}

/// Whether a form has a field.
#[derive(Clone, Copy)]
enum Field {
    Never,
    Sometimes(&'static str),
    Always(&'static str),
}

/// How a form writes a time that is a number.
#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
}

const NO_TOOL: Form = Form {
    tool: "",
    within: &[],
    about: &[],
    id: "AccessKeyId",
    secret: "SecretAccessKey",
    token: Field::Never,
    expiration: Field::Never,
    unit: Unit::Seconds,
    active: None,
    mark: Mark::None,
};

const TEMPORARY: Form =
    Form { token: Field::Always("SessionToken"), expiration: Field::Always("Expiration"), ..NO_TOOL };

/// The forms, from the tools' references: AWS's API references and botocore's models (iam, sts, sso, cognito-identity),
/// "Instance metadata" of EC2 and ECS, IoT's credential provider; Alibaba Cloud's RAM and STS, Tencent's CAM and STS,
/// Volcengine's IAM and STS, Outscale's OAPI, `openstack ec2 credentials create`, CloudMonkey's `get userkeys`, and
/// `yc iam access-key create`.
const FORMS: [Form; 16] = [
    Form {
        tool: "`aws iam create-access-key`, `tccli cam CreateAccessKey` or `ve iam CreateAccessKey`",
        within: &["AccessKey"],
        about: &["AccessKey"],
        active: Some(("Status", "Active")),
        ..NO_TOOL
    },
    Form { tool: "`aws sts assume-role` and the like", within: &["Credentials"], about: &["Credentials"], ..TEMPORARY },
    Form {
        tool: "`aws cognito-identity get-credentials-for-identity`",
        within: &["Credentials"],
        about: &["Credentials"],
        secret: "SecretKey",
        ..TEMPORARY
    },
    Form {
        tool: "`aws sso get-role-credentials`",
        within: &["roleCredentials"],
        about: &["roleCredentials"],
        id: "accessKeyId",
        secret: "secretAccessKey",
        token: Field::Always("sessionToken"),
        expiration: Field::Always("expiration"),
        unit: Unit::Milliseconds,
        ..NO_TOOL
    },
    Form {
        tool: "the credential provider of AWS IoT",
        within: &["credentials"],
        about: &["credentials"],
        id: "accessKeyId",
        secret: "secretAccessKey",
        token: Field::Always("sessionToken"),
        expiration: Field::Always("expiration"),
        ..NO_TOOL
    },
    Form {
        tool: "a metadata service of EC2, ECS or EKS",
        token: Field::Always("Token"),
        mark: Mark::With("Token"),
        ..TEMPORARY
    },
    Form {
        tool: "`aws configure export-credentials`, without its Version",
        mark: Mark::Without("Token"),
        token: Field::Sometimes("SessionToken"),
        expiration: Field::Sometimes("Expiration"),
        ..NO_TOOL
    },
    Form {
        tool: "`aliyun ram CreateAccessKey`",
        within: &["AccessKey"],
        about: &["AccessKey"],
        secret: "AccessKeySecret",
        active: Some(("Status", "Active")),
        ..NO_TOOL
    },
    Form {
        tool: "`aliyun sts AssumeRole`",
        within: &["Credentials"],
        about: &["Credentials"],
        secret: "AccessKeySecret",
        token: Field::Always("SecurityToken"),
        ..TEMPORARY
    },
    Form {
        tool: "`tccli sts AssumeRole`",
        within: &["Credentials"],
        id: "TmpSecretId",
        secret: "TmpSecretKey",
        token: Field::Always("Token"),
        ..TEMPORARY
    },
    Form {
        tool: "`ve iam CreateAccessKey`",
        within: &["Result", "AccessKey"],
        about: &["Result", "AccessKey"],
        active: Some(("Status", "active")),
        ..NO_TOOL
    },
    Form {
        tool: "`ve sts AssumeRole`",
        within: &["Result", "Credentials"],
        about: &["Result", "Credentials"],
        expiration: Field::Always("ExpiredTime"),
        ..TEMPORARY
    },
    Form {
        tool: "`osc-cli api CreateAccessKey`",
        within: &["AccessKey"],
        about: &["AccessKey"],
        secret: "SecretKey",
        expiration: Field::Sometimes("ExpirationDate"),
        active: Some(("State", "ACTIVE")),
        ..NO_TOOL
    },
    Form { tool: "`openstack ec2 credentials create -f json`", id: "access", secret: "secret", ..NO_TOOL },
    Form {
        tool: "`cmk get userkeys` or `cmk register userkeys`",
        within: &["userkeys"],
        about: &["userkeys"],
        id: "apikey",
        secret: "secretkey",
        ..NO_TOOL
    },
    Form {
        tool: "`yc iam access-key create --format json`",
        about: &["access_key"],
        id: "key_id",
        secret: "secret",
        ..NO_TOOL
    },
];

/// Reads what a tool printed. `None`: it is in none of the known forms. Beside the key stands which tool it was.
///
/// # Errors
/// [`ToolOutputError`]: the form is known, and the key cannot be taken.
pub fn read(json: &[u8]) -> Option<Result<(Credentials, &'static str), ToolOutputError>> {
    let top: &RawValue = serde_json::from_slice(without_mark(json)).ok()?;
    let fitting: Vec<_> = FORMS.iter().filter_map(|form| Some((form, form.fit(top)?))).collect();
    match fitting.as_slice() {
        [] => None,
        [(form, fitted)] => Some(form.credentials(fitted).map(|credentials| (credentials, form.tool))),
        [(form, _), (other, _), ..] => Some(Err(ToolOutputError::Ambiguous(form.tool, other.tool))),
    }
}

/// The parts of a form that were found.
struct Fitted<'a> {
    about: Object<'a>,
    id: &'a RawValue,
    secret: &'a RawValue,
    /// The object with the secret and the token.
    holder: Object<'a>,
}

impl Form {
    /// Whether a text has the id and the secret where this form has them.
    fn fit<'a>(&self, top: &'a RawValue) -> Option<Fitted<'a>> {
        let (holder, about) = (at(top, self.within)?, at(top, self.about)?);
        let secret = holder.given(self.secret)?;
        let id = holder.given(self.id).or_else(|| about.given(self.id))?;
        let is_marked = match self.mark {
            Mark::None => true,
            Mark::With(name) => holder.given(name).is_some(),
            Mark::Without(name) => holder.given(name).is_none(),
        };
        is_marked.then_some(())?;
        Some(Fitted { about, id, secret, holder })
    }

    fn credentials(&self, fitted: &Fitted<'_>) -> Result<Credentials, ToolOutputError> {
        self.check_active(&fitted.about)?;
        let id = self.text("the id", fitted.id, "text")?;
        let secret = self.text(self.secret, fitted.secret, "text")?;
        let token = match self.field(self.token, &fitted.holder)? {
            None => None,
            Some((name, raw)) => {
                let text = self.text(name, raw, "text")?;
                Some(SessionToken::new(&text).ok_or_else(|| self.unreadable(name, "a token"))?)
            }
        };
        let expiration = self.field(self.expiration, &fitted.about)?;
        Ok(Credentials {
            access_key_id: AccessKeyId::parse(&id).ok_or_else(|| self.unreadable(self.id, "the id of a key"))?,
            secret_access_key: SecretAccessKey::new(secret.as_bytes())
                .ok_or_else(|| self.unreadable(self.secret, "the secret of a key"))?,
            session_token: token,
            expiration: expiration.map(|(name, raw)| self.time(name, raw)).transpose()?,
        })
    }

    fn check_active(&self, about: &Object<'_>) -> Result<(), ToolOutputError> {
        let tool = self.tool;
        let says = |field: &'static str, wanted: &str| match about.given(field) {
            None => Ok(()),
            Some(raw) if raw.get().trim_matches('"').eq_ignore_ascii_case(wanted) => Ok(()),
            Some(_) => Err(ToolOutputError::Inactive { tool, field }),
        };
        // EC2's metadata service says whether it could get the key
        says("Code", "Success")?;
        self.active.map_or(Ok(()), |(field, wanted)| says(field, wanted))
    }

    fn field<'a>(
        &self,
        field: Field,
        object: &Object<'a>,
    ) -> Result<Option<(&'static str, &'a RawValue)>, ToolOutputError> {
        match field {
            Field::Never => Ok(None),
            Field::Sometimes(name) => Ok(object.given(name).map(|raw| (name, raw))),
            Field::Always(name) => match object.given(name) {
                Some(raw) => Ok(Some((name, raw))),
                None => Err(ToolOutputError::Missing { tool: self.tool, field: name }),
            },
        }
    }

    fn text(
        &self,
        field: &'static str,
        raw: &RawValue,
        wanted: &'static str,
    ) -> Result<zeroize::Zeroizing<String>, ToolOutputError> {
        string(field, raw).map_err(|_names_the_field_too| self.unreadable(field, wanted))
    }

    /// A time: RFC 3339, or a number in the unit of the form.
    fn time(&self, field: &'static str, raw: &RawValue) -> Result<Timestamp, ToolOutputError> {
        let unreadable = || self.unreadable(field, "a time like 2026-11-22T21:00:00Z");
        if raw.get().starts_with('"') {
            return self.text(field, raw, "text")?.parse().map_err(|_echoes_the_value| unreadable());
        }
        // botocore prints seconds with a fraction
        let whole = raw.get().split('.').next().unwrap_or_default();
        let number: i64 = whole.parse().map_err(|_echoes_the_value| unreadable())?;
        let time = match self.unit {
            Unit::Seconds => Timestamp::from_second(number),
            Unit::Milliseconds => Timestamp::from_millisecond(number),
        };
        time.map_err(|_echoes_the_value| unreadable())
    }

    const fn unreadable(&self, field: &'static str, wanted: &'static str) -> ToolOutputError {
        ToolOutputError::Unreadable { tool: self.tool, field, wanted }
    }
}

/// The object at the end of a path.
fn at<'a>(top: &'a RawValue, path: &[&str]) -> Option<Object<'a>> {
    let mut object = Object::of(top)?;
    for name in path {
        object = Object::of(object.given(name)?)?;
    }
    Some(object)
}

/// A JSON object with each name once. The values are raw: serde_json decodes strings through a buffer that it does not
/// wipe.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The value of a name; `null` and the empty text count as absent.
    fn given(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw);
        found.filter(|raw| !matches!(raw.get(), "null" | "\"\""))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::new();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                    fields.push((name, map.next_value()?));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Names).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const END: &str = "2026-11-22T21:00:00Z";

    /// What is read: the id, the token and the end, and the tool.
    fn taken(json: &str) -> (String, Option<String>, Option<String>, &'static str) {
        let (key, tool) = read(json.as_bytes()).unwrap_or_else(|| panic!("no form: {json}")).unwrap();
        assert_eq!(key.secret_access_key.expose_secret(), SECRET.as_bytes(), "{json}");
        let token = key.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        (key.access_key_id.to_string(), token, key.expiration.map(|end| end.to_string()), tool)
    }

    fn refusal(json: &str) -> String {
        let error = read(json.as_bytes()).unwrap_or_else(|| panic!("no form: {json}")).err();
        let message = error.unwrap_or_else(|| panic!("taken: {json}")).to_string();
        assert!(!message.contains("MARKER") && !message.contains(SECRET), "{message}");
        message
    }

    /// Each form with all its fields, as its tool's reference shows it, and what has to be read of it.
    fn examples() -> Vec<(String, &'static str, bool, bool)> {
        [examples_of_aws(), examples_of_other_clouds()].concat()
    }

    fn examples_of_aws() -> Vec<(String, &'static str, bool, bool)> {
        let aws = format!(r#""AccessKeyId":"AKIA","SecretAccessKey":"{SECRET}""#);
        let temporary = format!(r#"{aws},"SessionToken":"tok","Expiration":"2026-11-22T21:00:00+00:00""#);
        let lower = format!(r#""accessKeyId":"AKIA","secretAccessKey":"{SECRET}","sessionToken":"tok""#);
        vec![
            (
                format!(r#"{{"AccessKey":{{"UserName":"u",{aws},"Status":"Active","CreateDate":"x"}}}}"#),
                "iam",
                false,
                false,
            ),
            (format!(r#"{{"Credentials":{{{temporary}}},"AssumedRoleUser":{{"Arn":"a"}}}}"#), "sts", true, true),
            (
                format!(
                    r#"{{"IdentityId":"i","Credentials":{{{}}}}}"#,
                    temporary.replace("SecretAccessKey", "SecretKey")
                ),
                "cognito",
                true,
                true,
            ),
            (format!(r#"{{"roleCredentials":{{{lower},"expiration":1795381200000}}}}"#), "sso", true, true),
            (format!(r#"{{"credentials":{{{lower},"expiration":"{END}"}}}}"#), "IoT", true, true),
            (
                format!(r#"{{"Code":"Success","Type":"AWS-HMAC",{}}}"#, temporary.replace("SessionToken", "Token")),
                "metadata",
                true,
                true,
            ),
            (format!(r#"{{"RoleArn":"r",{}}}"#, temporary.replace("SessionToken", "Token")), "metadata", true, true),
            (format!("{{{temporary}}}"), "without its Version", true, true),
            (format!("{{{aws}}}"), "without its Version", false, false),
        ]
    }

    fn examples_of_other_clouds() -> Vec<(String, &'static str, bool, bool)> {
        let aws = format!(r#""AccessKeyId":"AKIA","SecretAccessKey":"{SECRET}""#);
        let aliyun = format!(r#""AccessKeyId":"AKIA","AccessKeySecret":"{SECRET}""#);
        let openstack = format!(r#"{{"access":"AKIA","secret":"{SECRET}","project_id":"p","user_id":"u"}}"#);
        vec![
            (
                format!(r#"{{"AccessKey":{{{aws},"Status":"Active","CreateTime":"x"}},"RequestId":"r"}}"#),
                "tccli cam",
                false,
                false,
            ),
            (
                format!(r#"{{"RequestId":"r","AccessKey":{{{aliyun},"Status":"Active","CreateDate":"x"}}}}"#),
                "aliyun ram",
                false,
                false,
            ),
            (
                format!(r#"{{"RequestId":"r","Credentials":{{{aliyun},"SecurityToken":"tok","Expiration":"{END}"}}}}"#),
                "aliyun sts",
                true,
                true,
            ),
            (
                format!(
                    r#"{{"Credentials":{{"Token":"tok","TmpSecretId":"AKIA","TmpSecretKey":"{SECRET}"}},
                        "ExpiredTime":1,"Expiration":"{END}"}}"#
                ),
                "tccli sts",
                true,
                true,
            ),
            (
                format!(r#"{{"ResponseMetadata":{{}},"Result":{{"AccessKey":{{{aws},"Status":"active"}}}}}}"#),
                "ve iam",
                false,
                false,
            ),
            (
                format!(
                    r#"{{"Result":{{"Credentials":{{{aws},"SessionToken":"tok",
                        "ExpiredTime":"2026-11-23T05:00:00+08:00"}}}}}}"#
                ),
                "ve sts",
                true,
                true,
            ),
            (
                format!(
                    r#"{{"AccessKey":{{"State":"ACTIVE","AccessKeyId":"AKIA","SecretKey":"{SECRET}",
                        "ExpirationDate":"{END}"}}}}"#
                ),
                "osc-cli",
                false,
                true,
            ),
            (openstack, "openstack", false, false),
            (format!(r#"{{"userkeys":{{"apikey":"AKIA","secretkey":"{SECRET}"}}}}"#), "cmk", false, false),
            (format!(r#"{{"access_key":{{"id":"aje","key_id":"AKIA"}},"secret":"{SECRET}"}}"#), "yc iam", false, false),
        ]
    }

    #[test]
    fn every_form_is_read_with_its_token_and_its_end() {
        for (json, tool, token, end) in examples() {
            let read = taken(&json);
            assert_eq!(read.0, "AKIA", "{json}");
            assert_eq!(read.1.as_deref(), token.then_some("tok"), "{json}");
            assert_eq!(read.2.as_deref(), end.then_some(END), "{json}");
            assert!(read.3.contains(tool), "{} for {json}", read.3);
        }
    }

    #[test]
    fn seconds_are_seconds_and_milliseconds_are_milliseconds() {
        let seconds = format!(
            r#"{{"Credentials":{{"AccessKeyId":"A","SecretKey":"{SECRET}","SessionToken":"t",
                "Expiration":1795381200.0}}}}"#
        );
        assert_eq!(taken(&seconds).2.as_deref(), Some(END));
    }

    #[test]
    fn a_temporary_key_without_its_token_or_its_end_is_refused() {
        let key = format!(r#""AccessKeyId":"MARKER","SecretAccessKey":"{SECRET}""#);
        assert!(
            refusal(&format!(r#"{{"Credentials":{{{key},"Expiration":"{END}"}}}}"#))
                .contains("SessionToken is missing")
        );
        assert!(
            refusal(&format!(r#"{{"Credentials":{{{key},"SessionToken":"t"}}}}"#)).contains("Expiration is missing")
        );
        assert!(
            refusal(&format!(r#"{{"Credentials":{{{key},"SessionToken":"","Expiration":"{END}"}}}}"#))
                .contains("SessionToken is missing")
        );
        assert!(refusal(&format!(r#"{{{key},"Token":"MARKER"}}"#)).contains("Expiration is missing"));
    }

    #[test]
    fn a_key_that_is_switched_off_is_refused() {
        let key = format!(r#""AccessKeyId":"MARKER","SecretAccessKey":"{SECRET}""#);
        for json in [
            format!(r#"{{"AccessKey":{{{key},"Status":"Inactive"}}}}"#),
            format!(r#"{{"Code":"Failed",{key},"Token":"t","Expiration":"{END}"}}"#),
        ] {
            assert!(refusal(&json).contains("says that the key cannot be used"));
        }
    }

    #[test]
    fn what_could_be_two_things_or_has_values_that_fit_nothing_is_refused_without_a_value() {
        let two = format!(
            r#"{{"Credentials":{{"AccessKeyId":"MARKER","SecretAccessKey":"{SECRET}","SecretKey":"MARKER",
                "SessionToken":"t","Expiration":"{END}"}}}}"#
        );
        assert!(refusal(&two).contains("it could be what"));
        for (field, value) in
            [("Expiration", "\"MARKER\""), ("Expiration", "{}"), ("SessionToken", "[\"MARKER\"]"), ("AccessKeyId", "1")]
        {
            let fields = [
                ("AccessKeyId", "\"AKIA\"".to_owned()),
                ("SecretAccessKey", format!("\"{SECRET}\"")),
                ("SessionToken", "\"t\"".to_owned()),
                ("Expiration", format!("\"{END}\"")),
            ];
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, given)| format!("\"{name}\":{}", if *name == field { value } else { given.as_str() }))
                .collect();
            refusal(&format!("{{\"Credentials\":{{{}}}}}", fields.join(",")));
        }
    }

    #[test]
    fn other_json_is_in_no_form() {
        for json in
            ["{}", "[]", "1", "{\"data\":{\"access_key\":\"a\",\"secret_key\":\"b\"}}", "{\"Credentials\":{}}", "{"]
        {
            assert!(read(json.as_bytes()).is_none(), "{json}");
        }
        let twice = "{\"access\":\"a\",\"secret\":\"b\",\"secret\":\"c\"}";
        assert!(read(twice.as_bytes()).is_none());
    }
}
