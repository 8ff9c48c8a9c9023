//! The rights that a configuration needs once it is loaded: the process gives up all others.

pub(crate) mod audit_neighbours;
pub(crate) mod kept_access;
pub(crate) mod loose_sockets;
pub(crate) mod paths;
pub(crate) mod resolver;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::paths::{User, directories_of, directories_of_public};
use self::resolver::files_for_names;
use crate::authorize::Method;
use crate::config;
use crate::config::settings::{
    AdminAddress, Export, ListenOn, Listener, Route, RouteEndpoint, Settings, TokenKeys, Transport,
};
use crate::confine::{Confinement, Netlink, Spawn, Udp, UnixSockets, UnixStreams};
use crate::credentials::WatchedKey;
use crate::telemetry::audit::Target;
use crate::trust::Roots;
use crate::upstream::NextHop;

/// The TCP port of DNS, for responses that are too long for a datagram.
pub(crate) const DNS: u16 = 53;

/// What the process needs to serve `settings`, after keys and certificates are loaded and every address is bound.
///
/// `file` is the configuration file, which is read again when it changes; `service_manager` says where the service
/// manager listens.
pub(crate) fn confinement(
    settings: &Settings,
    file: Option<&Path>,
    keys: &[WatchedKey],
    service_manager: UnixSockets,
) -> Confinement {
    let mut read = BTreeSet::new();
    read.extend(keys.iter().flat_map(|key| key.store.watched()).flat_map(|file| directories_of(&file)));
    read.extend(settings.listeners.iter().flat_map(refreshed_files).flat_map(directories_of));
    read.extend(endpoints(settings).flat_map(identity_files).flat_map(directories_of));
    read.extend(collector_files(settings).chain(store_files(settings)).flat_map(directories_of));
    let user = User::current();
    read.extend(endpoints(settings).filter_map(proxy_credentials).flat_map(directories_of));
    let public_files = endpoints(settings).flat_map(ca_files).map(Path::to_owned).chain(configuration_files(file));
    read.extend(public_files.flat_map(|file| directories_of_public(&file, user)));
    let asks_for_owners = settings.listeners.iter().any(|l| l.callers.accepts(Method::LoopbackOwner));
    let mut udp = Udp::Deny;
    let mut connect: BTreeSet<u16> = next_hops(settings).filter_map(NextHop::port).collect();
    if next_hops(settings).any(NextHop::is_name) {
        connect.insert(DNS);
        udp = Udp::Allow;
        read.extend(files_for_names(user));
    }
    Confinement {
        read: read.into_iter().collect(),
        list: listed_directories(file, user),
        write: match &settings.audit.target {
            // the file is made anew when it was rotated
            Some(Target::File(path)) => path.parent().map(Path::to_owned).into_iter().collect(),
            Some(Target::Stdout | Target::Journald | Target::Syslog) | None => Vec::new(),
        },
        remove: socket_directories(settings.listeners.iter().flat_map(sockets_of).chain(admin_sockets(settings))),
        connect: connect.into_iter().collect(),
        // everything is bound already
        bind: Vec::new(),
        netlink: if asks_for_owners { Netlink::Allow } else { Netlink::Deny },
        udp,
        unix_sockets: service_manager.max(sockets_of_audit(settings)),
        unix_streams: streams_to(next_hops(settings)),
        spawn: Spawn::Deny,
    }
}

/// Daemons that write the audit listen on sockets with a path, and may be started anew.
const fn sockets_of_audit(settings: &Settings) -> UnixSockets {
    match settings.audit.target {
        Some(Target::Journald | Target::Syslog) => UnixSockets::ToPaths,
        Some(Target::File(_) | Target::Stdout) | None => UnixSockets::Deny,
    }
}

/// The directories that contain only Unix sockets of ours, which are removed at the end. The right to remove files
/// holds for a whole directory, so a socket in a shared one (/run, /tmp) stays behind, and the next start replaces it.
fn socket_directories<'s>(sockets: impl Iterator<Item = &'s Path>) -> Vec<PathBuf> {
    let sockets: BTreeSet<&Path> = sockets.collect();
    let directories: BTreeSet<&Path> = sockets.iter().filter_map(|socket| socket.parent()).collect();
    let ours = |directory: &&Path| {
        std::fs::read_dir(directory)
            .is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|entry| sockets.contains(entry.path().as_path()))))
    };
    directories.into_iter().filter(ours).map(Path::to_owned).collect()
}

fn sockets_of(listener: &Listener) -> impl Iterator<Item = &Path> {
    listener.addresses.iter().filter_map(|address| match address {
        ListenOn::Unix(socket) => Some(socket.path.as_path()),
        ListenOn::Tcp(_) | ListenOn::Inherited { .. } => None,
    })
}

