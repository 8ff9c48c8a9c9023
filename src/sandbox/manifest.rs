//! What a manifest must say before a job is created from it (developer guide, "Manifest File Options Reference").

use super::address::Address;
use super::job_type::JobType;
use super::manifest_text::{Fields, ManifestText, Value};
use super::refusal::Refusal;

/// The options of the guide. Another one is probably misspelt, and the response warns of it.
const KNOWN: [&str; 29] = [
    "acl",
    "accessKeyId",
    "bucket",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentTypes",
    "customs",
    "deviceId",
    "diskTimestampMetadataKey",
    "eraseDevice",
    "fileSystem",
    "generator",
    "ignore",
    "logBucket",
    "logPrefix",
    "manifestVersion",
    "notificationEmail",
    "operations",
    "pinCode",
    "prefix",
    "recoveryDirectory",
    "returnAddress",
    "serviceLevel",
    "setContentEncodingForGzFiles",
    "staticMetadata",
    "substitutions",
    "trueCryptPassword",
];

/// The longest key of an object in S3; the name of a log becomes one.
const LONGEST_KEY: usize = 1024;

/// What the service keeps of a valid manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bucket for the log: `logBucket`, or an import's `bucket`.
    pub log_bucket: String,
    /// `logPrefix`, empty when absent.
    pub log_prefix: String,
    /// `returnAddress`.
    pub return_address: Address,
    /// Options that the guide does not have. They are ignored.
    pub unknown: Vec<String>,
}

impl Manifest {
    /// Checks `text` for a job of `job_type` that a request signed by `access_key_id` creates.
    ///
    /// # Errors
    /// The refusals about manifests, fields in the order of the guide's tables: one at a time, as the service does.
    pub fn check(text: &str, job_type: JobType, access_key_id: &str) -> Result<Self, Refusal> {
        let text = ManifestText::parse(text)?;
        one_of(&text, "manifestVersion", &["2.0"], invalid("manifestVersion", "2.0"))?;
        if required(&text, "accessKeyId")? != access_key_id {
            return Err(Refusal::ForeignManifest);
        }
        required(&text, "deviceId")?;
        let bucket = match job_type {
            JobType::Import => {
                let refusal = invalid("eraseDevice", "yes: devices are erased before they are returned");
                one_of(&text, "eraseDevice", &["yes", "true"], refusal)?;
                Some(bucket_name("bucket", required(&text, "bucket")?)?)
            }
            JobType::Export => {
                one_of(&text, "fileSystem", &["NTFS", "EXT4"], Refusal::InvalidFileSystem)?;
                check_operations(&text)?;
                None
            }
        };
        let log_bucket = match (optional(&text, "logBucket")?, bucket) {
            (Some(name), _) => bucket_name("logBucket", name)?,
            (None, Some(bucket)) => bucket,
            (None, None) => return Err(Refusal::MissingManifestField("logBucket")),
        };
        Ok(Self {
            log_bucket: log_bucket.to_owned(),
            log_prefix: log_prefix(&text)?,
            return_address: return_address(&text)?,
            unknown: text.names().filter(|name| !KNOWN.contains(name)).map(str::to_owned).collect(),
        })
    }
}

/// The end of a log's key, which follows the prefix.
#[must_use]
pub fn log_name(job_type: JobType, job_id: &str) -> String {
    match job_type {
        JobType::Import => format!("import-log-{job_id}"),
        JobType::Export => format!("export-log-{job_id}"),
    }
}

