//! `[conf_d.NAME]`: what `conf.d/NAME.toml` may use.

use crate::config::cross_checks::reference;
use crate::config::grammar::{identity_pattern, route_choice};
use crate::config::reading::table::Table;
use crate::config::reading::value::name;
use crate::config::settings::{ConfDGrant, Name};

/// Reads a grant; `routes` and `keys` are the names of all routes and keys.
pub(crate) fn read(called: Option<Name>, mut table: Table<'_>, routes: &[Name], keys: &[Name]) -> Option<ConfDGrant> {
    let granted_keys = table.list("keys", Vec::new(), |text| reference(name(text)?, keys, "key"));
    let hosts = table.list("hosts", Vec::new(), route_choice::host);
    let granted_routes = table.list("routes", Vec::new(), |text| reference(name(text)?, routes, "route"));
    let identities = table.list("identities", Vec::new(), identity_pattern::identity);
    let identities = identities.map(|listed| table.has("identities").then_some(listed));
    let files = table.files("files");
    table.finish();
    Some(ConfDGrant {
        name: called?,
        keys: granted_keys?,
        hosts: hosts?,
        routes: granted_routes?,
        identities: identities?,
        files: files?,
    })
}
