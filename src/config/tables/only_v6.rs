//! `only_v6`, of listeners and of `[admin]`.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::reading::table::Table;
use crate::config::reading::value::flag;
use crate::downstream::{Families, TcpSocket};

/// Reads which address families the sockets at `[::]` serve. `sockets` are the TCP sockets of the table.
pub(crate) fn read(table: &mut Table<'_>, sockets: impl IntoIterator<Item = TcpSocket>) -> Option<Families> {
    let only_v6 = table.get("only_v6", true, flag);
    if table.has("only_v6") && !sockets.into_iter().any(is_every_v6) {
        table.fault("only_v6", "is for `[::]`, which stands for all addresses of this host: remove it");
    }
    Some(if only_v6? { Families::Own } else { Families::Both })
}

/// The socket with these families, if it is one at `[::]`: no other can serve IPv4 too.
pub(crate) fn with(families: Families, socket: TcpSocket) -> TcpSocket {
    if is_every_v6(socket) { TcpSocket { families, ..socket } } else { socket }
}

fn is_every_v6(socket: TcpSocket) -> bool {
    socket.address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}
