//! Reading a request's body: capped before and while it arrives, and never for longer than its deadline.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use thiserror::Error;
use tokio::time::timeout;

use super::pace::TooSlow;
use super::request_body::{BrokenBody, RequestBody};
use crate::downstream::budget::{ByteBudget, Held, NoMemory};

/// How large a body may be and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The most bytes, not counting the transfer coding.
    pub bytes: usize,
    /// From the first to the last byte.
    pub deadline: Duration,
}

/// Why a body was not read. Whatever the reason, the rest of it is still on the wire: the connection must be closed.
#[derive(Debug, Error)]
pub enum BodyError {
    /// Announced or sent more than allowed.
    #[error("the body is larger than {limit} bytes, which is `limits.body` of the route")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Not complete in time.
    #[error(
        "the body did not arrive within {} seconds, which is `limits.body_timeout` of the listener",
        .deadline.as_secs()
    )]
    TooSlow {
        /// The limit.
        deadline: Duration,
    },
    /// Slower than the listener's minimum rate.
    #[error("the body came {0}")]
    BelowMinimum(TooSlow),
    /// Other requests hold too much memory.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// The client left, or closed its sending side, before the end.
    #[error("the body broke off")]
    Cut(#[source] BrokenBody),
    /// Its chunks are framed wrongly, or exceed a limit.
    #[error("the body is framed wrongly")]
    Broken(#[source] BrokenBody),
}

/// Reads the whole body, and holds budget for as much of it as has arrived. Nothing is reserved for an announced
/// length: a client that announces much and sends little would take memory from others for the price of a header
/// field.
///
/// # Errors
/// See [`BodyError`]. An announced length over the limit is refused before a byte is read, and a chunk that announces
/// more than the limit leaves for it before its data is awaited. One that the budget could
/// never hold is refused as soon as what has arrived exceeds the budget.
pub async fn read(body: RequestBody, limits: BodyLimits, budget: &ByteBudget) -> Result<(Bytes, Held<'_>), BodyError> {
    let too_large = || BodyError::TooLarge { limit: limits.bytes };
    let announced = usize::try_from(body.size_hint().lower()).map_err(|_| too_large())?;
    if announced > limits.bytes {
        return Err(too_large());
    }
    let mut held = budget.hold();
    let read = {
        let mut whole = pin!(collect(body, limits.bytes, &mut held));
        match poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await {
            // as nearly always, it arrived with its head: no timer is needed
            Poll::Ready(read) => Ok(read),
            Poll::Pending => timeout(limits.deadline, whole).await,
        }
    };
    match read {
        Ok(Ok(Some(bytes))) => Ok((bytes, held)),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(BodyError::TooSlow { deadline: limits.deadline }),
    }
}

/// `None` when there is more than `limit`. A form that arrives in one piece, as nearly all do, is not copied.
async fn collect(mut body: RequestBody, limit: usize, held: &mut Held<'_>) -> Result<Option<Bytes>, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let come = first.len().saturating_add(rest.len());
        let frame = match next_frame(&mut body, come, limit, held).await? {
            Next::Frame(frame) => frame,
            Next::End => break,
            Next::TooLarge => return Ok(None),
        };
        let Ok(data) = frame.map_err(broken_off)?.into_data() else { continue }; // trailers mean nothing to a form
        let length = come.saturating_add(data.len());
        if length > limit {
            return Ok(None);
        }
        held.at_least(length)?;
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(Some(first));
    }
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(rest.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(Some(whole.freeze()))
}

/// What comes next of a body.
enum Next {
    Frame(Result<Frame<Bytes>, BrokenBody>),
    End,
    /// A chunk announces more than the limit leaves for it.
    TooLarge,
}

/// What comes next of a body of which `come` bytes have arrived. While it is awaited, the bytes of it that have arrived
/// count as held.
async fn next_frame(body: &mut RequestBody, come: usize, limit: usize, held: &mut Held<'_>) -> Result<Next, NoMemory> {
    poll_fn(|cx| {
        let frame = Pin::new(&mut *body).poll_frame(cx);
        match frame {
            Poll::Ready(Some(frame)) => Poll::Ready(Ok(Next::Frame(frame))),
            Poll::Ready(None) => Poll::Ready(Ok(Next::End)),
            Poll::Pending if announces_more(body, limit.saturating_sub(come)) => Poll::Ready(Ok(Next::TooLarge)),
            Poll::Pending => match held.at_least(come.saturating_add(body.arrived())) {
                Ok(()) => Poll::Pending,
                Err(full) => Poll::Ready(Err(full)),
            },
        }
    })
    .await
}

/// Whether more bytes are announced than these. A chunk says how long it is before it comes.
fn announces_more(body: &RequestBody, left: usize) -> bool {
    usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > left)
}

fn broken_off(error: BrokenBody) -> BodyError {
    match error {
        BrokenBody::Framing(_) => BodyError::Broken(error),
        BrokenBody::Socket(_) => BodyError::Cut(error),
        BrokenBody::Slow(slow) => BodyError::BelowMinimum(slow),
    }
}
