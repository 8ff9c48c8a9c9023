//! The AWS Query protocol, pure: parameters, forms, percent encoding, error documents.
//!
//! Nothing here reads a clock, a file or a socket. Source: the "Making Query Requests" chapters of the AWS service
//! guides of 2008 to 2012, and the URL standard's `application/x-www-form-urlencoded` parser.

pub mod action;
mod decode;
pub mod document;
pub mod endpoint_error;
pub mod form;
pub mod form_error;
pub mod limits;
pub mod parameters;
pub mod percent;
pub mod reserved;
mod scan;
mod spans;

pub use action::Action;
pub use document::{ErrorDialect, ErrorDocument, ErrorType};
pub use endpoint_error::EndpointError;
pub use form::QueryForm;
pub use form_error::{FormError, ShownName};
pub use limits::FormLimits;
pub(crate) use parameters::CanonicalParameter;
pub use parameters::Parameters;
