//! Files of `conf.d/` beside the configuration: in use when they come, change and go, and never in part.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Draft, Endpoint, FORM, Outcome, Proxy, Setup, eventually};

const GENERATION: &str = "countersign_config_generation";
const GRANT: &str = "[client.other]\nuid = 54321\n[conf_d.team]\nroutes = [\"importexport\"]\n[conf_d.second]\n\
                     routes = [\"importexport\"]\n";

fn setup(endpoint: &Endpoint) -> Setup {
    let mut setup = Setup::to(endpoint).more(GRANT);
    setup.callers = "authenticate = [\"loopback-owner\"]";
    setup
}

/// A client that this test is.
fn client(name: &str, action: &str) -> String {
    let uid = rustix::process::getuid().as_raw();
    format!("[client.{name}]\nuid = {uid}\nallow = [\"importexport:{action}\"]\n")
}

/// The folder beside the configuration of a proxy.
fn folder(proxy: &Proxy) -> PathBuf {
    proxy.vault.path("conf.d")
}

#[track_caller]
fn in_use(proxy: &Proxy, generation: u64) {
    eventually("the generation", || (proxy.metric(GENERATION) >= generation as f64).then_some(()));
    assert_eq!(proxy.metric(GENERATION), generation as f64);
}

/// Replaces a file as programs that deliver configurations do.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Waits for a reload that is refused, and returns why.
#[track_caller]
fn refused(proxy: &Proxy, word: &str) -> String {
    let line = proxy.log.json("the refusal", |line| line["error"].as_str().is_some_and(|error| error.contains(word)));
    line["error"].as_str().unwrap().to_owned()
}

#[test]
fn files_of_the_folder_are_used_after_a_moment_when_they_come_change_and_go() {
    let endpoint = Endpoint::obliging();
    // confined: the folder is not there when the process gives up its rights
    let proxy = setup(&endpoint).start();
    proxy.post(FORM).expect(403);
    fs::create_dir(folder(&proxy)).unwrap();
    put(&folder(&proxy).join("team.toml"), &client("team", "Get*"));
    in_use(&proxy, 2);
    proxy.post(FORM).expect(200);
    put(&folder(&proxy).join("team.toml"), &client("team", "CreateJob"));
    in_use(&proxy, 3);
    proxy.post(FORM).expect(403);
    // an editor's copy changes nothing
    fs::write(folder(&proxy).join("team.toml~"), client("team", "Get*")).unwrap();
    fs::rename(folder(&proxy).join("team.toml"), folder(&proxy).join("second.toml")).unwrap();
    for told in
        ["added: conf.d/team.toml", "changed: conf.d/team.toml", "added: conf.d/second.toml; removed: conf.d/team.toml"]
    {
        proxy.log.json("the files", |line| line["files"] == told);
    }
    fs::remove_file(folder(&proxy).join("second.toml")).unwrap();
    in_use(&proxy, 4);
    proxy.post(FORM).expect(403);
}

