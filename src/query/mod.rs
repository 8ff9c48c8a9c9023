//! The AWS Query protocol, pure: parameters, forms, percent encoding, error documents.
//!
//! Nothing here reads a clock, a file or a socket. Source: the "Making Query Requests" chapters of the AWS service
//! guides of 2008 to 2012, and the URL standard's `application/x-www-form-urlencoded` parser.

mod action;
mod asked_notation;
mod blanking;
mod canonical;
mod charset;
mod decode;
pub(crate) mod document;
mod endpoint_error;
mod escaping;
pub(crate) mod folded;
mod form;
mod form_error;
mod form_place;
mod limits;
mod parameters;
pub mod percent;
pub(crate) mod reserved;
mod room;
mod scan;
mod services;
mod spans;
mod vocabulary;

pub use action::Action;
pub use blanking::blanked;
pub use charset::Charset;
pub use document::{ErrorDialect, ErrorDocument, ErrorType, Notation};
pub use endpoint_error::EndpointError;
pub use form::{QueryForm, Reader};
pub use form_error::{FormError, ShownName};
pub use form_place::FormPlace;
pub use limits::FormLimits;
pub(crate) use parameters::CanonicalParameter;
pub use parameters::Parameters;
pub use services::Service;
pub use vocabulary::Vocabulary;
