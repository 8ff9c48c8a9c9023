//! Requests that the sandbox refuses, with the statuses and codes of the service it stands for.
//!
//! The service's own codes end in `Exception`: that is what the SDKs' models compare with, although the developer
//! guide's prose drops the ending. Statuses and codes of signatures are those of AWS's page "Common Errors".

use super::class::{FaultClass, info, rows};

const LOG: super::LogReason = info("sandbox");

rows! {
    NOT_SIGNED = refused(403, "MissingAuthenticationToken", LOG;
        "The request is not signed.";
        "Call countersign, not the sandbox.").keeping_the_connection();
    INCOMPLETE_SIGNATURE = refused(400, "IncompleteSignature", LOG;
        "A parameter of the signature is missing or malformed.";
        "The message names it.").keeping_the_connection();
    UNKNOWN_KEY = refused(403, "InvalidClientTokenId", LOG;
        "The access key ID or its session token is not known.";
        "Start the sandbox with the key that signs.").keeping_the_connection();
    REQUEST_EXPIRED = refused(400, "RequestExpired", LOG;
        "The request's time is more than 15 minutes from the sandbox's clock.";
        "Set the clock.").keeping_the_connection();
    SIGNATURE_MISMATCH = refused(403, "SignatureDoesNotMatch", LOG;
        "The signature is another than the key gives.";
        "Compare the secret access keys; `countersign verify` says what differs.").keeping_the_connection();
    VERSION = refused(400, "InvalidParameterValue", LOG;
        "The Version is neither 2010-06-03 nor 2010-06-01.";
        "Send one of them.").keeping_the_connection();
    UNKNOWN_ACTION = refused(400, "InvalidAction", LOG;
        "The service has no such Action.";
        "The message lists the Actions.").keeping_the_connection();
    QUERY_STRING = refused(400, "InvalidQueryParameter", LOG;
        "The query string says something else than the Action.";
        "Send the parameters in the body.").keeping_the_connection();
    MISSING_PARAMETER = refused(400, "MissingParameterException", LOG;
        "A parameter that the operation needs is missing.";
        "The message names it.").keeping_the_connection();
    INVALID_PARAMETER = refused(400, "InvalidParameterException", LOG;
        "A parameter has a value that it cannot have.";
        "The message says what it may be.").keeping_the_connection();
    UNKNOWN_JOB = refused(400, "InvalidJobIdException", LOG;
        "No job with this JobId belongs to the access key.";
        "`ListJobs` lists them. Jobs end with the sandbox.").keeping_the_connection();
    CANCELED_JOB = refused(400, "CanceledJobIdException", LOG;
        "The job has been cancelled.";
        "Create another one.").keeping_the_connection();
    UNCHANGEABLE_JOB_TYPE = refused(400, "UnableToUpdateJobIdException", LOG;
        "The JobType of a job cannot be changed.";
        "Create another job.").keeping_the_connection();
    FOREIGN_MANIFEST = refused(403, "InvalidAccessKeyIdException", LOG;
        "The manifest's accessKeyId is not the access key ID that signed the request.";
        "Write the ID of the key that countersign signs with.").keeping_the_connection();
    MALFORMED_MANIFEST = refused(400, "MalformedManifestException", LOG;
        "The manifest is not the YAML that manifests are written in.";
        "The message names the line.").keeping_the_connection();
    MISSING_MANIFEST_FIELD = refused(400, "MissingManifestFieldException", LOG;
        "A field that the manifest needs is missing.";
        "The message names it.").keeping_the_connection();
    INVALID_MANIFEST_FIELD = refused(400, "InvalidManifestFieldException", LOG;
        "A field of the manifest has a value that it cannot have.";
        "The message says what it may be.").keeping_the_connection();
    INVALID_FILE_SYSTEM = refused(400, "InvalidFileSystemException", LOG;
        "The manifest's fileSystem is neither NTFS nor EXT4.";
        "Write one of them.").keeping_the_connection();
    INVALID_ADDRESS = refused(400, "InvalidAddressException", LOG;
        "An address cannot be delivered to.";
        "The message names the part.").keeping_the_connection();
    METHOD = refused(405, "MethodNotAllowed", LOG;
        "The method is not POST.";
        "Send a POST.");
    MEDIA_TYPE = refused(415, "UnsupportedMediaType", LOG;
        "The Content-Type is not `application/x-www-form-urlencoded`.";
        "Send a form.");
    TOO_LARGE = refused(413, "RequestEntityTooLarge", LOG;
        "The form is longer than 1 MiB, or than 4 MiB with `--any-action`.";
        "Send less.");
    TOO_SLOW = refused(408, "RequestTimeout", LOG;
        "The form did not arrive in time.";
        "Send it within 30 seconds.");
    BROKEN_BODY = refused(400, "IncompleteBody", LOG;
        "The form did not arrive whole.";
        "Look at the client's timeouts.").keeping_the_connection();
}
