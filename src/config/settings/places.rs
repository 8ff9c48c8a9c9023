//! Where the tables of a configuration stand, for what is said about them after it was read.

use std::collections::BTreeMap;

use crate::config::error::Place;

/// The place of each table.
#[derive(Debug, Clone)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// These places, each under the path of its table, such as `route.main`.
    #[must_use]
    pub fn new(places: BTreeMap<String, Place>) -> Self {
        Self(places)
    }

    /// The place of a key, or of the nearest table around it.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place);
            }
            (path, _) = path.rsplit_once('.')?;
        }
    }
}

/// Settings are equal when they say the same, wherever they say it.
impl PartialEq for Places {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Places {}
