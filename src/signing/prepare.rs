//! The step from an authorized form to a request that lacks only its signature.

use super::dialect::Place;
use super::profile::Profile;
use super::stamp::Stamp;
use super::target::SigningTarget;
use super::unsealed::Unsealed;
use super::{in_form, in_head};
use crate::authorize::Authorized;
use crate::credentials::ActiveKey;

/// Writes the request that the endpoint is to receive, and what is signed of it. The endpoint's path must have passed
/// [`Profile::check_target`].
#[must_use]
pub fn prepare<S>(
    allowed: &Authorized<'_>,
    key: &ActiveKey<S>,
    target: &SigningTarget,
    profile: &Profile,
    stamp: &Stamp,
) -> Unsealed {
    match &profile.dialect.row().place {
        Place::Form(form) => in_form::prepare(form, allowed, key, target, profile, stamp),
        Place::Head(head) => in_head::prepare(head, allowed, key, target, profile, stamp),
    }
}
