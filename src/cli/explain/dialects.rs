//! `countersign explain --dialect`: a refusal in the words of another cloud, and a request that its verifier reads.

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use super::{Arguments, Evidence, conclude, file, target, unusable};
use crate::cli::capture::Capture;
use crate::cli::exit::Failure;
use crate::credentials::Credentials;
use crate::query::EndpointError;
use crate::signing::Dialect;
use crate::signing::diagnose::{MismatchInDialect, diagnose_in_dialect};
use crate::signing::verify::{Problem, Reading, Received, Verifier, VerifyingKey};

/// For how long a request of CloudStack is good, unless it was signed for another time.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// Explains the response.
///
/// # Errors
/// As for Signature Version 2.
pub(super) fn explained(arguments: &Arguments) -> Result<Finding, Failure> {
    let dialect = arguments.dialect;
    let request = Capture::read_request(&file(&arguments.request)?);
    let answer = Capture::read(&file(&arguments.answer)?);
    let error = EndpointError::read_in(dialect.errors(), answer.document())
        .ok_or_else(|| unusable(&arguments.answer, "has no error document of this dialect"))?;
    let target = target(arguments, &request)?;
    let (fields, query) = (request.lower_case_fields(), request.query());
    let received = Received { host: &target.host, path: &target.path, query, fields: &fields, body: request.form() };
    let [region, service] = scope(request.field("authorization").unwrap_or_default());
    let verifier = Verifier::new(dialect, region, service);
    let unreadable = |problem: Problem| unusable(&arguments.request, &problem.to_string());
    let reading = verifier.read(&received).map_err(unreadable)?;
    let mistakes = |credentials: Credentials| {
        let key = VerifyingKey::new(&credentials);
        (!reading.is_signed_by(&key)).then(|| {
            let (verifier, key) = (&verifier, &key);
            diagnose_in_dialect(&MismatchInDialect { verifier, received, key, other_hosts: &[], other_paths: &[] })
        })
    };
    let text = reading.canonical_request.as_ref().unwrap_or(&reading.string_to_sign);
    let evidence = Evidence {
        text: text.clone(),
        signed_at: signed_at(dialect, &reading),
        key_id: &reading.key_id,
        mistakes: Box::new(mistakes),
    };
    conclude(dialect, &evidence, &answer, &error)
}

/// CloudStack's requests say when they expire.
fn signed_at(dialect: Dialect, reading: &Reading) -> Option<Timestamp> {
    match dialect {
        Dialect::CloudStack => reading.time().checked_sub(LIFETIME).ok(),
        Dialect::AwsV2
        | Dialect::AwsV4
        | Dialect::OpenStack
        | Dialect::Nifcloud
        | Dialect::Eucalyptus
        | Dialect::AlibabaRpc
        | Dialect::QingCloud
        | Dialect::TencentV1
        | Dialect::AlibabaAcs3
        | Dialect::Volcengine => Some(reading.time()),
    }
}

/// Region and service for which the request says that it was signed: whether they are right, the answer says.
fn scope(authorization: &str) -> [Option<&str>; 2] {
    let credential = authorization.split(['=', ',']).nth(1).unwrap_or_default();
    let mut parts = credential.rsplit('/').skip(1);
    let (service, region) = (parts.next(), parts.next());
    [region, service]
}
