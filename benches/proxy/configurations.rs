//! The configuration of each proxy, with the settings that its users would choose.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::callers::{Clients, ISSUED};
use super::certificates::write_secret;
use super::socket::Address;
use super::works::Setting;

/// The endpoint behind a proxy.
#[derive(Clone)]
pub struct Endpoint {
    pub address: SocketAddr,
    pub tls: bool,
}

/// The directories and addresses of a proxy.
pub struct Place<'a> {
    /// The directory of this proxy.
    pub directory: &'a Path,
    /// The directory of the certificates.
    pub shared: &'a Path,
    pub address: &'a Address,
    pub admin: SocketAddr,
    pub endpoint: &'a Endpoint,
}

impl Place<'_> {
    /// The address; nginx and countersign write `unix:` before a path, and HAProxy `unix@`.
    fn address(&self, unix: &str) -> String {
        match self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("{unix}{}", path.display()),
        }
    }

    fn file(&self, name: &str) -> String {
        self.shared.join(name).display().to_string()
    }
}

pub fn nginx(command: &mut Command, place: &Place<'_>, setting: Setting) {
    let (leaf, key, ca) = (place.file("leaf.pem"), place.file("leaf.key"), place.file("ca.pem"));
    let (scheme, upstream) = match place.endpoint.tls {
        false => ("http", String::new()),
        true => {
            ("https", format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name localhost;"))
        }
    };
    let (ssl, downstream) = if setting.clients == Clients::Certificate {
        let own = format!("ssl_certificate {leaf}; ssl_certificate_key {key};");
        ("ssl ", format!("{own} ssl_client_certificate {ca}; ssl_verify_client on;"))
    } else {
        ("", String::new())
    };
    let text = format!(
        "worker_processes {2}; pid {0}/pid; error_log {0}/error.log; events {{ worker_connections 25000; }}
         http {{ access_log off; keepalive_requests 1000000000; client_max_body_size 20m;
           client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
           fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; client_body_buffer_size 256k;
           upstream endpoint {{ server {1}; keepalive 128; keepalive_requests 1000000000; }}
           server {{ listen {3} {ssl}backlog=4096; {downstream} location / {{
             proxy_pass {scheme}://endpoint; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; {upstream} }} }} }}",
        place.directory.display(),
        place.endpoint.address,
        setting.workers,
        place.address("unix:"),
    );
    let file = place.directory.join("nginx.conf");
    fs::write(&file, text).unwrap();
    command.arg("nginx").arg("-p").arg(place.directory).arg("-c").arg(file).args(["-g", "daemon off;"]);
}

pub fn haproxy(command: &mut Command, place: &Place<'_>, setting: Setting) {
    let ca = place.file("ca.pem");
    let upstream = if place.endpoint.tls { format!("ssl verify required ca-file {ca}") } else { String::new() };
    let downstream = if setting.clients == Clients::Certificate {
        let both = place.directory.join("both.pem");
        let part = |name| fs::read_to_string(place.shared.join(name)).unwrap();
        write_secret(&both, &(part("leaf.pem") + &part("leaf.key")));
        format!("ssl crt {} ca-file {ca} verify required", both.display())
    } else {
        String::new()
    };
    let text = format!(
        "global\n no strict-limits\n nbthread {}\n maxconn 9800\ndefaults\n mode http\n timeout connect 5s\n \
         timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend in\n \
         bind {} {downstream}\n default_backend out\nbackend out\n server endpoint {} {upstream}\n",
        setting.workers,
        place.address("unix@"),
        place.endpoint.address
    );
    let file = place.directory.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    command.arg("haproxy").args(["-db", "-f"]).arg(file);
}

pub fn countersign(command: &mut Command, binary: &Path, place: &Place<'_>, setting: Setting) {
    let Setting { clients, profile, more, .. } = setting;
    let endpoint = place.endpoint.address;
    let endpoint = match place.endpoint.tls {
        false => format!("http://{endpoint}/\""),
        true => format!("https://{endpoint}/\"\nca_file = \"{}\"", place.file("ca.pem")),
    };
    let accept = if clients == Clients::Get { "accept = [\"post\", \"get\"]\n" } else { "" };
    let [sealed, identity, issued] = keys(place.directory);
    // limits that admit the work with the largest forms, and that with the most connections
    let text = format!(
        "[listener.bench]\naddress = \"{}\"\nhosts = [\"localhost\"]\n{}limits.connections = 9800\n\
         {}[route.main]\nendpoint = \"{endpoint}\nkey = \"main\"\n{accept}{profile}[route.main.limits]\n\
         in_flight = 9800\npool = 128\nbody = \"16 MiB\"\n\
         [key.main]\nfile = \"{}\"\nidentity_file = \"{}\"\n[admin]\naddress = \"{}\"\n\
         [process]\nworkers = {}\n{more}",
        place.address("unix:"),
        clients.listener(place.shared),
        clients.tables(&issued),
        sealed.display(),
        identity.display(),
        place.admin,
        setting.workers
    );
    let file = place.directory.join("countersign.toml");
    fs::write(&file, text).unwrap();
    command.arg(binary).args(["run", "--config"]).arg(file);
}

/// The files of a sealed key (AWS's documented example key), of its identity, and of an issued key.
fn keys(directory: &Path) -> [PathBuf; 3] {
    use countersign::credentials::Identities;
    use countersign::credentials::seal::{Existing, seal, write_secret_file};
    let [sealed, identity, issued] = ["main.age", "identity", "issued.json"].map(|name| directory.join(name));
    if !sealed.exists() {
        let identities = Identities::generate();
        let key = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
            "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;
        write_secret_file(&identity, &identities.to_file(jiff::Timestamp::UNIX_EPOCH), Existing::Refuse).unwrap();
        write_secret_file(&sealed, &seal(key, &identities.recipients()).unwrap(), Existing::Refuse).unwrap();
        write_secret(&issued, ISSUED);
    }
    [sealed, identity, issued]
}
