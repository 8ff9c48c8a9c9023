//! Configuration through the real program: the samples that ship, and the environment alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::harness::clients::client;
use crate::harness::{Endpoint, FORM, ID, Outcome, Proxy, SECRET, Setup, Vault, program, started_by};
use crate::untrusted::Authority;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

/// The variables of an `.env` file.
fn variables(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(sample(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()).collect()
}

/// `check` where the samples' keys, identities and certificates are the test's own.
fn check(vault: &Vault, keys: &[&str]) -> Command {
    let roots = vault.path("roots.pem");
    fs::write(&roots, Authority::new().pem).unwrap();
    let credential = vault.path("countersign-identity");
    if !credential.exists() {
        fs::copy(vault.identity_file(), &credential).unwrap();
    }
    let mut command = program();
    command.arg("check").env("SSL_CERT_FILE", &roots).env("CREDENTIALS_DIRECTORY", credential.parent().unwrap());
    for key in keys {
        command.env(format!("COUNTERSIGN__KEY__{}__FILE", key.to_uppercase()), vault.key_file());
    }
    command
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.ends_with("ok\n"), "{stdout}");
    stdout
}

#[test]
fn every_file_in_config_passes_check() {
    let vault = Vault::with(ID, SECRET);
    let mut checked = Vec::new();
    for entry in fs::read_dir(sample("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "pkcs11.toml" {
            continue; // wants a token: tests/outside/clients/test_pkcs11.py has one, and checks it there
        }
        if !name.ends_with(".toml") && !name.ends_with(".env") {
            continue; // the schema, and tables of calls for `policy test`
        }
        let mut command = match name.as_str() {
            "gateway.toml" => {
                let mut command = check(&vault, &["aws", "openstack"]);
                command.env("COUNTERSIGN__ROUTE__STACKS__CA_FILE", vault.path("roots.pem"));
                // neither the addresses nor the directory of the sample are those of every machine
                command.env("COUNTERSIGN__LISTENER__TEAM__ADDRESS", "127.0.0.1:0");
                command.env("COUNTERSIGN__ADMIN__ADDRESS", "127.0.0.1:0");
                let directory = vault.path("log");
                fs::create_dir(&directory).unwrap();
                command.env("COUNTERSIGN__AUDIT__TARGET", format!("file:{}/audit.jsonl", directory.display()));
                command
            }
            "sidecar.env" => {
                let mut command = check(&vault, &[]);
                command.envs(variables(&name)).env("COUNTERSIGN__KEY__MAIN__FILE", vault.key_file());
                command
            }
            _ if CLOUDS.contains(&name.as_str()) => continue,
            _ => check(&vault, &["main"]),
        };
        if name != "gateway.toml" {
            command.env("COUNTERSIGN__KEY__MAIN__IDENTITY_FILE", vault.identity_file());
        }
        if name.ends_with(".toml") {
            // a copy: the checkout may belong to another user
            let copy = vault.path(&name);
            fs::write(&copy, fs::read(sample(&name)).unwrap()).unwrap();
            command.arg("--config").arg(copy);
        }
        let printed = succeeds(&mut command);
        assert!(printed.contains("https://importexport.amazonaws.com/"), "{name}: {printed}");
        checked.push(name);
    }
    checked.sort();
    assert_eq!(checked, ["clients.toml", "gateway.toml", "reference.toml", "sidecar.env", "sidecar.toml"]);
}

/// The samples of the pages about clouds.
const CLOUDS: [&str; 6] =
    ["alibaba.toml", "aws-v4.toml", "cloudstack.toml", "nifcloud.toml", "openstack.toml", "other-clouds.toml"];

