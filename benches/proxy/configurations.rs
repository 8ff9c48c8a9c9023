//! What each proxy is told: the settings its users would give it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::peers::Endpoint;
use super::works::{Setting, TOKEN_SHA256};

/// Where a proxy finds what it needs, and where it listens.
pub struct Place<'a> {
    pub directory: &'a Path,
    pub address: SocketAddr,
    pub endpoint: &'a Endpoint,
}

pub fn nginx(command: &mut Command, place: &Place<'_>, setting: Setting) {
    let Place { directory, address, endpoint } = place;
    let (scheme, tls) = match &endpoint.ca {
        None => ("http", String::new()),
        Some(ca) => (
            "https",
            format!("proxy_ssl_verify on; proxy_ssl_trusted_certificate {}; proxy_ssl_name localhost;", ca.display()),
        ),
    };
    let text = format!(
        "worker_processes {2}; pid {0}/pid; error_log {0}/error.log; events {{ worker_connections 25000; }}
         http {{ access_log off; keepalive_requests 1000000000;
           client_body_temp_path {0}/body; proxy_temp_path {0}/proxy;
           fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; client_body_buffer_size 256k;
           upstream endpoint {{ server {1}; keepalive 128; keepalive_requests 1000000000; }}
           server {{ listen {address} backlog=4096; location / {{
             proxy_pass {scheme}://endpoint; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; proxy_max_temp_file_size 0; {tls} }} }} }}",
        directory.display(),
        endpoint.address,
        setting.workers,
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, text).unwrap();
    command.arg("nginx").arg("-p").arg(directory).arg("-c").arg(file).args(["-g", "daemon off;"]);
}

pub fn haproxy(command: &mut Command, place: &Place<'_>, setting: Setting) {
    let Place { directory, address, endpoint } = place;
    let tls = endpoint.ca.as_ref().map_or(String::new(), |ca| format!("ssl verify required ca-file {}", ca.display()));
    let text = format!(
        "global\n nbthread {}\n maxconn 12000\ndefaults\n mode http\n timeout connect 5s\n \
         timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend in\n \
         bind {address}\n default_backend out\nbackend out\n server endpoint {} {tls}\n",
        setting.workers, endpoint.address
    );
    let file = directory.join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    command.arg("haproxy").args(["-db", "-f"]).arg(file);
}

pub fn countersign(command: &mut Command, binary: &Path, place: &Place<'_>, setting: Setting) {
    let Place { directory, address, endpoint } = place;
    let (scheme, ca) = match &endpoint.ca {
        None => ("http", String::new()),
        Some(ca) => ("https", format!("ca_file = \"{}\"\n", ca.display())),
    };
    let [sealed, identity] = key(directory);
    let text = format!(
        "[listener.bench]\naddress = \"{address}\"\nauthenticate = [\"token\"]\nhosts = [\"localhost\"]\n\
         [listener.bench.limits]\nconnections = 12000\n\
         [client.bench]\ntoken_sha256 = \"{TOKEN_SHA256}\"\n\
         allow = [\"main:Get*\", \"main:List*\"]\ndeny = [\"main:CreateJob\"]\n\
         [route.main]\nendpoint = \"{scheme}://{}/\"\n{ca}{}[route.main.limits]\nin_flight = 12000\npool = 128\n\
         [key.main]\nfile = \"{}\"\nidentity_file = \"{}\"\n\
         [admin]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
         [process]\nworkers = {}\n",
        endpoint.address,
        setting.profile,
        sealed.display(),
        identity.display(),
        setting.workers
    );
    let file = directory.join("countersign.toml");
    fs::write(&file, text).unwrap();
    command.arg(binary).args(["run", "--config"]).arg(file);
}

/// A sealed key and its identity, with AWS's documented example key in it.
fn key(directory: &Path) -> [PathBuf; 2] {
    use countersign::credentials::Identities;
    use countersign::credentials::seal::{Existing, seal, write_secret_file};
    let [sealed, identity] = ["main.age", "identity"].map(|name| directory.join(name));
    if !sealed.exists() {
        let identities = Identities::generate();
        let key = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
            "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;
        write_secret_file(&identity, &identities.to_file(jiff::Timestamp::UNIX_EPOCH), Existing::Refuse).unwrap();
        write_secret_file(&sealed, &seal(key, &identities.recipients()).unwrap(), Existing::Refuse).unwrap();
    }
    [sealed, identity]
}