fn admin_sockets(settings: &Settings) -> impl Iterator<Item = &Path> {
    settings.admin.iter().flat_map(|admin| &admin.addresses).filter_map(|address| match address {
        AdminAddress::Unix(socket) => Some(socket.path.as_path()),
        AdminAddress::Tcp(_) => None,
    })
}

/// Everything that the configuration has us connect to.
fn next_hops(settings: &Settings) -> impl Iterator<Item = &NextHop> {
    let issuers = settings.listeners.iter().filter_map(|listener| match &listener.service_account.as_ref()?.keys {
        TokenKeys::File(_) => None,
        TokenKeys::Url { endpoint, .. } => Some(endpoint),
    });
    let collector = export(settings).map(|export| &export.collector);
    let store = settings.rates.as_ref().map(|rates| &rates.endpoint);
    let servers = issuers.chain(collector).chain(store);
    let endpoints = endpoints(settings).map(|endpoint| endpoint.endpoint).chain(servers);
    endpoints.map(|endpoint| &endpoint.next_hop)
}

/// The endpoints of all routes.
fn endpoints(settings: &Settings) -> impl Iterator<Item = RouteEndpoint<'_>> {
    settings.routes.iter().flat_map(Route::endpoints)
}

fn export(settings: &Settings) -> Option<&Export> {
    settings.trace.as_ref()?.export.as_ref()
}

/// The files with which the collector of spans is known and called: they are read again for each request to it.
fn collector_files(settings: &Settings) -> impl Iterator<Item = &Path> {
    let authority = export(settings).and_then(|export| match &export.collector.transport {
        Transport::Tls { trust: Roots::File(path), .. } => Some(path.as_path()),
        Transport::Tls { trust: Roots::Platform, .. } | Transport::Plaintext => None,
    });
    let headers = export(settings).and_then(|export| export.headers_file.as_deref());
    authority.into_iter().chain(headers)
}

/// The files that a connection to the store of rates needs: they are read again for each one.
fn store_files(settings: &Settings) -> impl Iterator<Item = &Path> {
    let authority = settings.rates.as_ref().and_then(|rates| match &rates.endpoint.transport {
        Transport::Tls { trust: Roots::File(path), .. } => Some(path.as_path()),
        Transport::Tls { trust: Roots::Platform, .. } | Transport::Plaintext => None,
    });
    let password = settings.rates.as_ref().and_then(|rates| rates.password_file.as_deref());
    let identity = settings.rates.iter().flat_map(|rates| identity_of(&rates.endpoint.transport));
    authority.into_iter().chain(password).chain(identity)
}

/// Any one Unix socket takes the right to all of them.
fn streams_to<'s>(mut next_hops: impl Iterator<Item = &'s NextHop>) -> UnixStreams {
    let any = next_hops.any(|next_hop| match next_hop {
        NextHop::Unix(_) => true,
        NextHop::Tcp { .. } => false,
    });
    if any { UnixStreams::ToPaths } else { UnixStreams::Deny }
}

/// Every file that is trusted or secret and read again while the process serves `settings`; `file` is the configuration
/// file.
fn guarded_files<'s>(
    settings: &'s Settings,
    file: Option<&'s Path>,
    keys: &'s [WatchedKey],
) -> impl Iterator<Item = PathBuf> {
    let listeners = settings.listeners.iter().flat_map(refreshed_files);
    let routes = route_files(settings);
    let servers = collector_files(settings).chain(store_files(settings));
    let public = routes.chain(listeners).chain(servers).map(Path::to_owned);
    let configuration = file.into_iter().flat_map(config::files_of);
    keys.iter().flat_map(|key| key.store.watched()).chain(public).chain(configuration)
}

/// The directories of the configuration's files: `conf.d` is listed again, and may be made later.
fn listed_directories(file: Option<&Path>, user: User) -> Vec<PathBuf> {
    let files = configuration_files(file);
    let all: BTreeSet<_> = files.iter().flat_map(|file| directories_of_public(file, user)).collect();
    all.into_iter().filter(|path| path.is_dir()).collect()
}

/// The files of the configuration, and one that could be added to `conf.d/`: its directory is listed again.
pub(crate) fn configuration_files(file: Option<&Path>) -> Vec<PathBuf> {
    let Some(file) = file else { return Vec::new() };
    let added = config::folder_of(file).filter(|folder| folder.is_dir()).map(|folder| folder.join("added.toml"));
    config::files_of(file).into_iter().chain(added).collect()
}

