//! The six operations of the service, on the jobs of the access key that signed.

use jiff::Timestamp;

use super::address::Address;
use super::call::{Call, Mode};
use super::job_type::JobType;
use super::jobs::{Job, Jobs, Order, Stage};
use super::manifest::{Manifest, log_name};
use super::operation::Operation;
use super::refusal::Refusal;
use super::signature_file;
use super::xml::Elements;
use crate::credentials::HeldKey;
use crate::query::{Action, percent};

/// How many jobs a page may have, and has if `MaxJobs` is not given.
pub(super) const MOST_LISTED: usize = 1000;

/// A host that cannot exist (RFC 2606), for links to documents that do not.
const DOCUMENTS: &str = "https://importexport.example";

/// The address that devices would be sent to.
const SHIPPING_ADDRESS: &str = "AWS Import/Export\nJOBID TTTT\n2646 Rainier Ave South Suite 1060\nSeattle, WA 98144";

/// The operation that `action` names.
///
/// # Errors
/// [`Refusal::UnknownAction`].
pub(super) fn named(action: &Action) -> Result<Operation, Refusal> {
    Operation::named(action.as_str()).ok_or(Refusal::UnknownAction)
}

/// Carries an operation out.
///
/// # Errors
/// The [`Refusal`]s about parameters, jobs, manifests and addresses.
pub(super) fn perform(operation: Operation, call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    match operation {
        Operation::CreateJob => create_job(call, caller),
        Operation::UpdateJob => update_job(call, caller),
        Operation::CancelJob => cancel_job(call, caller),
        Operation::GetStatus => get_status(call, caller),
        Operation::ListJobs => list_jobs(call, caller),
        Operation::GetShippingLabel => get_shipping_label(call, caller),
    }
}

/// The caller of an operation, the time, and a random number.
pub(super) struct Caller<'a> {
    /// The key that signed.
    pub(super) key: &'a HeldKey,
    /// The jobs of this key.
    pub(super) jobs: &'a mut Jobs,
    /// The current time.
    pub(super) now: Timestamp,
    /// A random number, from which the ID of a new job is derived.
    pub(super) seed: u128,
}

fn create_job(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    let mode = Mode::read(call)?;
    let order = order(call, caller.key)?;
    let warning = warning(&order.manifest, mode);
    let job_type = order.job_type.as_str();
    match mode {
        Mode::ValidateOnly => Ok(Elements::new().text("JobType", job_type).optional("WarningMessage", warning)),
        Mode::Act => {
            let id = caller.jobs.create(order, caller.seed, caller.now);
            let job = caller.jobs.active(&id)?;
            Ok(Elements::new()
                .text("JobId", &job.id)
                .text("JobType", job_type)
                .text("Signature", &job.order.signature)
                .text("SignatureFileContents", signature_file::contents(&job.id, &job.order.signature))
                .text("AwsShippingAddress", SHIPPING_ADDRESS.replace("JOBID", &job.id))
                .optional("WarningMessage", warning)
                .list("ArtifactList", artifacts(job)))
        }
    }
}

fn update_job(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    let id = call.required("JobId")?;
    let mode = Mode::read(call)?;
    let current = caller.jobs.active(id)?;
    let order = order(call, caller.key)?;
    if current.order.job_type != order.job_type {
        return Err(Refusal::UnchangeableJobType);
    }
    let warning = warning(&order.manifest, mode);
    match mode {
        Mode::ValidateOnly => {}
        Mode::Act => caller.jobs.update(id, order)?,
    }
    let job = caller.jobs.active(id)?;
    Ok(Elements::new().text("Success", "true").optional("WarningMessage", warning).list("ArtifactList", artifacts(job)))
}

fn cancel_job(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    caller.jobs.advance(call.required("JobId")?, Stage::Canceled)?;
    Ok(Elements::new().text("Success", "true"))
}

