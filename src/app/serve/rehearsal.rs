//! What `check` does in place of binding: it finds out whether a start could open the audit and bind every address.

use std::io;

use super::admin::addresses_of;
use super::error::StartError;
use super::occupant::{serving_tcp, serving_unix};
use super::sockets::{BindError, take_over};
use crate::config::settings::{Exposure, ListenOn, Settings};
use crate::downstream::inherited::InheritedSockets;
use crate::downstream::listener;
use crate::downstream::unix_socket::{self, UnixSocketError};
use crate::telemetry::audit::OpenedAudit;

/// What a start finds at an address, and what is no fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Circumstance {
    /// A countersign serves there already, as this process. A reload of it does not bind the address again.
    ServedAlready(u32),
    /// The service manager that hands the socket over has not started this process, so that it cannot be looked at.
    NotHandedOver,
}

/// An address with something to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rehearsed {
    /// `listener.NAME` or `admin`.
    pub(crate) table: String,
    /// The address, as it is configured.
    pub(crate) address: String,
    /// What there is to say.
    pub(crate) circumstance: Circumstance,
}

/// Takes the steps of [`super::bound::Bound::bind`], and leaves nothing behind.
///
/// # Errors
/// What a start would refuse, except an address that a running countersign serves.
pub(crate) fn rehearse(settings: &Settings) -> Result<Vec<Rehearsed>, StartError> {
    let audit = settings.audit.target.as_ref().map_or(Ok(()), OpenedAudit::check);
    let mut errors: Vec<StartError> = audit.err().map(StartError::Audit).into_iter().collect();
    let (mut rehearsed, mut inherited) = (Vec::new(), None);
    for (table, address) in addresses(settings) {
        let found = match &address {
            Address::Of(ListenOn::Inherited { name }, exposure) => hand_over(name, *exposure, &mut inherited),
            Address::Of(address, _) => at(address),
            Address::Admin(address) => at(address),
        };
        match found {
            Ok(None) => {}
            Ok(Some(circumstance)) => {
                rehearsed.push(Rehearsed { table, address: address.shown().to_string(), circumstance });
            }
            Err(source) => errors.push(StartError::Bind { table, source }),
        }
    }
    StartError::all(errors)?;
    Ok(rehearsed)
}

/// An address that a start binds.
enum Address<'s> {
    Of(&'s ListenOn, Exposure),
    Admin(ListenOn),
}

impl Address<'_> {
    const fn shown(&self) -> &ListenOn {
        match self {
            Self::Of(address, _) => address,
            Self::Admin(address) => address,
        }
    }
}

/// Every address, in the order in which a start binds them.
fn addresses(settings: &Settings) -> impl Iterator<Item = (String, Address<'_>)> {
    let listeners = settings.listeners.iter().flat_map(|listener| {
        let of = |address| (format!("listener.{}", listener.name), Address::Of(address, listener.exposure));
        listener.addresses.iter().map(of)
    });
    let admin = settings.admin.iter().flat_map(addresses_of);
    listeners.chain(admin.map(|address| ("admin".to_owned(), Address::Admin(address))))
}

fn at(address: &ListenOn) -> Result<Option<Circumstance>, BindError> {
    match address {
        ListenOn::Tcp(socket) => match listener::rehearse(*socket) {
            Ok(()) => Ok(None),
            Err(source) => {
                let in_use = source.kind() == io::ErrorKind::AddrInUse;
                let served = in_use.then(|| serving_tcp(socket.address)).flatten();
                let refused = BindError::Tcp { address: socket.address, source };
                served.map(|process| Some(Circumstance::ServedAlready(process))).ok_or(refused)
            }
        },
        ListenOn::Unix(socket) => match unix_socket::rehearse(socket) {
            Ok(()) => Ok(None),
            Err(UnixSocketError::InUse(path)) => {
                let served = serving_unix(&path).map(|process| Some(Circumstance::ServedAlready(process)));
                served.ok_or(BindError::Unix(UnixSocketError::InUse(path)))
            }
            Err(error) => Err(BindError::Unix(error)),
        },
        ListenOn::Inherited { .. } => Ok(None),
    }
}

/// A socket of the service manager is taken as a start takes it, if there is a service manager.
fn hand_over(
    name: &str,
    exposure: Exposure,
    inherited: &mut Option<InheritedSockets>,
) -> Result<Option<Circumstance>, BindError> {
    if inherited.is_none() && std::env::var_os("LISTEN_FDS").is_none() {
        return Ok(Some(Circumstance::NotHandedOver));
    }
    take_over(name, exposure, inherited).map(|_socket| None)
}
