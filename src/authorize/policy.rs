//! The decision whether a client may call an Action. Only here is an [`Authorized`] made.

use thiserror::Error;

use super::identity::ClientIdentity;
use crate::query::QueryForm;

/// The rules of one listener and route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `any_local = true`: no client is named, every local process may call every Action.
    AnyLocal,
}

/// A form that the policy let pass. Owning it is the permission to have it signed: what the policy saw is what is sent.
#[derive(Debug)]
pub struct Authorized<'a> {
    form: QueryForm<'a>,
}

/// The policy said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this client may not call this Action")]
pub struct Denied;

impl Policy {
    /// Decides, and hands the form on only when the answer is yes.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorize<'a>(self, client: &ClientIdentity, form: QueryForm<'a>) -> Result<Authorized<'a>, Denied> {
        match (self, client) {
            (Self::AnyLocal, ClientIdentity::AnyLocal) => Ok(Authorized { form }),
        }
    }
}

impl<'a> Authorized<'a> {
    /// The form that was judged.
    #[must_use]
    pub const fn form(&self) -> &QueryForm<'a> {
        &self.form
    }
}
