//! What a configuration needs of the system once it is loaded: everything else is given up.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::app::build::shared_listener::authenticates_by;
use crate::authorize::Method;
use crate::config::settings::{Endpoint, ListenAddress, Listener, Route, Settings, TokenKeys, Transport};
use crate::confine::{AbstractSockets, Confinement, Netlink, Spawn};
use crate::credentials::WatchedKey;
use crate::telemetry::audit::Target;
use crate::upstream::tls::Roots;

/// DNS, when an answer is too long for a datagram.
pub(crate) const DNS: u16 = 53;

/// What the C library reads to resolve a name, again and again.
const RESOLVER_FILES: [&str; 6] =
    ["/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/services", "/etc/ld.so.cache"];
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where the C library finds its modules for names (`libnss_*`), which it loads when the first name is resolved.
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// More links than this are a circle.
const MOST_LINKS: usize = 40;

/// What the process needs to serve `settings`, after keys and certificates are loaded and every address is bound.
///
/// `file` is the configuration's, which is read again when it changes; `abstract_sockets` says whether the service manager
/// listens on one.
pub(crate) fn confinement(
    settings: &Settings,
    file: Option<&Path>,
    keys: &[WatchedKey],
    abstract_sockets: AbstractSockets,
) -> Confinement {
    let mut read = BTreeSet::new();
    read.extend(keys.iter().flat_map(|key| key.store.watched()).flat_map(|file| directories_of(&file)));
    read.extend(settings.listeners.iter().flat_map(refreshed_files).flat_map(directories_of));
    let user = User::current();
    read.extend(file.into_iter().chain(settings.routes.iter().filter_map(ca_file)).flat_map(|file| around(file, user)));
    let asks_for_owners = settings.listeners.iter().any(|l| authenticates_by(l, Method::LoopbackOwner));
    let mut connect: BTreeSet<u16> = endpoints(settings).map(|endpoint| endpoint.port).collect();
    if endpoints(settings).any(is_name) {
        connect.insert(DNS);
        read.extend(RESOLVER_FILES.iter().chain(&LIBRARIES).map(PathBuf::from));
        read.insert(resolv_conf(Path::new(RESOLV_CONF), user));
    }
    Confinement {
        read: read.into_iter().collect(),
        write: match &settings.audit.target {
            // the file is made anew when it was rotated
            Some(Target::File(path)) => path.parent().map(Path::to_owned).into_iter().collect(),
            Some(Target::Stdout | Target::Journald | Target::Syslog) | None => Vec::new(),
        },
        remove: socket_directories(&settings.listeners),
        connect: connect.into_iter().collect(),
        // everything is bound already
        bind: Vec::new(),
        netlink: if asks_for_owners { Netlink::Allow } else { Netlink::Deny },
        abstract_sockets,
        spawn: Spawn::Deny,
    }
}

/// The directories of our Unix sockets, which are removed at the end, as far as nothing else is in them: the right to remove
/// holds for all that is in a directory. Elsewhere (/run, /tmp) a socket stays behind, and the next start replaces it.
fn socket_directories(listeners: &[Listener]) -> Vec<PathBuf> {
    let sockets = listeners.iter().filter_map(|listener| match &listener.address {
        ListenAddress::Unix(socket) => Some(socket.path.as_path()),
        ListenAddress::Tcp(_) | ListenAddress::Inherited { .. } => None,
    });
    let sockets: BTreeSet<&Path> = sockets.collect();
    let directories: BTreeSet<&Path> = sockets.iter().filter_map(|socket| socket.parent()).collect();
    let ours = |directory: &&Path| {
        std::fs::read_dir(directory)
            .is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|entry| sockets.contains(entry.path().as_path()))))
    };
    directories.into_iter().filter(ours).map(Path::to_owned).collect()
}

/// Everything that is connected to by what the configuration says.
fn endpoints(settings: &Settings) -> impl Iterator<Item = &Endpoint> {
    let issuers = settings.listeners.iter().filter_map(|listener| match &listener.service_account.as_ref()?.keys {
        TokenKeys::File(_) => None,
        TokenKeys::Url { endpoint, .. } => Some(endpoint),
    });
    settings.routes.iter().map(|route| &route.endpoint).chain(issuers)
}