#[test]
fn every_configuration_of_a_cloud_passes_check_with_its_keys_and_without_them() {
    let vault = Vault::with(ID, SECRET);
    for name in CLOUDS {
        let text = fs::read_to_string(sample(name)).unwrap();
        // a copy: the checkout may belong to another user
        let copy = vault.path(name);
        fs::write(&copy, &text).unwrap();
        let tables = text.split("\n[").map(|table| table.split_once("]\n").unwrap_or_default());
        let route_with_authority = |(table, keys): (&str, &str)| {
            keys.contains("ca_file = ").then(|| table.strip_prefix("route.").map(str::to_uppercase)).flatten()
        };
        for options in [&[][..], &["--without-keys"]] {
            let mut command = check(&vault, &[]);
            command
                .arg("--config")
                .arg(&copy)
                .args(options)
                .env("COUNTERSIGN__LISTENER__LOCAL__ADDRESS", "127.0.0.1:0");
            for route in tables.clone().filter_map(route_with_authority) {
                command.env(format!("COUNTERSIGN__ROUTE__{route}__CA_FILE"), vault.path("roots.pem"));
            }
            let keys = tables.clone().filter_map(|(table, _)| table.strip_prefix("key."));
            for key in keys.filter(|_| options.is_empty()).map(str::to_uppercase) {
                command.env(format!("COUNTERSIGN__KEY__{key}__FILE"), vault.key_file());
                command.env(format!("COUNTERSIGN__KEY__{key}__IDENTITY_FILE"), vault.identity_file());
            }
            let printed = succeeds(&mut command);
            let (_, endpoint) = text.split_once("endpoint = \"").unwrap();
            let (endpoint, _) = endpoint.split_once('"').unwrap();
            assert!(printed.contains(endpoint), "{name}: {printed}");
        }
    }
}

#[test]
fn check_prints_what_would_be_served_and_what_is_dangerous_or_idle() {
    let vault = Vault::with(ID, SECRET);
    let setup = Setup::to_url("https://importexport.amazonaws.com/v1/")
        .route(r#"path = "/import""#)
        .listener(r#"routes = ["importexport"]"#)
        .more("[route.idle]\nendpoint = \"http://127.0.0.1:1/\"\nkey = \"main\"\nhosts = [\"idle.example\"]\n")
        .more("[listener.wide]\naddress = \"0.0.0.0:8021\"\nany_local = true\ndanger_beyond_loopback = true\n")
        .more("routes = [\"importexport\"]\n")
        .vault(vault)
        .trusting(&Authority::new().pem);
    let printed = succeeds(&mut setup.command("check"));
    for line in [
        "listener local: 127.0.0.1:0",
        "callers: any_local",
        "DANGER danger_beyond_loopback",
        "route importexport: https://importexport.amazonaws.com/v1/",
        "chosen by path: /import",
        "chosen by Host: idle.example",
        "tls: verified against ",
        "tls: none, plain HTTP",
        &format!("id: {ID}, does not expire"),
        "WARNING route idle: no listener serves it",
        "admin: http://127.0.0.1:0/livez",
    ] {
        assert!(printed.contains(line), "{line} in {printed}");
    }
}

#[test]
fn a_route_that_would_forward_what_outranks_the_form_is_refused_by_check_and_run_in_the_same_words() {
    let refused = |name: &str| {
        let setup = Setup::to_url("http://127.0.0.1:1/").route(&format!("forward_headers = [\"{name}\"]"));
        let [check, run] = ["check", "run"].map(|subcommand| Outcome::of(&mut setup.command(subcommand), ""));
        assert_eq!((check.code, run.code), (78, 78), "{name}: {check:?} {run:?}");
        assert_eq!(check.stderr, run.stderr);
        check.stderr
    };
    for (name, why) in [
        ("x-http-method-override", "instead of the form"),
        ("x_http_method_override", "instead of the form"),
        ("x-original-url", "instead of the form"),
        ("x-rewrite-url", "instead of the form"),
        ("x-original-host", "instead of the form"),
        ("x-acs-action", "a cloud signs it"),
        ("x-tc-action", "a cloud signs it"),
        ("x-amz-target", "a cloud signs it"),
        ("x-date", "a cloud signs it"),
        ("date", "a cloud signs it"),
        ("x-security-token", "a cloud signs it"),
        ("x-originalurl", "instead of the form"),
        ("x_methodoverride", "instead of the form"),
        ("x-script-name", "instead of the form"),
        ("apikey", "holds, or may hold, credentials"),
        ("api-key", "holds, or may hold, credentials"),
        ("x-jwt-assertion", "holds, or may hold, credentials"),
        ("impersonate-user", "who is calling"),
        ("x-ms-client-principal-id", "who is calling"),
        ("x-on-behalf-of", "who is calling"),
        ("remote_user", "who is calling"),
        ("http_client_ip", "where the client is"),
    ] {
        let message = refused(name);
        assert!(message.contains(&format!("`{name}` is never passed on: ")) && message.contains(why), "{message}");
    }
    assert!(refused("X-HTTP-Method-Override").contains("is never passed on: "), "in capitals too");
    assert!(refused("x-*").contains("is a pattern: list each header by its name"));
}

#[test]
fn a_configuration_from_a_pipe_is_checked_by_every_name_of_standard_input() {
    let vault = Vault::with(ID, SECRET);
    let (file, identity) = (vault.key_file(), vault.identity_file());
    let text = format!(
        "[listener.local]\naddress = \"127.0.0.1:0\"\nany_local = true\n\
         [route.main]\nendpoint = \"http://127.0.0.1:9/\"\n\
         [key.main]\nfile = \"{}\"\nidentity_file = \"{}\"\n",
        file.display(),
        identity.display(),
    );
    for name in ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let outcome = Outcome::of(program().args(["check", "--config", name]), &text);
        assert_eq!(outcome.code, 0, "{name}: {outcome:?}");
        // a variable that sets nothing needs the text too, and a pipe can be read only once
        let mut command = program();
        command.args(["check", "--config", name]).env("COUNTERSIGN_LOG_LEVEL", "info");
        let printed = Outcome::of(&mut command, &text).succeeded();
        assert!(printed.contains("did you mean COUNTERSIGN__LOG__LEVEL?"), "{name}: {printed}");
    }
}

#[test]
fn the_environment_alone_configures_a_proxy_that_serves() {
    let endpoint = Endpoint::obliging();
    let vault = Arc::new(Vault::with(ID, SECRET));
    let mut command = program();
    command.arg("run").envs(variables("sidecar.env")).envs([
        ("COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT", endpoint.url()),
        ("COUNTERSIGN__LISTENER__LOCAL__ADDRESS", "127.0.0.1:0".to_owned()),
        ("COUNTERSIGN__ADMIN__ADDRESS", "127.0.0.1:0".to_owned()),
        ("COUNTERSIGN__LOG__FORMAT", "json".to_owned()),
        ("COUNTERSIGN__KEY__MAIN__FILE", vault.key_file().to_str().unwrap().to_owned()),
        ("COUNTERSIGN__KEY__MAIN__IDENTITY_FILE", vault.identity_file().to_str().unwrap().to_owned()),
    ]);
    let proxy = Proxy::start(&mut command, vault);
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.only_request().verify(ID, SECRET, None), Ok(()));
}

