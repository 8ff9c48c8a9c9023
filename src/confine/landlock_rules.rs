//! Which files may be opened and which ports used: the rules given to Landlock.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::{AbstractSockets, Confinement, Enforcement, Spawn};

/// The newest version whose rights are asked for, of Linux 6.15. A newer kernel could refuse more (sockets with a path since
/// 7.1, UDP since 7.2), and would then refuse what nobody tested: the service manager's socket, the journal's, name servers.
const NEWEST: ABI = ABI::V7;

/// Restricts the calling thread as far as the kernel knows how to.
pub(super) fn apply(confinement: &Confinement) -> Result<Enforcement, RulesetError> {
    let Confinement { read, write, remove, connect, bind, netlink: _, abstract_sockets, spawn } = confinement;
    let scopes = match abstract_sockets {
        AbstractSockets::Deny => Scope::Signal | Scope::AbstractUnixSocket,
        AbstractSockets::Allow => Scope::Signal.into(),
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
        // no right to truncate or remove: what was written stays
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

/// Every right that is refused where no rule grants it.
fn handled(spawn: Spawn) -> BitFlags<AccessFs> {
    let all = AccessFs::from_all(NEWEST);
    match spawn {
        Spawn::Deny => all,
        Spawn::Allow => all & !AccessFs::Execute,
    }
}

/// What the running kernel cannot do, in words.
fn missing(status: LandlockStatus) -> String {
    match status {
        LandlockStatus::NotEnabled => "this kernel was started without it: see lsm= on its command line".to_owned(),
        LandlockStatus::NotImplemented => {
            "the kernel is older than 5.13 or built without it, or a sandbox around us forbids its system calls"
                .to_owned()
        }
        LandlockStatus::Available { effective_abi, .. } if effective_abi < ABI::V4 => {
            format!("version {effective_abi}: files only; ports need Linux 6.7, signals and abstract sockets 6.12")
        }
        LandlockStatus::Available { effective_abi, .. } => {
            format!("version {effective_abi}: files and ports; signals and abstract sockets need Linux 6.12")
        }
    }
}
