//! Proves a new key with the harmless call that a route names. It goes to the endpoint that a client's call would get
//! to.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Collected, Limited};
use thiserror::Error;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::endpoint_calls::EndpointCalls;
use super::shared_route::SharedRoute;
use crate::authorize::{ClientIdentity, Policy};
use crate::credentials::{ActiveKey, Proof, Unproven};
use crate::error_chain::causes;
use crate::http1::Fields;
use crate::proxy::{ClockReading, WorkerClock};
use crate::query::{EndpointError, ErrorDialect, FormLimits, QueryForm, Reader};
use crate::signing::{RequestTimestamp, prepare};
use crate::upstream::{Client, Repetition, SendError, Sent, WayOut};
use crate::waits;

/// The longest that a probe may take, however slowly the response comes.
const LONGEST: Duration = Duration::from_secs(120);

/// The caller as the breaker knows it: no client can have this name, which has a space.
const PROBER: &str = "the probe";

/// How much of a response is read, in bytes. The code of an error is in the first of them.
const READ: usize = 64 * 1024;

/// The probes of all routes that a key signs for, one at least.
pub(crate) struct Probes(Vec<Probe>);

impl Probes {
    /// These probes; `None` when there are none.
    pub(crate) fn all(probes: Vec<Probe>) -> Option<Box<dyn Proof>> {
        if probes.is_empty() { None } else { Some(Box::new(Self(probes))) }
    }
}

/// The probe of one route.
pub(crate) struct Probe {
    route: String,
    form: String,
    /// The endpoints that get it, each one only while those before it are down.
    endpoints: Vec<EndpointCalls>,
}

/// Why an endpoint gave no answer.
#[derive(Debug, Error)]
enum NoAnswer {
    #[error(transparent)]
    Upstream(#[from] SendError),
    /// The form cannot be sent, or not be signed.
    #[error("{0}")]
    Unsent(String),
}

/// What an endpoint answered to a probe.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// The code of an error.
    pub(crate) code: Option<String>,
    /// The shape of its errors.
    errors: ErrorDialect,
    /// How far the endpoint's clock is ahead of this host's, in milliseconds, when it told.
    pub(crate) clock_offset: Option<i64>,
    pub(crate) took: Duration,
}

impl Answered {
    /// Whether the endpoint carried out the call. Some clouds say 200 to a refusal as well.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success() && !(self.errors.is_answered_with_200() && self.code.is_some())
    }
}

impl Probe {
    /// The probe of `route`, when it has one.
    pub(crate) fn of(route: &SharedRoute) -> Option<Self> {
        Self::at(route, route.endpoints().cloned().collect())
    }

    /// The same, for one endpoint of the route alone.
    pub(crate) fn of_one(route: &SharedRoute, endpoint: &EndpointCalls) -> Option<Self> {
        Self::at(route, vec![endpoint.clone()])
    }

    fn at(route: &SharedRoute, endpoints: Vec<EndpointCalls>) -> Option<Self> {
        let route = &route.settings;
        Some(Self { route: route.name.to_string(), form: route.probe.clone()?, endpoints })
    }

    /// Makes the call once, or twice when the first response has told that the endpoint's clock is off.
    ///
    /// # Errors
    /// Why there was no response within `limit`.
    pub(crate) async fn try_out(&self, key: &ActiveKey, limit: Duration) -> Result<Answered, String> {
        let _wait = self.wait();
        let begun = Instant::now();
        let calls = async {
            let knew = self.clock_offsets();
            let answered = self.call(key).await?;
            let learned = self.clock_offsets();
            if answered.is_success() || learned == knew { Ok(answered) } else { self.call(key).await }
        };
        let answered = timeout(limit.min(LONGEST), calls).await.unwrap_or_else(|_| Err("took too long".into()))?;
        Ok(Answered { took: begun.elapsed(), ..answered })
    }

    fn clock_offsets(&self) -> Vec<Option<i64>> {
        self.endpoints.iter().map(|endpoint| endpoint.clock.offset()).collect()
    }

    fn wait(&self) -> waits::Wait {
        waits::begin(format!("the probe of route.{}", self.route))
    }

    async fn prove(&self, key: &ActiveKey) -> Result<(), Unproven> {
        let _wait = self.wait();
        let failed = |what: String| Unproven::because(format!("the probe of route.{} {what}", self.route));
        let sent = timeout(LONGEST, self.call(key)).await;
        let answered = sent
            .map_err(|_elapsed| failed("took too long".to_owned()))?
            .map_err(|error| failed(format!("failed: {error}")))?;
        if answered.is_success() {
            return Ok(());
        }
        let code = answered.code.map_or_else(String::new, |code| format!(" {code}"));
        Err(failed(format!("was answered with {}{code}", answered.status.as_u16())))
    }

    /// Makes the call at the first endpoint that is not down. The error is a message that says why there was no
    /// response.
    async fn call(&self, key: &ActiveKey) -> Result<Answered, String> {
        let mut called = Err(NoAnswer::Unsent("has no endpoint".to_owned()));
        let mut endpoints = self.endpoints.as_slice();
        while let Some((endpoint, others)) = endpoints.split_first() {
            endpoints = others;
            let way_out = if others.is_empty() { WayOut::None } else { WayOut::OtherEndpoint };
            called = self.call_at(endpoint, way_out, key).await;
            match &called {
                Err(NoAnswer::Upstream(error)) if error.leaves_call_to_others() => {}
                Ok(_) | Err(NoAnswer::Upstream(_) | NoAnswer::Unsent(_)) => break,
            }
        }
        called.map_err(|error| causes(&error))
    }

