//! The Landlock rules: which files may be opened and which ports may be used.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::{Confinement, Enforcement, Spawn, UnixSockets, UnixStreams};

/// The newest version of Landlock that is used, of Linux 6.15. Newer kernels can restrict more (Unix sockets with a
/// path since 7.1, UDP since 7.2). Those restrictions are untested: they would concern the sockets of the service
/// manager and the journal, and name servers.
const NEWEST: ABI = ABI::V7;

/// Restricts the calling thread as far as the kernel supports it.
pub(super) fn apply(confinement: &Confinement) -> Result<Enforcement, RulesetError> {
    let Confinement {
        read,
        list,
        write,
        remove,
        connect,
        bind,
        netlink: _,
        udp: _,
        unix_sockets,
        unix_streams: UnixStreams::Deny | UnixStreams::ToPaths,
        spawn,
    } = confinement;
    let scopes = match unix_sockets {
        UnixSockets::Deny | UnixSockets::ToPaths => Scope::Signal | Scope::AbstractUnixSocket,
        UnixSockets::ToAnyAddress => Scope::Signal.into(),
    };
    let port_rules = |ports: &[u16], access: AccessNet| -> Vec<Result<NetPort, RulesetError>> {
        ports.iter().map(|port| Ok(NetPort::new(*port, access))).collect()
    };
    let status = Ruleset::default()
        .handle_access(handled(*spawn))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes)?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(list, AccessFs::ReadDir))?
        // without the rights to truncate and to remove, so that what was written stays
        .add_rules(path_beneath_rules(write, AccessFs::WriteFile | AccessFs::MakeReg))?
        .add_rules(path_beneath_rules(remove, AccessFs::RemoveFile))?
        .add_rules(port_rules(connect, AccessNet::ConnectTcp))?
        .add_rules(port_rules(bind, AccessNet::BindTcp))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforcement::Fully,
        RulesetStatus::PartiallyEnforced => Enforcement::Partially(missing(status.landlock)),
        RulesetStatus::NotEnforced => Enforcement::NotSupported(missing(status.landlock)),
    })
}

/// The rights that are refused unless a rule grants them.
fn handled(spawn: Spawn) -> BitFlags<AccessFs> {
    let all = AccessFs::from_all(NEWEST);
    match spawn {
        Spawn::Deny => all,
        Spawn::Allow => all & !AccessFs::Execute,
    }
}

/// Why the running kernel does not support everything.
fn missing(status: LandlockStatus) -> String {
    match status {
        LandlockStatus::NotEnabled => {
            "Landlock is disabled in this kernel: add it to lsm= on the kernel's command line".to_owned()
        }
        LandlockStatus::NotImplemented => {
            "the kernel is older than 5.13 or built without Landlock, or a sandbox around this process blocks it"
                .to_owned()
        }
        LandlockStatus::Available { effective_abi, .. } if effective_abi < ABI::V4 => {
            format!(
                "Landlock version {effective_abi} restricts files only; ports need Linux 6.7, signals and abstract \
                 sockets 6.12"
            )
        }
        LandlockStatus::Available { effective_abi, .. } => {
            format!(
                "Landlock version {effective_abi} restricts files and ports; signals and abstract sockets need \
                 Linux 6.12"
            )
        }
    }
}
