//! Where the admin listener is, in a configuration whose other parts may have faults.
//!
//! A service goes on with the configuration that it has when its file is spoilt. Whoever asks the service how it is
//! must not fail for that: a container would be ended, and could not start again.

use std::path::Path;

use crate::config::error::ConfigError;
use crate::config::files::Text;
use crate::config::load::writable_configuration;
use crate::config::reading::report::Report;
use crate::config::reading::table::Table;
use crate::config::settings::AdminAddress;
use crate::config::tables::{admin, only_v6};
use crate::config::tree::variables::pick;
use crate::config::tree::{FileText, Tree};
use crate::downstream::Families;

/// The addresses in `[admin]` of the file and the `COUNTERSIGN__...` variables; `None` when there is no such table.
///
/// # Errors
/// The file cannot be read, or the addresses are not valid.
pub fn admin_addresses(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Option<Vec<AdminAddress>>, ConfigError> {
    let environment: Vec<_> = environment.into_iter().collect();
    let text = Text::read_main(file, writable_configuration(&environment))?;
    addresses(text.texts().first().copied(), environment)
}

fn addresses(
    file: Option<FileText<'_>>,
    environment: Vec<(String, String)>,
) -> Result<Option<Vec<AdminAddress>>, ConfigError> {
    let tree = Tree::of_what_can_be_read(file, pick(environment, &mut Vec::new()));
    let report = Report::new(&tree, Vec::new());
    let mut root = Table::root(&report);
    if !root.has("admin") {
        return Ok(None);
    }
    let addresses = admin::addresses(&mut root.section("admin"));
    let (faults, _) = report.into_parts();
    match addresses {
        Some(addresses) if faults.is_empty() => {
            let families = families(&tree);
            let complete = |address| match address {
                AdminAddress::Tcp(socket) => AdminAddress::Tcp(only_v6::with(families, socket)),
                AdminAddress::Unix(socket) => AdminAddress::Unix(socket),
            };
            Ok(Some(addresses.into_iter().map(complete).collect()))
        }
        Some(_) | None => Err(ConfigError::new(faults)),
    }
}

/// Which families `[::]` serves. Faults of `only_v6` hide no address: they go into a report that nobody reads.
fn families(tree: &Tree) -> Families {
    let report = Report::new(tree, Vec::new());
    only_v6::read(&mut Table::root(&report).section("admin"), []).unwrap_or(Families::Own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::LEAST;

    fn found(text: &str, variables: &[(&str, &str)]) -> String {
        let file = FileText { text, name: "f", directory: Path::new(""), part: None };
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match addresses(Some(file), variables) {
            Ok(Some(addresses)) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn the_address_is_that_of_the_table_or_of_the_variable() {
        assert_eq!(found(LEAST, &[]), "none");
        assert_eq!(found("[admin]", &[]), "127.0.0.1:8022");
        assert_eq!(found("[admin]\naddress = [\"127.0.0.1:1\", \"unix:/run/a\"]", &[]), "127.0.0.1:1 unix:/run/a");
        assert_eq!(found("[admin]\naddress = \"127.0.0.1:1\"\nonly_v6 = 1", &[]), "127.0.0.1:1");
        let variable = [("COUNTERSIGN__ADMIN__ADDRESS", "127.0.0.1:2")];
        assert_eq!(found("[admin]\naddress = \"127.0.0.1:1\"", &variable), "127.0.0.1:2");
        assert_eq!(found("", &variable), "127.0.0.1:2");
    }

    #[test]
    fn faults_elsewhere_do_not_hide_it() {
        let admin = "[admin]\naddress = \"127.0.0.1:1\"\nhsots = 1\n";
        for spoilt in [
            "[route.ie]\nendpoint = \"ftp://x\"\n",
            "[lgo]\nlevel = \n",
            "[log]\nlevel = \"info\n",
            "a = 1\na = 2\n",
            "[log]\nd = 2020-01-01\n",
            "[log\n",
        ] {
            assert_eq!(found(&format!("{admin}{spoilt}"), &[]), "127.0.0.1:1", "{spoilt}");
            assert_eq!(found(&format!("{spoilt}{admin}"), &[]), "127.0.0.1:1", "{spoilt}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_its_place() {
        assert!(found("[admin]\naddress = 8022", &[]).starts_with("refused: f:2:11: admin.address"));
        assert!(found("admin = 1", &[]).starts_with("refused: f:1:9: admin"));
    }
}