#[test]
fn a_folder_that_is_a_volume_changes_as_a_whole() {
    let endpoint = Endpoint::obliging();
    let setup = setup(&endpoint);
    let folder = setup.vault_path("conf.d");
    let version = |name: &str, team: &str, second: &str| {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("team.toml"), team).unwrap();
        fs::write(folder.join(name).join("second.toml"), second).unwrap();
    };
    let nobody = |name: &str| format!("[client.{name}]\nuid = 54322\n");
    version("..one", &client("team", "Get*"), &nobody("second"));
    symlink("..one", folder.join("..data")).unwrap();
    for name in ["team.toml", "second.toml"] {
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
    let proxy = setup.start();
    proxy.post(FORM).expect(200);
    // each of the two files alone would identify this user twice, or not at all
    version("..two", &nobody("team"), &client("second", "Get*"));
    symlink("..two", folder.join("..next")).unwrap();
    fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    in_use(&proxy, 2);
    proxy.post(FORM).expect(200);
    assert_eq!(proxy.metric(r#"countersign_config_reloads_total{result="refused"}"#), 0.0);
    let shell = "sha256sum countersign.toml conf.d/*.toml | sha256sum | cut -d' ' -f1";
    let sum = Outcome::of(Command::new("sh").args(["-c", shell]).current_dir(proxy.vault.path(".")), "").succeeded();
    let sample = format!("countersign_config_file{{sha256=\"{}\"}}", sum.trim());
    assert_eq!(proxy.metric(&sample), 1.0);
}

#[test]
fn a_faulty_or_writable_file_of_the_folder_changes_nothing_and_is_named() {
    let endpoint = Endpoint::obliging();
    let setup = setup(&endpoint);
    let team = setup.vault_path("conf.d/team.toml");
    fs::create_dir(setup.vault_path("conf.d")).unwrap();
    fs::write(&team, client("team", "Get*")).unwrap();
    let proxy = setup.clone().start();
    let stays = || {
        proxy.post(FORM).expect(200);
        assert_eq!(proxy.metric(GENERATION), 1.0);
    };
    put(&team, "\n[key.own]\nfile = \"/tmp/key\"\n");
    let why = refused(&proxy, "only [client.NAME] and [route.NAME]");
    assert!(why.contains(&format!("{}:2:2: key:", team.display())), "{why}");
    stays();
    fs::set_permissions(&team, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let why = refused(&proxy, "can be written by others (mode 0666)");
    assert!(why.contains(&team.display().to_string()), "{why}");
    stays();
    let outcome = Outcome::of(&mut setup.command("check"), "");
    assert_eq!(outcome.code, 77, "{outcome:?}");
    assert!(outcome.stderr.contains(&format!("chmod go-w {}", team.display())), "{}", outcome.stderr);
}

#[test]
fn a_check_lists_the_files_that_it_read_and_those_that_it_did_not() {
    let setup = setup(&Endpoint::obliging());
    let folder = setup.vault_path("conf.d");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("team.toml"), client("team", "Get*")).unwrap();
    fs::write(folder.join("team.toml.dpkg-old"), "[listener.x]").unwrap();
    let printed = Outcome::of(&mut setup.command("check"), "").succeeded();
    let file = setup.vault_path("countersign.toml");
    let lines: Vec<_> = printed.lines().take(3).collect();
    assert_eq!(lines[0], format!("configuration: {}, named by --config", file.display()));
    assert_eq!(lines[1], format!("  and {}", folder.join("team.toml").display()));
    assert!(lines[2].starts_with("  ignored in conf.d") && lines[2].ends_with("team.toml.dpkg-old"), "{printed}");
}

#[test]
fn log_audit_and_report_name_the_tenants_of_client_and_route() {
    let grant = "[client.other]\nuid = 54321\n[conf_d.team]\nroutes = [\"importexport\"]\nkeys = [\"main\"]\n\
                 hosts = [\"team.internal\"]\n";
    let mut setup = Setup::to(&Endpoint::obliging()).more(grant);
    setup.callers = "authenticate = [\"loopback-owner\"]";
    let file = setup.vault_path("audit.jsonl");
    let setup = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", file.display()));
    let folder = setup.vault_path("conf.d");
    fs::create_dir(&folder).unwrap();
    let route = "[route.own]\nendpoint = \"https://127.0.0.1:9/\"\nkey = \"main\"\nhosts = [\"team.internal\"]\n";
    let text = format!("{route}{}", client("team", "Get*").replace("\"]\n", "\", \"own:*\"]\n"));
    fs::write(folder.join("team.toml"), text).unwrap();
    let printed = Outcome::of(&mut setup.command("check"), "").succeeded();
    assert_eq!(printed.matches("tenant: team (conf.d/team.toml)").count(), 2, "{printed}");
    let proxy = setup.start();
    let granted = proxy.post(FORM).expect(200);
    let own = proxy.call(&Draft::form(FORM).field("Host", "team.internal")).expect(502);
    let [granted, own] = [granted, own].map(|answer| proxy.log.exchange(&answer.request_id()));
    assert_eq!((&granted["client_tenant"], granted.get("route_tenant")), (&"team".into(), None));
    assert_eq!([&own["client_tenant"], &own["route_tenant"]], ["team", "team"]);
    let lines: Vec<Value> = eventually("two lines", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() == 2).then_some(lines)
    });
    assert_eq!([&lines[0]["client"], &lines[0]["client_tenant"], &lines[0]["route"]], ["team", "team", "importexport"]);
    assert_eq!(lines[0].get("route_tenant"), None, "the route is of the main file");
    assert_eq!([&lines[1]["client_tenant"], &lines[1]["route"], &lines[1]["route_tenant"]], ["team", "own", "team"]);
    let report: Value = serde_json::from_str(&proxy.admin("/status").expect(200).text()).unwrap();
    let tenants = |kind: &str| -> Vec<String> {
        let all = report[kind].as_array().unwrap().iter();
        all.map(|one| format!("{}: {}", one["name"], one["tenant"])).collect()
    };
    assert_eq!(tenants("routes"), ["\"importexport\": null", "\"own\": \"team\""]);
    assert_eq!(tenants("clients")[..2], ["\"other\": null", "\"team\": \"team\""]);
}
