//! Authentication and authorization, pure: evidence, clients, rules, and the proof that the policy allowed a call.
//!
//! A request is checked twice. Before its body is read, [`Callers::authenticate`] identifies the client; once its form
//! is parsed, [`Policy::authorize`] decides whether this client may have it signed. Nothing here reads a clock, a
//! socket or a file: evidence and time are arguments.

mod admission;
mod callers;
mod calls_left;
mod client;
mod comparison;
mod condition;
mod evidence;
mod identity;
mod observed_calls;
mod pattern;
mod policy;
mod quota;
mod rate;
mod route_view;
mod rule;
mod token;

pub use admission::Admission;
pub use callers::{AuthenticationError, Callers, NamesDisagree};
pub use calls_left::{CallsLeft, RateLimitFields};
pub use client::{CallTime, Client, Clients, Identifiers, Mode, TooManyCalls};
pub use comparison::{Comparison, Excess, Standing, compare};
pub use condition::{Condition, Test};
pub use evidence::{Evidence, Method};
pub use identity::ClientIdentity;
pub use observed_calls::{ObservedCalls, SuggestedCall, Suggestion};
pub use pattern::{ActionPattern, RouteActionPattern, RoutePattern, Spelling, is_safe_to_repeat};
pub use policy::{Authorized, Decision, Denied, Policy};
pub use quota::{OverQuota, Quota, until_midnight};
pub use rate::{RateLevel, RateLimit, Throttled};
pub use route_view::{RouteView, SeenRoutes};
pub use rule::{Effect, Misspelled, Rule, RuleId, RuleList, Verdict, judge};
pub use token::{TokenDigest, TokenMark, TokenName};
