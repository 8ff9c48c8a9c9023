//! How the endpoints of the sandbox take a request: one that responds, and the body of a form.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::pacing::Paced;
use super::refusal::{BODY_TIMEOUT, Refusal};

const FORM: &str = "application/x-www-form-urlencoded";

const MIB: usize = 1024 * 1024;

/// An endpoint.
pub(super) trait Respond: Send + Sync + 'static {
    /// Responds to a request; refusals are responses too.
    ///
    /// # Errors
    /// None.
    fn respond_to(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Paced>, Infallible>> + Send;
}

/// The body of a form of at most this many MiB.
///
/// # Errors
/// The request is not a POST of a form, or its body does not arrive.
pub(super) async fn read_form(head: &Parts, body: Incoming, limit_in_mib: usize) -> Result<Bytes, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Err(Refusal::MediaType);
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, limit_in_mib.saturating_mul(MIB)).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { limit_in_mib }),
        Ok(Err(_)) => Err(Refusal::BrokenBody),
        Err(_) => Err(Refusal::TooSlow),
    }
}