/// The files with which routes know their endpoints, and show themselves there. They are read again when they change.
pub(crate) fn route_files(settings: &Settings) -> impl Iterator<Item = &Path> {
    endpoints(settings)
        .flat_map(|endpoint| ca_files(endpoint).chain(proxy_credentials(endpoint)).chain(identity_files(endpoint)))
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
                Transport::Tls { trust: Roots::File(path), .. } => files.push(path),
                Transport::Tls { trust: Roots::Platform, .. } | Transport::Plaintext => {}
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

/// The files that a route shows itself with to an endpoint.
fn identity_files(endpoint: RouteEndpoint<'_>) -> impl Iterator<Item = &Path> {
    identity_of(&endpoint.endpoint.transport)
}

fn identity_of(transport: &Transport) -> impl Iterator<Item = &Path> {
    let identity = match transport {
        Transport::Tls { client, .. } => client.identity.as_ref(),
        Transport::Plaintext => None,
    };
    identity.into_iter().flat_map(|files| [files.certificate.as_path(), files.key.as_path()])
}

/// The CA files of an endpoint: for itself, and for the proxy on the way there.
fn ca_files(endpoint: RouteEndpoint<'_>) -> impl Iterator<Item = &Path> {
    let own = match &endpoint.endpoint.transport {
        Transport::Tls { trust, .. } => Some(trust),
        Transport::Plaintext => None,
    };
    let proxy = endpoint.egress.proxy().and_then(|proxy| proxy.roots.as_ref());
    own.into_iter().chain(proxy).filter_map(|roots| match roots {
        Roots::File(path) => Some(path.as_path()),
        Roots::Platform => None,
    })
}

/// The file with what the proxy on the way to an endpoint is shown, a secret.
fn proxy_credentials(endpoint: RouteEndpoint<'_>) -> Option<&Path> {
    endpoint.egress.proxy()?.credentials.as_deref()
}

#[cfg(test)]
mod tests {
    use std::fs;
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
        let confinement = confinement(&settings("https://[::1]:8443/"), None, &keys(), UnixSockets::Deny);
        assert_eq!(strings(confinement.read), ["/no/such", "/no/such/place"]);
        assert_eq!((confinement.connect, confinement.bind), (vec![8443], vec![]));
        assert_eq!((confinement.write, confinement.spawn), (vec![], Spawn::Deny));
        assert_eq!((confinement.udp, confinement.unix_sockets), (Udp::Deny, UnixSockets::Deny));
    }

    #[test]
    fn a_proxy_on_the_way_is_connected_to_instead_of_the_endpoint() {
        let text = "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"https://sdb.amazonaws.com/\"\n\
                    egress = \"https://192.0.2.1:3129\"\negress_ca_file = \"/no/such/ca/proxy.pem\"\n\
                    egress_credentials_file = \"/no/such/secret/proxy\"\n\
                    [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n";
        let settings = crate::config::parse(text, "f", []).unwrap();
        let confinement = confinement(&settings, None, &[], UnixSockets::Deny);
        assert_eq!((confinement.connect, confinement.udp), (vec![3129], Udp::Deny), "the proxy resolves the name");
        for path in ["/no/such/ca", "/no/such/secret"] {
            assert!(confinement.read.contains(&PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn an_endpoint_with_a_name_needs_its_port_and_the_resolver() {
        let confinement = confinement(&settings("https://sdb.amazonaws.com/"), None, &keys(), UnixSockets::Deny);
        assert_eq!((confinement.connect, confinement.udp), (vec![53, 443], Udp::Allow));
        assert!(confinement.read.contains(&PathBuf::from("/etc/hosts")));
        assert!(!confinement.read.contains(&PathBuf::from("/")));
    }

    #[test]
    fn connect_opens_what_it_names_and_the_endpoint_itself_stays_closed() {
        let rights = |connect: &str| {
            let text = format!(
                "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"https://sdb.amazonaws.com/\"\n\
                 connect = \"{connect}\"\n[key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n"
            );
            let settings = crate::config::parse(&text, "f", []).unwrap();
            let confinement = confinement(&settings, None, &[], UnixSockets::Deny);
            (confinement.connect, confinement.udp, confinement.unix_streams)
        };
        assert_eq!(rights("127.0.0.1:8443"), (vec![8443], Udp::Deny, UnixStreams::Deny));
        assert_eq!(rights("vpce-0a1b.example:8443"), (vec![53, 8443], Udp::Allow, UnixStreams::Deny));
        assert_eq!(rights("unix:/run/envoy.sock"), (vec![], Udp::Deny, UnixStreams::ToPaths));
    }

    #[test]
    fn daemons_are_told_by_datagram_where_there_are_any() {
        for (audit, expected) in [
            ("target = \"journald\"", UnixSockets::ToPaths),
            ("target = \"syslog\"", UnixSockets::ToPaths),
            ("target = \"stdout\"", UnixSockets::Deny),
        ] {
            let mut settings = settings("https://[::1]/");
            let text = format!(
                "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"https://[::1]/\"\n\
                 [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n[audit]\n{audit}\n"
            );
            settings.audit = crate::config::parse(&text, "f", []).unwrap().audit;
            let sockets = |manager| confinement(&settings, None, &[], manager).unix_sockets;
            assert_eq!(sockets(UnixSockets::Deny), expected, "{audit}");
            assert_eq!(sockets(UnixSockets::ToAnyAddress), UnixSockets::ToAnyAddress);
        }
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
        let confinement = confinement(&settings, None, &[], UnixSockets::Deny);
        assert_eq!(confinement.connect, [53, 6443, 8443], "a name has to be resolved as well");
        for path in ["/no/such/ca", "/no/such/account", "/etc/hosts"] {
            assert!(confinement.read.contains(&PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn exporting_spans_needs_the_collectors_port_and_what_it_is_called_with() {
        let text = "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"https://[::1]:8443/\"\n\
                    [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n\
                    [trace]\nendpoint = \"https://127.0.0.1:4318\"\nca_file = \"/no/such/ca/ca.crt\"\n\
                    headers_file = \"/no/such/secret/headers\"\n";
        let settings = crate::config::parse(text, "f", []).unwrap();
        let confinement = confinement(&settings, None, &[], UnixSockets::Deny);
        assert_eq!((confinement.connect, confinement.udp), (vec![4318, 8443], Udp::Deny));
        for path in ["/no/such/ca", "/no/such/secret"] {
            assert!(confinement.read.contains(&PathBuf::from(path)), "{path}");
        }
    }

    #[test]
    fn the_store_of_rates_needs_its_port_or_socket_and_what_it_is_called_with() {
        let rights = |store: &str| {
            let text = format!(
                "[listener.a]\nany_local = true\n[route.a]\nendpoint = \"https://[::1]:8443/\"\n\
                 [key.a]\nfile = \"/no/such/key.age\"\nidentity_file = \"/no/such/place/id\"\n[rates]\n{store}\n"
            );
            confinement(&crate::config::parse(&text, "f", []).unwrap(), None, &[], UnixSockets::Deny)
        };
        let tls = rights(
            "store = \"valkeys://[::1]:6390\"\nca_file = \"/no/such/ca/ca.crt\"\n\
             password_file = \"/no/such/secret/password\"\nclient_certificate = \"/no/such/shown/store.pem\"\n\
             client_key = \"/no/such/key/store.key\"",
        );
        assert_eq!((tls.connect, tls.udp, tls.unix_streams), (vec![6390, 8443], Udp::Deny, UnixStreams::Deny));
        for path in ["/no/such/ca", "/no/such/secret", "/no/such/shown", "/no/such/key"] {
            assert!(tls.read.contains(&PathBuf::from(path)), "{path}");
        }
        let socket = rights("store = \"unix:/run/valkey/valkey.sock\"");
        assert_eq!((socket.connect, socket.unix_streams), (vec![8443], UnixStreams::ToPaths));
        let named = rights("store = \"rediss://valkey.example\"");
        assert_eq!((named.connect, named.udp), (vec![53, 6379, 8443], Udp::Allow));
    }

    #[test]
    fn only_a_directory_of_sockets_alone_is_one_to_remove_from() {
        let directory = tempfile::tempdir().unwrap();
        let listener = |name: &str| {
            let mut listener = settings("https://[::1]/").listeners.remove(0);
            let path = directory.path().join(name);
            listener.addresses =
                vec![ListenOn::Unix(crate::downstream::unix_socket::UnixSocket { path, mode: 0o600, group: None })];
            listener
        };
        let listeners = [listener("a"), listener("b")];
        for name in ["a", "b"] {
            assert_eq!(socket_directories(listeners.iter().flat_map(sockets_of)), [directory.path()]);
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert!(
            socket_directories(listeners[..1].iter().flat_map(sockets_of)).is_empty(),
            "b is not one of its sockets"
        );
        fs::create_dir(directory.path().join("below")).unwrap();
        assert!(socket_directories(listeners.iter().flat_map(sockets_of)).is_empty());
        assert!(socket_directories(std::iter::empty()).is_empty());
    }
}