#[test]
fn the_environment_goes_before_the_file() {
    let (in_file, in_environment) = (Endpoint::obliging(), Endpoint::obliging());
    let url = in_environment.url();
    let proxy =
        Setup::to(&in_file).start_with(|command| command.env("COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT", url));
    proxy.post(FORM).expect(200);
    assert_eq!((in_file.connections(), in_environment.requests().len()), (0, 1));
}

#[test]
fn what_weakens_security_is_warned_of_at_start_and_by_check() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint)
        .more("[listener.wide]\naddress = \"0.0.0.0:0\"\nany_local = true\ndanger_beyond_loopback = true\n")
        .more("[listener.clear]\naddress = \"0.0.0.0:0\"\nauthenticate = [\"token\"]\n")
        .more("danger_cleartext_tokens = true\n")
        .more("[route.heat]\nendpoint = \"http://heat.example:8000/\"\nkey = \"main\"\npath = \"/heat\"\n")
        .more("danger_plaintext = true\n")
        .more(&client("reader", "allow = [\"*:*\"]"));
    let switches = [
        ("listener", "wide", "danger_beyond_loopback"),
        ("listener", "clear", "danger_cleartext_tokens"),
        ("route", "heat", "danger_plaintext"),
    ];
    let printed = succeeds(&mut setup.command("check"));
    let proxy = setup.start();
    for (field, name, switch) in switches {
        assert!(printed.contains(&format!("DANGER {switch}")), "{switch} in {printed}");
        let warning = proxy.log.json("warning", |line| line["level"] == "WARN" && line[field] == name);
        assert!(warning["message"].as_str().unwrap().starts_with(switch), "{warning}");
    }
}

#[test]
fn a_socket_of_the_service_manager_that_no_listener_takes_is_warned_of() {
    // as a service manager hands one over: only the process itself knows its number
    const HAND_OVER: &str =
        "exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" \"$@\"";
    let proxy = Setup::to(&Endpoint::obliging()).start_with(|command| started_by(command, "sh", &["-c", HAND_OVER]));
    let line = proxy.log.json("the warning", |line| line["name"] == "web");
    assert_eq!(line["level"], "WARN");
    proxy.post(FORM).expect(200);
}

#[test]
fn a_check_whose_reader_has_left_ends_with_its_exit_code_and_without_a_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let setup = Setup::to(&Endpoint::obliging());
    let child = setup.command("check").stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{status}: {}", String::from_utf8_lossy(&stderr));
}
