//! The list that faults are collected in while a configuration is read.

use std::cell::RefCell;

use crate::config::error::{Fault, Place};
use crate::config::tree::Layers;
use crate::config::tree::key_path::KeyPath;

/// Faults found so far, and the layers they are located in.
#[derive(Debug)]
pub(crate) struct Report<'l> {
    pub(crate) layers: &'l Layers,
    faults: RefCell<Vec<Fault>>,
}

impl<'l> Report<'l> {
    /// A report that begins with the faults given.
    pub(crate) fn new(layers: &'l Layers, faults: Vec<Fault>) -> Self {
        Self { layers, faults: RefCell::new(faults) }
    }

    /// A fault in the value of a key.
    pub(crate) fn value(&self, path: &KeyPath, message: impl Into<String>) {
        self.push(self.layers.place_of(path), path, message.into());
    }

    /// A key that is required and not there.
    pub(crate) fn missing(&self, path: &KeyPath, why: &str) {
        let place = self.layers.place_of(path);
        let hint = if place == Place::Environment { format!(" (variable {})", path.variable()) } else { String::new() };
        self.push(place, path, format!("missing{hint}: {why}"));
    }

    /// A key that is not known.
    pub(crate) fn unknown(&self, path: &KeyPath, message: &str) {
        for place in self.layers.places_of_key(path) {
            self.push(place, path, message.to_owned());
        }
    }

    /// A fault at a place.
    pub(crate) fn push(&self, place: Place, path: &KeyPath, message: String) {
        self.faults.borrow_mut().push(Fault { place, path: path.to_string(), message });
    }

    /// What was found.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }
}
