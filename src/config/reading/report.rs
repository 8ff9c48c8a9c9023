//! The report: every fault that is found while a configuration is read.

use std::cell::{OnceCell, RefCell};

use crate::config::error::{Fault, Place};
use crate::config::settings::{ConfDGrant, Name};
use crate::config::tree::Tree;
use crate::config::tree::key_path::KeyPath;
use crate::config::tree::node::Entry;

/// Faults found so far, and the tree that they are located in.
#[derive(Debug)]
pub(crate) struct Report<'t> {
    pub(crate) tree: &'t Tree,
    faults: RefCell<Vec<Fault>>,
    asked: RefCell<Vec<KeyPath>>,
    grants: OnceCell<Vec<ConfDGrant>>,
}

impl<'t> Report<'t> {
    /// A report that begins with the faults given.
    pub(crate) fn new(tree: &'t Tree, faults: Vec<Fault>) -> Self {
        Self { tree, faults: RefCell::new(faults), asked: RefCell::default(), grants: OnceCell::new() }
    }

    /// A fault in the value of a key.
    pub(crate) fn value(&self, path: &KeyPath, message: impl Into<String>) {
        self.push(self.tree.place_of(path), path, message.into());
    }

    /// A key that is required and absent.
    pub(crate) fn missing(&self, path: &KeyPath, why: &str) {
        let place = self.tree.place_of(path);
        let hint =
            if *place == Place::Environment { format!(" (variable {})", path.variable()) } else { String::new() };
        self.push(place, path, format!("missing{hint}: {why}"));
    }

    /// A key that is not known, at every place where it is given.
    pub(crate) fn unknown(&self, path: &KeyPath, entry: &Entry, message: &str) {
        for place in entry.places() {
            self.push(place, path, message.to_owned());
        }
    }

    fn push(&self, place: &Place, path: &KeyPath, message: String) {
        self.faults.borrow_mut().push(Fault { place: place.clone(), path: path.to_string(), message });
    }

    /// A reader has asked for a key, whether it is there or not.
    pub(crate) fn ask(&self, path: KeyPath) {
        self.asked.borrow_mut().push(path);
    }

    /// What files of `conf.d/` may use, which is known before their tables are read.
    pub(crate) fn grant(&self, grants: Vec<ConfDGrant>) -> &[ConfDGrant] {
        self.grants.get_or_init(|| grants)
    }

    /// What the file of `conf.d/` may use in which a table stands; `None` for a table of the main file.
    pub(crate) fn grant_of(&self, table: &KeyPath) -> Option<(&Name, Option<&ConfDGrant>)> {
        let part = self.tree.part_of(table)?;
        let grants = self.grants.get().map(Vec::as_slice).unwrap_or_default();
        Some((&part.name, grants.iter().find(|grant| grant.name == part.name)))
    }

    /// The faults, and every key that a reader has asked for: these are the keys that there are.
    pub(crate) fn into_parts(self) -> (Vec<Fault>, Vec<KeyPath>) {
        (self.faults.into_inner(), self.asked.into_inner())
    }
}