fn get_status(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    let job = caller.jobs.active(call.required("JobId")?)?;
    let order = &job.order;
    let tracking_number = match &job.stage {
        Stage::Labelled(number) => Some(number),
        Stage::Pending | Stage::Canceled => None,
    };
    Ok(Elements::new()
        .text("JobId", &job.id)
        .text("JobType", order.job_type.as_str())
        .text("LocationCode", "NotReceived")
        .text("LocationMessage", "AWS has not received the device.")
        .text("ProgressCode", "Pending")
        .text("ProgressMessage", "The job has not started.")
        .optional("Carrier", tracking_number.map(|_| "UPS"))
        .optional("TrackingNumber", tracking_number)
        .text("LogBucket", &order.manifest.log_bucket)
        .text("LogKey", format!("{}{}", order.manifest.log_prefix, log_name(order.job_type, &job.id)))
        .text("ErrorCount", "0")
        .text("Signature", &order.signature)
        .text("SignatureFileContents", signature_file::contents(&job.id, &order.signature))
        .text("CurrentManifest", &order.manifest_text)
        .text("CreationDate", job.created.to_string())
        .list("ArtifactList", artifacts(job)))
}

fn list_jobs(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    let most = match call.optional("MaxJobs") {
        None => MOST_LISTED,
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number > 0 => number.min(MOST_LISTED),
            Ok(_) | Err(_) => {
                return Err(Refusal::InvalidParameter { name: "MaxJobs", expected: "a whole number from 1" });
            }
        },
    };
    let page = caller.jobs.page(call.optional("Marker"), most)?;
    let jobs = page.jobs.iter().map(|job| {
        Elements::new()
            .text("JobId", &job.id)
            .text("CreationDate", job.created.to_string())
            .text("IsCanceled", if job.stage == Stage::Canceled { "true" } else { "false" })
            .text("JobType", job.order.job_type.as_str())
    });
    let is_truncated = if page.is_truncated { "true" } else { "false" };
    Ok(Elements::new().list("Jobs", jobs).text("IsTruncated", is_truncated))
}

/// Without an address in the request, the label has the return address of the first job.
fn get_shipping_label(call: &Call<'_>, caller: &mut Caller<'_>) -> Result<Elements, Refusal> {
    let ids = call.list("jobIds");
    let Some(first) = ids.first() else {
        return Err(Refusal::InvalidParameter { name: "jobIds", expected: "a list of at least one JobId" });
    };
    for id in &ids {
        caller.jobs.active(id)?;
    }
    let sender = if super::address::PARTS.iter().any(|part| call.optional(part).is_some()) {
        let missing = |field| Refusal::InvalidAddress { field, expected: "given" };
        Address::from_parts(|part| call.optional(part), missing)?
    } else {
        caller.jobs.active(first)?.order.manifest.return_address.clone()
    };
    let tracking_number = format!("1ZSANDBOX{first}");
    for id in &ids {
        caller.jobs.advance(id, Stage::Labelled(tracking_number.clone()))?;
    }
    let from = percent::encode(sender.get("postalCode").unwrap_or_default());
    Ok(Elements::new()
        .text("ShippingLabelURL", format!("{DOCUMENTS}/shipping-labels/{tracking_number}.pdf?from={from}"))
        .text("Warning", "This label comes from a sandbox: nothing can be shipped with it."))
}

/// Reads and checks JobType and Manifest. `ManifestAddendum` is for internal use, says the API reference, and is
/// ignored.
fn order(call: &Call<'_>, key: &HeldKey) -> Result<Order, Refusal> {
    const NAME: &str = "JobType";
    let job_type = JobType::parse(call.required(NAME)?)
        .ok_or(Refusal::InvalidParameter { name: NAME, expected: "Import or Export" })?;
    let manifest_text = call.required("Manifest")?;
    let manifest = Manifest::check(manifest_text, job_type, key.id().as_str())?;
    let signature = signature_file::signature(manifest_text, key.signing_key());
    Ok(Order { job_type, manifest_text: manifest_text.to_owned(), manifest, signature })
}