    async fn call_at(&self, endpoint: &EndpointCalls, way_out: WayOut, key: &ActiveKey) -> Result<Answered, NoAnswer> {
        let unsent = |error: &dyn std::error::Error| NoAnswer::Unsent(causes(error));
        let begun = Instant::now();
        let EndpointCalls { profile, clock: shared_clock, destination, .. } = endpoint;
        let names = profile.dialect().vocabulary();
        let form = QueryForm::parse_as(names, Reader::Policy, self.form.as_bytes(), FormLimits::DEFAULT);
        let form = form.map_err(|error| unsent(&error))?;
        // there is no client: the configuration itself asks for this form to be signed
        let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, &self.route, form);
        let allowed = allowed.map_err(|error| unsent(&error))?;
        let clock = WorkerClock::of(shared_clock);
        let unwritten = || NoAnswer::Unsent("cannot be written as a request".to_owned());
        let client = Client::without_pool(destination).ok_or_else(unwritten)?;
        let mut attempts = client.call(Repetition::Safe, PROBER, way_out);
        loop {
            let connection = attempts.connection().await?;
            let sent_at = ClockReading::at(Instant::now()).for_skew();
            let time = RequestTimestamp::at(clock.signing_time(sent_at));
            let stamp = profile.stamp(time, || Uuid::new_v4().into_bytes());
            let unsealed = prepare(&allowed, key, client.target(), profile, &stamp);
            let mac = key.mac(unsealed.key(), unsealed.string_to_sign()).await.map_err(|error| unsent(&error))?;
            let sent = attempts.send(connection, unsealed.seal(&mac), &Fields::default(), Instant::now()).await;
            if let ControlFlow::Break(Sent { status, fields, body, .. }) = sent? {
                // a clock that is off is known from now on, and the next probe has the right time
                clock.observe(sent_at, ClockReading::at(Instant::now()).for_skew(), &fields);
                let body = Limited::new(body, READ).collect().await;
                // a body that was cut only leaves out the code
                let body = body.map_or_else(|_cut| Bytes::new(), Collected::to_bytes);
                let errors = profile.dialect().errors();
                let (code, clock_offset, took) = (code(errors, &body), shared_clock.offset(), begun.elapsed());
                return Ok(Answered { status, code, errors, clock_offset, took });
            }
        }
    }
}

impl Proof for Probes {
    fn prove(&self, key: &ActiveKey) -> Result<(), Unproven> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Unproven::because(format!("the probe has no runtime: {error}")))?;
        LocalSet::new().block_on(&runtime, async {
            for probe in &self.0 {
                probe.prove(key).await?;
            }
            Ok(())
        })
    }
}

/// The code of an error document, if it is one that can be shown.
fn code(errors: ErrorDialect, body: &[u8]) -> Option<String> {
    let code = EndpointError::read_in(errors, body)?.code;
    let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    (plain && (1..=128).contains(&code.len())).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_found_and_nothing_else_is_taken_for_one() {
        let read = |body: &str| code(ErrorDialect::Query, body.as_bytes());
        assert_eq!(
            read("<Error><Code>InvalidClientTokenId</Code><Message>m</Message>").as_deref(),
            Some("InvalidClientTokenId")
        );
        for other in
            ["", "<Code>", "<Code></Code>", "<Code>a b</Code>", "<Code>\n</Code>", "<Code>a\nb</Code>", "<html>"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_code_of_an_error_is_found_in_the_shape_of_every_dialect() {
        for (errors, body, expected) in [
            (
                ErrorDialect::Ec2,
                "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>",
                "AuthFailure",
            ),
            (ErrorDialect::CloudStack, "<listzonesresponse><errorcode>401</errorcode></listzonesresponse>", "401"),
            (ErrorDialect::CloudStack, r#"{"listzonesresponse":{"errorcode":401,"errortext":"x"}}"#, "401"),
            (
                ErrorDialect::Alibaba,
                "<Error><Code>InvalidAccessKeyId.NotFound</Code></Error>",
                "InvalidAccessKeyId.NotFound",
            ),
            (ErrorDialect::Alibaba, r#"{"Code":"SignatureDoesNotMatch"}"#, "SignatureDoesNotMatch"),
            (ErrorDialect::QingCloud, r#"{"ret_code":1200,"message":"x"}"#, "1200"),
            (
                ErrorDialect::Tencent,
                r#"{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound"}}}"#,
                "AuthFailure.SecretIdNotFound",
            ),
        ] {
            assert_eq!(code(errors, body.as_bytes()).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn a_refusal_with_status_200_proves_no_key() {
        let answered = |errors, code: Option<&str>| {
            let (status, code, took) = (StatusCode::OK, code.map(str::to_owned), Duration::ZERO);
            Answered { status, code, errors, clock_offset: None, took }.is_success()
        };
        for errors in [ErrorDialect::QingCloud, ErrorDialect::Tencent] {
            assert!(answered(errors, None) && !answered(errors, Some("1200")));
        }
        // the success of another dialect may have an element of this name
        assert!(answered(ErrorDialect::Query, Some("16")));
    }
}
