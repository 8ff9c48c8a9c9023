//! The grammar of HTTP/1.1, once for both sides of the proxy: what is read, and what is written. No socket, no runtime,
//! no clock.
//!
//! Requests are read by a strict grammar of our own ([`request_head`], line by line by `head_line`): every parser reads
//! what passes in the same way. Responses are read by httparse ([`response_head`]), since we cannot choose what
//! endpoints send. Both end where their [`framing`] says; [`chunked`] follows the chunks of either. Bytes that were
//! received and not consumed yet are in a [`receive_buffer`]. Written here are the head of a response to a client
//! ([`outgoing_response`]) and the head of a request to an endpoint ([`request_template`]); [`tunnel`] is CONNECT, for
//! a proxy on the way to one. [`trace_context`] reads to which trace a request belongs.

pub mod chunked;
pub mod fields;
pub mod framing;
mod grammar;
pub(crate) mod head_fault;
mod head_line;
pub mod host;
pub mod outgoing_response;
pub mod persistence;
pub mod receive_buffer;
pub mod request_head;
pub mod request_template;
pub mod response_head;
pub mod trace_context;
pub mod tunnel;

pub use chunked::{BadChunk, ChunkedDecoder, Step};
pub use fields::{FieldSpan, Fields, NameSet, same_name};
pub use framing::Framing;
pub use head_fault::HeadFault;
pub use host::without_port;
pub use outgoing_response::ResponseFraming;
pub use persistence::{Persistence, Version};
pub use receive_buffer::ReceiveBuffer;
pub use request_head::{ReceivedRequest, RequestHead, RequestHeadReader};
pub use request_template::{FORM_TYPE, RequestTemplate};
pub use response_head::{BadResponse, ResponseHead, ResponseHeadReader};

/// Pieces up to this size, in bytes, are copied: that costs less than sharing them or writing them from their place.
pub(crate) const MOST_COPIED: usize = 4 * 1024;
