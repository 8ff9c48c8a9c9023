//! The dialects that a key can sign for.

use crate::signing::Dialect;

/// The dialects of routes that a key can sign for, by their names: those that `computes` says it computes the
/// signatures of, without those that have no place for the session token, if it has one.
pub(super) fn dialects(token: Option<&impl Sized>, computes: impl Fn(Dialect) -> bool) -> Vec<&'static str> {
    let fits = |dialect: Dialect| computes(dialect) && (token.is_none() || dialect.takes_token());
    let all = Dialect::ON_ROUTES.into_iter().filter(|(_, dialect)| fits(*dialect));
    all.map(|(name, _)| name).collect()
}
