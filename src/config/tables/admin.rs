//! `[admin]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::grammar::address;
use crate::config::reading::table::Table;
use crate::config::settings::Admin;

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8022);

/// Reads `[admin]`.
pub(crate) fn read(mut table: Table<'_>) -> Option<Admin> {
    let address = table.get("address", ADMIN, address::socket);
    table.finish();
    Some(Admin { address: address? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, settings};

    #[test]
    fn admin_is_there_only_when_its_table_is() {
        assert_eq!(settings(LEAST).admin, None);
        assert_eq!(settings(&format!("{LEAST}[admin]")).admin, Some(Admin { address: ADMIN }));
    }

    #[test]
    fn admin_may_listen_anywhere() {
        let read = settings(&format!("{LEAST}[admin]\naddress = \"0.0.0.0:8022\""));
        assert_eq!(read.admin.unwrap().address.to_string(), "0.0.0.0:8022");
    }
}
