//! `[admin]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::grammar::{address, route_choice};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, flag};
use crate::config::settings::{Admin, AdminAddress, StatusPage};
use crate::config::tables::listener::{NOT_A_SOCKET_OF_OURS, SOCKET_MODE, group, permissions};
use crate::config::tables::only_v6;
use crate::downstream::TcpSocket;
use crate::downstream::unix_socket::UnixSocket;

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8022);

/// Reads `[admin]`, which is left out by default.
pub(crate) fn read_if_there(root: &mut Table<'_>) -> Option<Option<Admin>> {
    let there = root.has("admin");
    let table = root.section("admin");
    if there { read(table).map(Some) } else { Some(None) }
}

fn read(mut table: Table<'_>) -> Option<Admin> {
    let addresses = addresses(&mut table);
    let mode = table.get("mode", SOCKET_MODE, permissions);
    let group = table.get("group", None, |given| group(given).map(Some));
    let hosts = table.list("hosts", Vec::new(), route_choice::host);
    let everybody =
        |given: &Given<'_>| flag(given).map(|on| if on { StatusPage::Everybody } else { StatusPage::Nobody });
    let status = table.get("status", StatusPage::ThisHost, everybody);
    let addresses = addresses?;
    if !addresses.iter().any(|address| matches!(address, AdminAddress::Unix(_))) {
        for key in ["mode", "group"].into_iter().filter(|key| table.has(key)) {
            table.fault(key, NOT_A_SOCKET_OF_OURS);
        }
    }
    let sockets = addresses.iter().filter_map(|address| match address {
        AdminAddress::Tcp(socket) => Some(*socket),
        AdminAddress::Unix(_) => None,
    });
    let families = only_v6::read(&mut table, sockets);
    table.finish();
    let (mode, group, families) = (mode?, group?, families?);
    let complete = |address| match address {
        AdminAddress::Unix(UnixSocket { path, .. }) => {
            AdminAddress::Unix(UnixSocket { path, mode, group: group.clone() })
        }
        AdminAddress::Tcp(socket) => AdminAddress::Tcp(only_v6::with(families, socket)),
    };
    Some(Admin { addresses: addresses.into_iter().map(complete).collect(), hosts: hosts?, status: status? })
}

/// `address`, or the default.
pub(crate) fn addresses(table: &mut Table<'_>) -> Option<Vec<AdminAddress>> {
    let given = table.several("address", address::admin)?;
    Some(if given.is_empty() { vec![AdminAddress::Tcp(TcpSocket::at(ADDRESS))] } else { given })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};
    use crate::downstream::Families;
    use crate::downstream::unix_socket::Group;

    fn admin(lines: &str) -> Admin {
        settings(&format!("{LEAST}[admin]\n{lines}")).admin.unwrap()
    }

    fn shown(admin: &Admin) -> Vec<String> {
        admin.addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn admin_is_there_only_when_its_table_is() {
        assert_eq!(settings(LEAST).admin, None);
        let status = StatusPage::ThisHost;
        let addresses = vec![AdminAddress::Tcp(TcpSocket::at(ADDRESS))];
        assert_eq!(admin(""), Admin { addresses, hosts: Vec::new(), status });
    }

    #[test]
    fn the_status_page_is_for_this_host_unless_a_line_says_otherwise() {
        assert_eq!(admin("address = \"0.0.0.0:1\"").status, StatusPage::ThisHost);
        assert_eq!(admin("status = false").status, StatusPage::Nobody);
        assert_eq!(admin("status = true").status, StatusPage::Everybody);
    }

    #[test]
    fn admin_may_listen_anywhere_and_at_several_places() {
        assert_eq!(shown(&admin("address = \"0.0.0.0:8022\"")), ["0.0.0.0:8022"]);
        let several = admin("address = [\"127.0.0.1:8022\", \"[::1]:8022\", \"unix:/run/a/admin\"]");
        assert_eq!(shown(&several), ["127.0.0.1:8022", "[::1]:8022", "unix:/run/a/admin"]);
        let variable = [("COUNTERSIGN__ADMIN__ADDRESS", "127.0.0.1:1, unix:/run/admin")];
        assert_eq!(shown(&parse_with(LEAST, &variable).unwrap().admin.unwrap()), ["127.0.0.1:1", "unix:/run/admin"]);
    }

    #[test]
    fn every_ipv6_address_serves_ipv4_too_where_only_v6_is_false() {
        let families = |lines: &str| match admin(lines).addresses[0] {
            AdminAddress::Tcp(socket) => socket.families,
            AdminAddress::Unix(_) => panic!("{lines}"),
        };
        assert_eq!(families("address = \"[::]:8022\""), Families::Own);
        assert_eq!(families("address = \"[::]:8022\"\nonly_v6 = true"), Families::Own);
        assert_eq!(families("address = \"[::]:8022\"\nonly_v6 = false"), Families::Both);
        let found = faults(&format!("{LEAST}[admin]\nonly_v6 = false"));
        assert!(found.len() == 1 && found[0].contains("admin.only_v6: is for `[::]`"), "{found:?}");
        let listener =
            LEAST.replacen("any_local", "address = \"0.0.0.0:8022\"\ndanger_beyond_loopback = true\nany_local", 1);
        let found = faults(&format!("{listener}[admin]\naddress = \"[::]:8022\"\nonly_v6 = false"));
        assert!(found.len() == 1 && found[0].contains("overlap"), "{found:?}");
    }

    #[test]
    fn its_unix_sockets_have_a_mode_and_a_group() {
        let socket = |lines: &str| match admin(lines).addresses.remove(0) {
            AdminAddress::Unix(socket) => (socket.mode, socket.group),
            tcp @ AdminAddress::Tcp(_) => panic!("{tcp}"),
        };
        assert_eq!(socket("address = \"unix:/run/admin\""), (0o660, None));
        let expected = (0o666, Some(Group::Name("monitoring".to_owned())));
        assert_eq!(socket("address = \"unix:/run/admin\"\nmode = \"0666\"\ngroup = \"monitoring\""), expected);
        let found = faults(&format!("{LEAST}[admin]\nmode = \"0666\""));
        assert!(found.len() == 1 && found[0].contains("admin.mode: is for Unix sockets"), "{found:?}");
    }

    #[test]
    fn what_cannot_be_an_address_or_a_host_is_refused() {
        for (line, why) in [
            ("address = []", "is an empty list"),
            ("address = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "stands in the list twice"),
            ("address = \"systemd:admin\"", "cannot serve health and metrics"),
            ("address = [\"localhost:1\"]", "is a name"),
            ("address = \"unix:relative\"", "is not a Unix socket"),
            ("hosts = [\"*.internal\"]", "is a pattern"),
        ] {
            let found = faults(&format!("{LEAST}[admin]\n{line}"));
            assert!(found.len() == 1 && found[0].contains(why), "{line}: {found:?}");
        }
    }
}
