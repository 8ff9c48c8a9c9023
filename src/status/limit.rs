//! A limit, and how much of it is used.

use serde::{Deserialize, Serialize};

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What raises it, a setting as a rule: `process.bodies`, `route.NAME.limits.in_flight`.
    pub setting: String,
    /// What it limits, for people: `requests in progress`.
    pub what: String,
    /// What is counted.
    pub unit: Unit,
    /// How much is used now.
    pub used: u64,
    /// How much may be.
    pub limit: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Pieces.
    Count,
    /// Bytes.
    Bytes,
}
