//! What sections of several tables say: what is found at an address, and what ends soon.

use std::fmt;

use super::findings::Section;
use crate::app::expiry::Expiring;
use crate::app::serve::rehearsal::{Circumstance, Rehearsed};

/// Warns of a key or certificate of a table that has to be renewed.
pub(super) fn warn_of_expiry(section: &mut Section, table: &str, expiring: &[Expiring]) {
    for Expiring { notice, .. } in expiring.iter().filter(|expiring| expiring.table == table) {
        section.warn(notice.to_string());
    }
}

/// What there is to say about an address of a table.
pub(super) fn circumstances(section: &mut Section, table: &str, address: &impl fmt::Display, rehearsed: &[Rehearsed]) {
    let address = address.to_string();
    let about = |rehearsed: &&Rehearsed| rehearsed.table == table && rehearsed.address == address;
    for Rehearsed { circumstance, .. } in rehearsed.iter().filter(about) {
        match circumstance {
            Circumstance::ServedAlready(process) => section.detail(format!(
                "in use: the countersign that runs as process {process} serves {address}; a reload of it keeps the \
                 address, and a second one could not start"
            )),
            Circumstance::NotHandedOver => section.detail(format!(
                "not checked: the service manager hands {address} over at the start, and has not started this process"
            )),
        }
    }
}
