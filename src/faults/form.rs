//! Requests that are refused for their body: it did not arrive, or it is not a form that can be read in one way only.

use super::class::{AuditReason, FaultClass, info, rows, warn};
use crate::query::FormError;

const PARAMETER: &str = "InvalidQueryParameter";

rows! {
    BODY_TOO_LARGE = refused(413, "ProxyRequestTooLarge", info("body.size");
        "The body is larger than the route allows.";
        "Send less, or raise the route's `body` limit.");
    BODY_TOO_SLOW = refused(408, "RequestTimeout", info("body.slow");
        "The body did not arrive in time.";
        "Look for a slow network, or raise the listener's `body_timeout`, or lower its `minimum_rate`.");
    NO_MEMORY = unavailable(503, "ServiceUnavailable", info("overload");
        "The requests in progress hold all the memory for bodies.";
        "Try again as `Retry-After` says. If it happens often, raise `process.bodies`.")
        .closing_the_connection().proxy_status("connection_limit_reached").because(AuditReason::Overloaded);
    BODY_CUT = refused(400, "ProxyMalformedRequest", info("client_abort");
        "The client left before its body was complete.";
        "Look at the client's timeouts.")
        .because(AuditReason::Abandoned);
    BODY_MISFRAMED = refused(400, "ProxyMalformedRequest", warn("framing");
        "The chunks of the body are malformed.";
        "Fix the client. If it is not yours, treat the request as an attempt to smuggle another one.");
    BAD_ESCAPE = refused(400, "MalformedQueryString", info("form.encoding");
        "A `%` in the form is not followed by two hexadecimal digits.";
        "Encode the form as the URL standard says.")
        .keeping_the_connection();
    LINE_BREAK = refused(400, "MalformedQueryString", info("form.encoding");
        "The form has a line break that is not escaped.";
        "Write `%0A` if a value has one. Send a file without its last line end: `curl -d @FILE`, not `--data-binary`.")
        .keeping_the_connection();
    OTHER_CHARSET = refused(400, "MalformedQueryString", info("form.encoding");
        "The `Content-Type` names a charset other than UTF-8, and the form has characters beyond ASCII.";
        "Encode names and values in UTF-8, and say `charset=utf-8`.")
        .keeping_the_connection();
    NOT_UTF_8 = refused(400, "MalformedQueryString", info("form.encoding");
        "The decoded form is not valid UTF-8.";
        "Encode names and values in UTF-8.")
        .keeping_the_connection();
    TOO_MANY_PARAMETERS = refused(400, PARAMETER, info("form.size");
        "The form has more parameters than the route allows.";
        "Send fewer, or raise the route's `parameters` limit.")
        .keeping_the_connection();
    DUPLICATE = refused(400, PARAMETER, warn("form.dup");
        "A parameter appears more than once.";
        "Send it once. Two parsers would each take another value.")
        .keeping_the_connection();
    ALIKE = refused(400, PARAMETER, warn("form.spelling");
        "The names of two parameters differ only by case, `_`, `-` or white space.";
        "Send one of the two. An endpoint may take them for the same parameter.")
        .keeping_the_connection();
    SPELLING_OF_A_CONDITION = refused(400, PARAMETER, warn("form.spelling");
        "A parameter could be taken for one that a rule for the Action asks about: another spelling, or a part of it.";
        "Send the parameter as the rule spells it, or correct the name in the rule's condition.")
        .keeping_the_connection();
    UNPRINTABLE_NAME = refused(400, PARAMETER, warn("form.name");
        "The name of a parameter has a character that is not printable ASCII.";
        "Remove the character at the position that the message names.")
        .keeping_the_connection();
    NAME_OF_NO_PARAMETER = refused(400, PARAMETER, warn("form.name");
        "The name of a parameter is empty, too long, or has a character that no name of the dialect has.";
        "Correct the name that the message shows, or leave the parameter out.")
        .keeping_the_connection();
    CONTROL_CHARACTER = refused(400, PARAMETER, info("form.value");
        "A value has a control character that the dialect's endpoints refuse.";
        "Remove it from the value. Line feed and carriage return may stay.")
        .keeping_the_connection();
    DISGUISED = refused(400, PARAMETER, warn("form.reserved");
        "A parameter could be taken for a reserved one, like `Signature` or `Action`.";
        "Remove the parameter: `Action` alone names what is called, and countersign adds what signs the call.")
        .keeping_the_connection();
    UNSIGNED_OPERATION = refused(403, "AccessDenied", warn("form.unsigned");
        "The operation is one that endpoints answer before they look at a signature, such as CloudStack's `login`.";
        "Call the endpoint itself. countersign passes on only what its key signs.")
        .keeping_the_connection();
    MISSING_ACTION = refused(400, "MissingAction", info("form.action");
        "The form has no Action: none in the parameter that the route's dialect has for it.";
        "Send the parameter `Action`, or `command` to CloudStack, or `action` to QingCloud.")
        .keeping_the_connection();
    INVALID_ACTION = refused(400, "InvalidAction", info("form.action");
        "The Action is not the name of an operation.";
        "Send 1 to 128 ASCII letters and digits.")
        .keeping_the_connection();
}

/// The row of a form that cannot be read, by the proxy and by the sandbox.
#[must_use]
pub const fn class_of(error: &FormError) -> FaultClass {
    match error {
        FormError::BadEscape { .. } => BAD_ESCAPE,
        FormError::LineBreak { .. } => LINE_BREAK,
        FormError::OtherCharset => OTHER_CHARSET,
        FormError::NotUtf8 => NOT_UTF_8,
        FormError::TooMany { .. } => TOO_MANY_PARAMETERS,
        FormError::Duplicate(_) => DUPLICATE,
        FormError::Alike { .. } => ALIKE,
        FormError::UnprintableName { .. } => UNPRINTABLE_NAME,
        FormError::OtherCharacter { .. } | FormError::EmptyName | FormError::LongName { .. } => NAME_OF_NO_PARAMETER,
        FormError::ControlCharacter(_) => CONTROL_CHARACTER,
        FormError::Disguised { .. } => DISGUISED,
        FormError::MissingAction(_) => MISSING_ACTION,
        FormError::InvalidAction(_) => INVALID_ACTION,
        FormError::Unsigned(_) => UNSIGNED_OPERATION,
    }
}