fn warning(manifest: &Manifest, mode: Mode) -> Option<String> {
    let validated = match mode {
        Mode::ValidateOnly => Some("The manifest is valid. Nothing was changed, as ValidateOnly asks.".to_owned()),
        Mode::Act => None,
    };
    let ignored = (!manifest.unknown.is_empty())
        .then(|| format!("These manifest options are not known and were ignored: {}.", manifest.unknown.join(", ")));
    let parts: Vec<String> = validated.into_iter().chain(ignored).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn artifacts(job: &Job) -> [Elements; 1] {
    [Elements::new()
        .text("Description", "Packing slip to enclose with the device")
        .text("URL", format!("{DOCUMENTS}/packing-slips/{}.pdf", job.id))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{AccessKeyId, Credentials, SecretAccessKey};
    use crate::query::{FormLimits, Parameters};
    use crate::sandbox::manifest::tests::{IMPORT, export};

    struct Account {
        key: HeldKey,
        jobs: Jobs,
        seed: u128,
    }

    impl Account {
        fn new() -> Self {
            let key = HeldKey::new(Credentials {
                access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
                secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
                session_token: None,
                expiration: None,
            });
            Self { key, jobs: Jobs::default(), seed: 0 }
        }

        /// The document of the response, or the refusal.
        fn call(&mut self, operation: Operation, form: &str) -> Result<String, Refusal> {
            let body = format!("Version=2010-06-03&{form}");
            let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
            let now = "2011-06-20T22:30:59Z".parse().unwrap();
            let mut caller = Caller { key: &self.key, jobs: &mut self.jobs, now, seed: self.seed };
            self.seed = self.seed.wrapping_add(1);
            perform(operation, &Call::new(&parameters)?, &mut caller)
                .map(|elements| elements.into_document(operation, "r-1"))
        }

        fn code(&mut self, operation: Operation, form: &str) -> &'static str {
            self.call(operation, form).map_or_else(|refusal| refusal.code(), |_| "success")
        }

        fn create(&mut self) -> String {
            self.call(Operation::CreateJob, &form("Import", IMPORT, "false")).unwrap()
        }
    }

    fn form(job_type: &str, manifest: &str, validate_only: &str) -> String {
        format!("JobType={job_type}&Manifest={}&ValidateOnly={validate_only}", percent::encode(manifest))
    }

    #[test]
    fn the_names_are_those_of_the_operations() {
        let names = ["CreateJob", "UpdateJob", "CancelJob", "GetStatus", "ListJobs", "GetShippingLabel"];
        assert_eq!(Operation::names(), names);
        assert_eq!(named(&Action::parse("GetStatus").unwrap()), Ok(Operation::GetStatus));
        assert_eq!(named(&Action::parse("getstatus").unwrap()), Err(Refusal::UnknownAction));
    }

    #[test]
    fn a_created_job_has_a_signature_file_and_can_be_asked_about() {
        let mut account = Account::new();
        let created = account.create();
        let signature = signature_file::signature(IMPORT, account.key.signing_key());
        assert!(created.contains("<JobId>AAAAA</JobId><JobType>Import</JobType>"), "{created}");
        let file = format!(
            "<SignatureFileContents>version:2.0\nsigningMethod:HmacSHA1\njobId:AAAAA\nsignature:{signature}\n\
             </SignatureFileContents>"
        );
        assert!(created.contains(&file), "{created}");
        let status = account.call(Operation::GetStatus, "JobId=AAAAA").unwrap();
        for part in [
            file.as_str(),
            "<LogKey>import-log-AAAAA</LogKey>",
            "<CreationDate>2011-06-20T22:30:59Z</CreationDate>",
            "name: Jane Roe\n",
        ] {
            assert!(status.contains(part), "{part}: {status}");
        }
    }

    #[test]
    fn validate_only_checks_and_creates_nothing() {
        let mut account = Account::new();
        let answer = account.call(Operation::CreateJob, &form("Import", IMPORT, "true")).unwrap();
        assert!(answer.contains("<WarningMessage>The manifest is valid."), "{answer}");
        assert!(!answer.contains("<JobId>"), "{answer}");
        assert_eq!(
            account.code(Operation::CreateJob, &form("Import", "a: 1", "true")),
            "MissingManifestFieldException"
        );
        assert!(account.jobs.page(None, 1).unwrap().jobs.is_empty());
    }

    #[test]
    fn an_update_changes_the_manifest_and_its_signature_unless_it_only_validates() {
        let mut account = Account::new();
        account.create();
        let changed = IMPORT.replace("HD-0001", "HD-0002");
        let manifest = |account: &mut Account| account.call(Operation::GetStatus, "JobId=AAAAA").unwrap();
        account.call(Operation::UpdateJob, &format!("JobId=AAAAA&{}", form("Import", &changed, "true"))).unwrap();
        assert!(manifest(&mut account).contains("HD-0001"));
        account.call(Operation::UpdateJob, &format!("JobId=AAAAA&{}", form("Import", &changed, "false"))).unwrap();
        let status = manifest(&mut account);
        assert!(status.contains("HD-0002"), "{status}");
        assert!(status.contains(&signature_file::signature(&changed, account.key.signing_key())), "{status}");
        let as_export = format!("JobId=AAAAA&{}", form("Export", &export(), "true"));
        assert_eq!(account.code(Operation::UpdateJob, &as_export), "UnableToUpdateJobIdException");
    }

    #[test]
    fn a_cancelled_job_is_refused_by_everything_but_the_list() {
        let mut account = Account::new();
        account.create();
        assert_eq!(account.code(Operation::CancelJob, "JobId=AAAAA"), "success");
        let update = format!("JobId=AAAAA&{}", form("Import", IMPORT, "false"));
        for (operation, form) in [
            (Operation::UpdateJob, update.as_str()),
            (Operation::CancelJob, "JobId=AAAAA"),
            (Operation::GetStatus, "JobId=AAAAA"),
            (Operation::GetShippingLabel, "jobIds.member.1=AAAAA"),
        ] {
            assert_eq!(account.code(operation, form), "CanceledJobIdException", "{operation:?}");
        }
        assert!(account.call(Operation::ListJobs, "").unwrap().contains("<IsCanceled>true</IsCanceled>"));
    }

    #[test]
    fn the_list_is_paged_by_marker() {
        let mut account = Account::new();
        for _ in 0..3 {
            account.create();
        }
        let first = account.call(Operation::ListJobs, "MaxJobs=2").unwrap();
        assert!(first.contains("CAAAA") && first.contains("BAAAA") && first.contains("<IsTruncated>true<"), "{first}");
        let last = account.call(Operation::ListJobs, "MaxJobs=2&Marker=BAAAA").unwrap();
        assert!(last.contains("<JobId>AAAAA") && last.contains("<IsTruncated>false<"), "{last}");
        for form in ["MaxJobs=0", "MaxJobs=-1", "MaxJobs=many", "Marker=ZZZZZ"] {
            assert_eq!(account.code(Operation::ListJobs, form), "InvalidParameterException", "{form}");
        }
    }

    #[test]
    fn a_shipping_label_takes_the_given_address_whole_or_the_manifests() {
        let mut account = Account::new();
        account.create();
        let from_manifest = account.call(Operation::GetShippingLabel, "jobIds.member.1=AAAAA").unwrap();
        assert!(from_manifest.contains("1ZSANDBOXAAAAA.pdf?from=91011-1111"), "{from_manifest}");
        let status = account.call(Operation::GetStatus, "JobId=AAAAA").unwrap();
        assert!(status.contains("<Carrier>UPS</Carrier><TrackingNumber>1ZSANDBOXAAAAA</TrackingNumber>"), "{status}");
        let partial = "jobIds.member.1=AAAAA&city=Anytown";
        assert_eq!(account.code(Operation::GetShippingLabel, partial), "InvalidAddressException");
        let whole =
            "jobIds.1=AAAAA&name=A&street1=S&city=C&stateOrProvince=P&postalCode=9&country=US&phoneNumber=55555";
        assert!(account.call(Operation::GetShippingLabel, whole).unwrap().contains("?from=9<"));
        assert_eq!(account.code(Operation::GetShippingLabel, "jobIds.member.1=NOPES"), "InvalidJobIdException");
        assert_eq!(account.code(Operation::GetShippingLabel, "name=A"), "InvalidParameterException");
    }

    #[test]
    fn missing_and_impossible_parameters_are_named() {
        let mut account = Account::new();
        for (form, code) in [
            ("JobType=Import&ValidateOnly=false", "MissingParameterException"),
            ("JobType=Import&Manifest=a", "MissingParameterException"),
            ("Manifest=a&ValidateOnly=false", "MissingParameterException"),
            ("JobType=Lend&Manifest=a&ValidateOnly=false", "InvalidParameterException"),
            ("JobType=Import&Manifest=a&ValidateOnly=perhaps", "InvalidParameterException"),
            ("JobType=Import&Manifest=a&ValidateOnly=false", "MalformedManifestException"),
        ] {
            assert_eq!(account.code(Operation::CreateJob, form), code, "{form}");
        }
        assert_eq!(account.code(Operation::GetStatus, ""), "MissingParameterException");
    }
}