/// The files of a listener that are read again while it serves.
fn refreshed_files(listener: &Listener) -> Vec<&Path> {
    let mut files: Vec<&Path> = Vec::new();
    match listener.service_account.as_ref().map(|tokens| &tokens.keys) {
        None => {}
        Some(TokenKeys::File(path)) => files.push(path),
        Some(TokenKeys::Url { endpoint, token_file }) => {
            files.extend(token_file.as_deref());
            match &endpoint.transport {
                Transport::Tls { trust: Roots::File(path) } => files.push(path),
                Transport::Tls { trust: Roots::Platform } | Transport::Plaintext => {}
            }
        }
    }
    if let Some(tls) = &listener.tls {
        files.extend([tls.certificate.as_path(), tls.private_key.as_path()]);
        if let Some(clients) = &tls.clients {
            files.push(&clients.ca);
            files.extend(clients.revocation_lists.iter().map(PathBuf::as_path));
        }
    }
    files
}

/// The file of an endpoint's roots.
fn ca_file(route: &Route) -> Option<&Path> {
    match &route.endpoint.transport {
        Transport::Tls { trust: Roots::File(path) } => Some(path),
        Transport::Tls { trust: Roots::Platform } | Transport::Plaintext => None,
    }
}

/// The directories of a file that is no secret. In one at the top of the file system (/etc) root may read the file alone: a
/// secret might stand beside it.
fn around(file: &Path, user: User) -> BTreeSet<PathBuf> {
    let narrow = |path: PathBuf| match user {
        User::Root if path.components().count() <= 2 => file.to_owned(),
        User::Root | User::Other => path,
    };
    directories_of(file).into_iter().map(narrow).collect()
}

/// Whether a path is there for names to be resolved.
pub(crate) fn is_resolver_file(path: &Path) -> bool {
    let known = RESOLVER_FILES.iter().chain(&LIBRARIES).any(|known| Path::new(known) == path);
    known || path == resolv_conf(Path::new(RESOLV_CONF), User::current())
}

/// Whether an endpoint has to be looked up.
pub(crate) fn is_name(endpoint: &Endpoint) -> bool {
    endpoint.bare_host().parse::<IpAddr>().is_err()
}

/// The directories from which the file at `path` is read, now and after it was replaced: by a rename in its own directory, or
/// by a symlink on the way to it that is swapped.
pub(crate) fn directories_of(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut rest = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MOST_LINKS {
        found.insert(directory_or_file(&rest));
        let Some((link, target, beyond)) = first_link(&rest) else { break };
        // what stands beside the link may become its target; but /var or / are not opened because of /var/run
        if let Some(directory) = link.parent().filter(|directory| directory.components().count() > 2) {
            found.insert(directory.to_owned());
        }
        rest = link.parent().unwrap_or(&link).join(target).join(beyond);
    }
    found
}

/// A file in the root directory is opened alone: its directory is the whole system.
fn directory_or_file(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|directory| directory.parent().is_some());
    directory.unwrap_or(path).to_owned()
}

/// The first symlink on the way, its target, and what follows it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let mut before = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        match component {
            Component::ParentDir => {
                before.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => before.push(component),
            Component::CurDir => {}
        }
        if let Ok(target) = std::fs::read_link(&before) {
            return Some((before, target, components.as_path().to_owned()));
        }
    }
    None
}

/// Whose permissions a process has beyond its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    /// Every file's: the rules are all that stands before /etc/shadow.
    Root,
    /// No file's.
    Other,
}

impl User {
    fn current() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::Other }
    }
}

/// What has to be readable so that new name servers are found: the file is most often replaced by a rename, and the new one
/// is not the one a rule was made for.
fn resolv_conf(path: &Path, user: User) -> PathBuf {
    let there = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let Some(directory) = there.parent() else { return there };
    if Some(directory) != path.parent() {
        // of systemd-resolved or NetworkManager, in /run
        return directory.to_owned();
    }
    match user {
        // what anybody may read in /etc may be read; to lose DNS until the next start would be worse
        User::Other if !is_mounted(&there) => directory.to_owned(),
        User::Other | User::Root => there,
    }
}