fn optional<'a>(text: &'a ManifestText, field: &'static str) -> Result<Option<&'a str>, Refusal> {
    match text.get(field) {
        None => Ok(None),
        Some(Value::Scalar(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
        Some(Value::Mapping(_) | Value::Sequence(_)) => Err(invalid(field, "a single value")),
    }
}

fn required<'a>(text: &'a ManifestText, field: &'static str) -> Result<&'a str, Refusal> {
    optional(text, field)?.ok_or(Refusal::MissingManifestField(field))
}

fn one_of(text: &ManifestText, field: &'static str, valid: &[&str], otherwise: Refusal) -> Result<(), Refusal> {
    let value = required(text, field)?;
    if valid.iter().any(|candidate| candidate.eq_ignore_ascii_case(value)) { Ok(()) } else { Err(otherwise) }
}

const fn invalid(field: &'static str, expected: &'static str) -> Refusal {
    Refusal::InvalidManifestField { field, expected }
}

fn check_operations(text: &ManifestText) -> Result<(), Refusal> {
    const FIELD: &str = "operations";
    let Some(value) = text.get(FIELD) else { return Err(Refusal::MissingManifestField(FIELD)) };
    let Value::Sequence(items) = value else {
        return Err(Refusal::InvalidManifestField {
            field: FIELD,
            expected: "a list of items with an exportBucket each",
        });
    };
    for item in items {
        let bucket = item.iter().find(|(name, _)| name == "exportBucket");
        let (_, name) = bucket.ok_or(Refusal::MissingManifestField("exportBucket"))?;
        bucket_name("exportBucket", name)?;
    }
    Ok(())
}

/// The shape of a name only: the sandbox has no buckets, so it finds every well-formed one to exist.
fn bucket_name<'a>(field: &'static str, name: &'a str) -> Result<&'a str, Refusal> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (3..=255).contains(&name.len()) && name.bytes().all(plain) {
        Ok(name)
    } else {
        let expected = "the name of a bucket: 3 to 255 of A-Z a-z 0-9 . - _";
        Err(invalid(field, expected))
    }
}

/// Prefix and log name together must fit an S3 key; the job ids of the service have five characters, those here no
/// more.
fn log_prefix(text: &ManifestText) -> Result<String, Refusal> {
    const FIELD: &str = "logPrefix";
    let prefix = optional(text, FIELD)?.unwrap_or_default();
    let longest_name = log_name(JobType::Export, "JOBID").len();
    if prefix.len().saturating_add(longest_name) > LONGEST_KEY {
        let expected = "short enough for a key of 1024 bytes together with the log's name";
        return Err(invalid(FIELD, expected));
    }
    Ok(prefix.to_owned())
}

fn return_address(text: &ManifestText) -> Result<Address, Refusal> {
    const FIELD: &str = "returnAddress";
    let fields: &Fields = match text.get(FIELD) {
        None => return Err(Refusal::MissingManifestField(FIELD)),
        Some(Value::Mapping(fields)) => fields,
        Some(Value::Scalar(_) | Value::Sequence(_)) => {
            let expected = "followed by indented lines, one per part of the address";
            return Err(invalid(FIELD, expected));
        }
    };
    Address::from_fields(fields, Refusal::MissingManifestField)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A valid import manifest.
    pub(in crate::sandbox) const IMPORT: &str = "\
manifestVersion: 2.0
accessKeyId: AKIAIOSFODNN7EXAMPLE
deviceId: HD-0001
eraseDevice: yes
bucket: amzn-s3-demo-bucket
returnAddress:
    name: Jane Roe
    company: Example Corp.
    street1: 123 Any Street
    city: Anytown
    stateOrProvince: WA
    postalCode: 91011-1111
    phoneNumber: 206-555-1111
    country: USA
";

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    pub(in crate::sandbox) fn export() -> String {
        IMPORT
            .replace("eraseDevice: yes\n", "fileSystem: NTFS\nlogBucket: logs\nlogPrefix: a/\n")
            .replace("bucket: amzn-s3-demo-bucket\n", "operations:\n  - exportBucket: one\n    prefix: images/\n")
    }

    fn code(text: &str, job_type: JobType) -> &'static str {
        Manifest::check(text, job_type, ID).map_or_else(|refusal| refusal.code(), |_| "accepted")
    }

    #[test]
    fn the_guides_manifests_pass() {
        let import = Manifest::check(IMPORT, JobType::Import, ID).unwrap();
        assert_eq!((import.log_bucket.as_str(), import.log_prefix.as_str()), ("amzn-s3-demo-bucket", ""));
        assert_eq!(import.return_address.get("city"), Some("Anytown"));
        let export = Manifest::check(&export(), JobType::Export, ID).unwrap();
        assert_eq!((export.log_bucket.as_str(), export.log_prefix.as_str()), ("logs", "a/"));
        assert!(export.unknown.is_empty());
    }

    #[test]
    fn each_missing_field_is_named() {
        for (text, job_type, fields) in [
            (
                IMPORT.to_owned(),
                JobType::Import,
                &["manifestVersion", "accessKeyId", "deviceId", "eraseDevice", "bucket"][..],
            ),
            (export(), JobType::Export, &["fileSystem", "logBucket", "manifestVersion"]),
        ] {
            for field in fields {
                let without: String =
                    text.lines().filter(|line| !line.starts_with(field)).map(|line| format!("{line}\n")).collect();
                assert_eq!(
                    Manifest::check(&without, job_type, ID),
                    Err(Refusal::MissingManifestField(field)),
                    "{field}"
                );
            }
        }
        assert_eq!(code(&IMPORT.replace("    city: Anytown\n", ""), JobType::Import), "MissingManifestFieldException");
        assert_eq!(code("manifestVersion: 2.0\n", JobType::Import), "MissingManifestFieldException");
        assert_eq!(code(&export().replace("exportBucket", "bucket"), JobType::Export), "MissingManifestFieldException");
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for (from, to, expected) in [
            ("2.0", "1.0", "InvalidManifestFieldException"),
            ("eraseDevice: yes", "eraseDevice: no", "InvalidManifestFieldException"),
            ("amzn-s3-demo-bucket", "a/b", "InvalidManifestFieldException"),
            ("deviceId: HD", "deviceId:\n  a: b\nx: HD", "InvalidManifestFieldException"),
            ("returnAddress:\n", "returnAddress: here\nother:\n", "InvalidManifestFieldException"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "InvalidAccessKeyIdException"),
            ("206-555-1111", "none", "InvalidAddressException"),
            ("bucket: amzn", "bucket amzn", "MalformedManifestException"),
        ] {
            assert_eq!(code(&IMPORT.replace(from, to), JobType::Import), expected, "{to}");
        }
        assert_eq!(code(&export().replace("NTFS", "HFS+"), JobType::Export), "InvalidFileSystemException");
        let long = export().replace("a/", &"a".repeat(1020));
        assert_eq!(code(&long, JobType::Export), "InvalidManifestFieldException");
    }

    #[test]
    fn an_option_the_guide_does_not_know_is_reported() {
        let manifest = Manifest::check(&format!("{IMPORT}serviceLvl: x\n"), JobType::Import, ID).unwrap();
        assert_eq!(manifest.unknown, ["serviceLvl"]);
    }
}
