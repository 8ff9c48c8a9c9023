//! `[client.NAME]`, as the program uses it.

use std::time::Duration;

use super::name::Name;
use crate::authorize::{Identifiers, Mode, RouteActionPattern, Rule};

/// One `[client.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The table's name; it appears in logs and in the audit.
    pub name: Name,
    /// The file of `conf.d/` that the table is in; `None`: the main file, or variables.
    pub tenant: Option<Name>,
    /// What identifies it: one thing at least, and none that identifies another client too.
    pub identifiers: Identifiers,
    /// `mode`.
    pub mode: Mode,
    /// `rate` and `burst`: without them, no limit.
    pub rate: Option<Rate>,
    /// `quota`: calls in a day of UTC; without it, no limit.
    pub quota: Option<u64>,
    /// `share`: how much of each limit it may take; without it, half where other clients may call too, else all.
    pub share: Option<Share>,
    /// `allow`: calls that are allowed unless something denies them.
    pub allow: Vec<RouteActionPattern>,
    /// `deny`: calls that are denied whatever else is said.
    pub deny: Vec<RouteActionPattern>,
    /// `[[client.NAME.rule]]`: rules with conditions.
    pub rules: Vec<Rule>,
}

/// `rate` and `burst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in each period.
    pub calls: u32,
    /// A second or a minute.
    pub period: Duration,
    /// `burst`: calls that may come at once after a quiet time.
    pub burst: u32,
}

/// `share`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// A part of each limit, 1 to 100 percent.
    Percent(u8),
    /// This many exchanges of each route and connections of each listener. The share of memory for forms is the default
    /// one.
    Places(usize),
}