/// Container engines mount this one file, and write to it where it is.
fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    path.parent().is_some_and(|directory| device(directory) != device(path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::credentials::{KeySlot, SealedFile};

    fn strings(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        paths.into_iter().map(|path| path.display().to_string()).collect()
    }

    fn settings(endpoint: &str) -> Settings {
        let text = format!(
            "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"{endpoint}\"\n\
             [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n"
        );
        crate::config::parse(&text, "f", []).unwrap()
    }

    fn keys() -> [WatchedKey; 1] {
        let store = SealedFile::new("/no/such/key.age".into(), "/no/such/place/id".into());
        [WatchedKey { slot: Arc::new(KeySlot::new("a")), store: Box::new(store) }]
    }

    #[test]
    fn an_endpoint_with_an_address_needs_no_resolver() {
        let confinement = confinement(&settings("https://[::1]:8443/"), None, &keys(), AbstractSockets::Deny);
        assert_eq!(strings(confinement.read), ["/no/such", "/no/such/place"]);
        assert_eq!((confinement.connect, confinement.bind), (vec![8443], vec![]));
        assert_eq!((confinement.write, confinement.spawn), (vec![], Spawn::Deny));
    }

    #[test]
    fn an_endpoint_with_a_name_needs_its_port_and_the_resolver() {
        let confinement = confinement(&settings("https://sdb.amazonaws.com/"), None, &keys(), AbstractSockets::Deny);
        assert_eq!(confinement.connect, [53, 443]);
        assert!(confinement.read.contains(&PathBuf::from("/etc/hosts")));
        assert!(!confinement.read.contains(&PathBuf::from("/")));
    }

    #[test]
    fn fetching_token_keys_needs_their_port_and_what_they_are_fetched_with() {
        let text = "[listener.a]\nauthenticate = [\"service-account\"]\n[listener.a.service_account]\n\
                    issuer = \"i\"\naudience = \"a\"\nalgorithm = \"RS256\"\n\
                    jwks_url = \"https://keys.example:6443/\"\njwks_ca_file = \"/no/such/ca/ca.crt\"\n\
                    jwks_token_file = \"/no/such/account/token\"\n\
                    [client.c]\nservice_account = \"a/b\"\n[route.a]\nendpoint = \"https://[::1]:8443/\"\n\
                    [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n";
        let settings = crate::config::parse(text, "f", []).unwrap();
        let confinement = confinement(&settings, None, &[], AbstractSockets::Deny);
        assert_eq!(confinement.connect, [53, 6443, 8443], "a name has to be resolved as well");
        for path in ["/no/such/ca", "/no/such/account", "/etc/hosts"] {
            assert!(confinement.read.contains(&PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn a_swapped_symlink_on_the_way_may_lead_to_its_neighbour() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("keys/..one")).unwrap();
        fs::write(root.join("keys/..one/key.age"), "").unwrap();
        symlink("..one", root.join("keys/..data")).unwrap();
        symlink("..data/key.age", root.join("keys/key.age")).unwrap();
        let found = strings(directories_of(&root.join("keys/key.age")));
        let expected = ["keys", "keys/..data", "keys/..one"].map(|name| root.join(name));
        assert_eq!(found, strings(expected));
    }

    #[test]
    fn a_symlink_high_up_opens_no_more_than_the_file_needs() {
        assert_eq!(strings(directories_of(Path::new("/key.age"))), ["/key.age"]);
        let found = strings(directories_of(Path::new("/proc/self/key.age")));
        assert!(!found.iter().any(|path| path == "/" || path == "/proc"), "{found:?}");
    }

    #[test]
    fn only_a_directory_of_sockets_alone_is_one_to_remove_from() {
        let directory = tempfile::tempdir().unwrap();
        let listener = |name: &str| {
            let mut listener = settings("https://[::1]/").listeners.remove(0);
            let path = directory.path().join(name);
            listener.address =
                ListenAddress::Unix(crate::downstream::unix_socket::UnixSocket { path, mode: 0o600, group: None });
            listener
        };
        let listeners = [listener("a"), listener("b")];
        for name in ["a", "b"] {
            assert_eq!(socket_directories(&listeners), [directory.path()]);
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert!(socket_directories(&listeners[..1]).is_empty(), "b is not one of its sockets");
        fs::create_dir(directory.path().join("below")).unwrap();
        assert!(socket_directories(&listeners).is_empty());
        assert!(socket_directories(&settings("https://[::1]/").listeners).is_empty());
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let directory = tempfile::tempdir().unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert!(!directories_of(&directory.path().join("a")).is_empty());
    }

    #[test]
    fn name_servers_may_change_where_permissions_still_hold() {
        let directory = tempfile::tempdir().unwrap();
        let etc = directory.path().canonicalize().unwrap();
        let (plain, link) = (etc.join("plain"), etc.join("link"));
        fs::write(&plain, "").unwrap();
        assert_eq!(resolv_conf(&plain, User::Other), etc);
        assert_eq!(resolv_conf(&plain, User::Root), plain);
        fs::create_dir(etc.join("run")).unwrap();
        fs::write(etc.join("run/stub"), "").unwrap();
        symlink("run/stub", &link).unwrap();
        for user in [User::Other, User::Root] {
            assert_eq!(resolv_conf(&link, user), etc.join("run"));
        }
    }
}
