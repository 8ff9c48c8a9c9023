//! The record of one exchange: filled in along the street, written as one log line and counted once, when all is over.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use tokio::time::Instant;

use super::audit::{AuditUnavailable, Audited, Decision, Entry, Noted};
use super::metrics::RouteMetrics;
use super::request_id::RequestId;

/// How an exchange ended, as metrics and logs group it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The endpoint answered with 2xx, and the answer was passed on whole.
    Answered2xx,
    /// The same with 3xx.
    Answered3xx,
    /// The same with 4xx.
    Answered4xx,
    /// The same with 5xx, or an unusual status.
    Answered5xx,
    /// Refused by us; the endpoint never saw it.
    Refused,
    /// Not sent: no key, no capacity, no connection.
    Unavailable,
    /// Sent, and no answer came.
    Unknown,
    /// The answer broke off midway.
    Cut,
    /// The client left before the end.
    Abandoned,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Answered2xx,
        Self::Answered3xx,
        Self::Answered4xx,
        Self::Answered5xx,
        Self::Refused,
        Self::Unavailable,
        Self::Unknown,
        Self::Cut,
        Self::Abandoned,
    ];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The word in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered2xx => "answered_2xx",
            Self::Answered3xx => "answered_3xx",
            Self::Answered4xx => "answered_4xx",
            Self::Answered5xx => "answered_5xx",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Cut => "cut",
            Self::Abandoned => "abandoned",
        }
    }

    /// The outcome of an answer that was passed on whole.
    #[must_use]
    pub const fn answered(status: u16) -> Self {
        match status {
            200..300 => Self::Answered2xx,
            300..400 => Self::Answered3xx,
            400..500 => Self::Answered4xx,
            _ => Self::Answered5xx,
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// What is known of an exchange so far. Its drop writes it: however an exchange ends, it ends in exactly one line.
pub struct ExchangeRecord {
    /// The id the client gets too.
    pub request_id: RequestId,
    /// The listener's name.
    pub listener: Rc<str>,
    /// What the connection says of the client, for the log: an address, a uid.
    pub peer: Rc<dyn fmt::Display>,
    /// The route and its metrics, once one is chosen.
    pub route: Option<(Arc<str>, RouteMetrics)>,
    /// Who called, once authenticated.
    pub client: Option<String>,
    /// How the client was identified, once authenticated.
    pub identified_by: Option<&'static str>,
    /// What was decided; none yet is a denial.
    pub decision: Option<Decision>,
    /// The rule that decided, once one has.
    pub rule: Option<String>,
    /// The place of the audit line.
    pub audit: Audited,
    noted: Noted,
    /// Which Action, once parsed.
    pub action: Option<String>,
    /// Which key signed.
    pub key_id: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Our own error code, when the answer is ours.
    pub code: Option<&'static str>,
    /// What went wrong, with its causes; for the log only.
    pub error: Option<String>,
    /// How it ended; `Abandoned` until something else is known.
    pub outcome: Outcome,
    /// Body bytes from the client.
    pub received: usize,
    /// Body bytes to the client.
    pub returned: u64,
    /// Time to canonicalise and sign.
    pub sign: Option<Duration>,
    /// Time from the signed request to the head of the answer.
    pub first_byte: Option<Duration>,
    started: Instant,
}

impl ExchangeRecord {
    /// Begins a record.
    #[must_use]
    pub fn begin(listener: Rc<str>, peer: Rc<dyn fmt::Display>) -> Self {
        Self {
            request_id: RequestId::random(),
            listener,
            peer,
            route: None,
            client: None,
            identified_by: None,
            rule: None,
            decision: None,
            audit: Audited::Unwritten,
            noted: Noted::default(),
            action: None,
            key_id: None,
            status: None,
            code: None,
            error: None,
            outcome: Outcome::Abandoned,
            received: 0,
            returned: 0,
            sign: None,
            first_byte: None,
            started: Instant::now(),
        }
    }

    /// Whether the exchange may go on, as far as the audit is concerned.
    ///
    /// # Errors
    /// There is no place for its line, and none may go without.
    pub fn audited(&self) -> Result<(), AuditUnavailable> {
        match self.audit {
            Audited::Unwritten | Audited::Place(_) => Ok(()),
            Audited::Refused => Err(AuditUnavailable),
        }
    }

    /// Notes the parameters of a form for the audit, and the values of those in `wanted`.
    pub fn note<'p>(&mut self, parameters: impl Iterator<Item = (&'p str, &'p str)>, wanted: &[String]) {
        match self.audit {
            Audited::Place(_) => self.noted = Noted::form(parameters, wanted),
            Audited::Unwritten | Audited::Refused => {}
        }
    }

    /// Hands the audit line on, once: before the answer is passed on, which may then still break off (the log tells).
    pub fn write_audit(&mut self, outcome: Outcome) {
        let Audited::Place(place) = std::mem::replace(&mut self.audit, Audited::Unwritten) else { return };
        place.write(&Entry {
            request_id: self.request_id.to_string(),
            listener: &self.listener,
            client: self.client.as_deref(),
            identified_by: self.identified_by,
            route: self.route.as_ref().map(|(name, _)| &**name),
            action: self.action.as_deref(),
            key_id: self.key_id.as_deref(),
            rule: self.rule.as_deref(),
            decision: self.decision.unwrap_or(Decision::Deny),
            outcome,
            status: self.status,
            noted: &self.noted,
        });
    }

    fn count(&self) {
        let Some((_, metrics)) = &self.route else { return };
        metrics.count(self.action.as_deref(), self.outcome);
        metrics.received.inc_by(u64::try_from(self.received).unwrap_or(u64::MAX));
        metrics.returned.inc_by(self.returned);
        if let Some(sign) = self.sign {
            metrics.sign.observe(sign.as_secs_f64());
        }
        if let Some(first_byte) = self.first_byte {
            metrics.first_byte.observe(first_byte.as_secs_f64());
        }
    }

    fn log(&self) {
        tracing::info!(
            target: "countersign::exchange",
            request_id = %self.request_id,
            listener = &*self.listener,
            peer = %self.peer,
            route = self.route.as_ref().map(|(name, _)| &**name),
            client = self.client.as_deref(),
            identified_by = self.identified_by,
            action = self.route.as_ref().zip(self.action.as_deref()).map(|((_, route), name)| route.shown_action(name)),
            decision = self.decision.map(Decision::as_str),
            rule = self.rule.as_deref(),
            key_id = self.key_id.as_deref(),
            status = self.status,
            outcome = self.outcome.as_str(),
            code = self.code,
            error = self.error.as_deref(),
            bytes_in = self.received,
            bytes_out = self.returned,
            sign_us = self.sign.map(micros),
            first_byte_us = self.first_byte.map(micros),
            total_us = micros(self.started.elapsed()),
            "exchange"
        );
    }
}

/// An error and its causes, in one line.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let shown = error.to_string();
        // transparent errors repeat their source's words
        if !text.ends_with(&shown) {
            text.push_str(": ");
            text.push_str(&shown);
        }
        cause = error.source();
    }
    text
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for ExchangeRecord {
    fn drop(&mut self) {
        // of an exchange that has no answer: the client left
        self.write_audit(self.outcome);
        self.count();
        self.log();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_an_outcome_is_its_place_in_the_list() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), index);
        }
    }
}
