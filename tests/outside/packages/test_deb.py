"""The deb in a Debian with a running systemd: installed, started without and with a key, upgraded under load, removed,
purged."""

import subprocess

import pytest
import steps
from machine import boot
from packaging_commands import OLDER, run

CONFIGURATION = "/etc/countersign/countersign.toml"
LINKS = [
    "/etc/systemd/system/multi-user.target.wants/countersign.service",
    "/etc/systemd/system/sockets.target.wants/countersign.socket",
]
CREDENTIAL = "/etc/credstore.encrypted/countersign-key"
DPKG = "dpkg --force-confdef --force-confold"
# as a hexadecimal number: port 8021, and the state in which a socket listens
LISTENING = "grep -c ':1F55 00000000:0000 0A' /proc/net/tcp"
LEFT = "files | diff /before - | sed -n 's/^[<>] //p'"


@pytest.fixture(scope="module")
def older(deb, tmp_path_factory):
    """A package of an older version whose configuration differs from this one's."""
    tree = tmp_path_factory.mktemp("older")
    run("dpkg-deb", "--raw-extract", deb("countersign", OLDER), tree / "tree")
    with (tree / "tree" / CONFIGURATION[1:]).open("a") as file:
        file.write("\n# the comment of an older version\n")
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree / "tree", tree / "older.deb")
    return tree / "older.deb"


@pytest.fixture(scope="module")
def said(root, deb, older, tmp_path_factory):
    given = {"older.deb": older, "new.deb": deb("countersign"), "aws.deb": deb("countersign-aws")}
    return boot(root, tmp_path_factory.mktemp("deb"), given, {
        "before": "files >/before",
        "install": "apt-get install --yes --no-install-recommends /given/older.deb",
        "state": "systemctl is-enabled countersign.service countersign.socket\n"
                 "systemctl is-active countersign.service countersign.socket\n"
                 f"stat -c '%A %U %G %n' /etc/countersign /run/countersign {CONFIGURATION}",
        "start without key": "systemctl start countersign",
        "status without key": "await '[ $(show countersign.service ActiveState) = failed ]'\n"
                              "systemctl status --no-pager --full countersign",
        "tries without key": "show countersign.service NRestarts; show countersign.service ExecMainStatus",
        "call without key": "await '[ $(show countersign.socket ActiveState) = inactive ]'\n"
                            f"{steps.CALL}; show countersign.service ActiveState; systemctl reset-failed",
        "key": steps.PUT_KEY,
        "endpoint": steps.CHOOSE_ENDPOINT,
        "check": "systemd-run --quiet --wait --pipe --property=LoadCredentialEncrypted=countersign-key "
                 "countersign check",
        "enable": "systemctl enable --now countersign",
        "ready": steps.READY,
        "sandbox": steps.SANDBOX,
        "call": steps.CALL,
        "who": steps.WHO,
        "audit": steps.AUDIT,
        "rotate": steps.ROTATE,
        "load": steps.BEGIN_LOAD,
        "upgrade": steps.restarting("apt-get install --yes --no-install-recommends "
                                    "-o Dpkg::Options::=--force-confold /given/new.deb"),
        "after upgrade": steps.SOME_MORE,
        "version": f"dpkg-query -W -f '${{Version}}\\n' countersign; grep -c '# mine$' {CONFIGURATION}",
        "restart": steps.restarting("systemctl restart countersign"),
        "refused": steps.refused(f"{DPKG} --force-downgrade --install /given/older.deb"),
        "upgrade again": steps.restarting(f"{DPKG} --install /given/new.deb"),
        "reload": "systemctl reload countersign && systemctl is-active countersign",
        "other variant": steps.restarting(f"{DPKG} --install --auto-deconfigure --force-conflicts /given/aws.deb"),
        "after other variant": steps.SOME_MORE,
        "end of load": steps.END_LOAD,
        "purge the replaced": "dpkg --purge countersign; systemctl is-active countersign.service countersign.socket\n"
                              f"ls {CONFIGURATION} {CREDENTIAL} {' '.join(LINKS)}",
        "stop": "systemctl stop countersign.socket countersign.service\n"
                "show countersign.service Result; show countersign.service ExecMainStatus",
        "wrong configuration": f"cp {CONFIGURATION} /kept.toml; echo 'nonsense = 1' >>{CONFIGURATION}\n"
                               "systemctl start countersign; echo $?; show countersign.service ExecMainStatus\n"
                               f"show countersign.service NRestarts; cp /kept.toml {CONFIGURATION}\n"
                               "systemctl reset-failed countersign.service; systemctl start countersign",
        "journal": "journalctl --no-pager --output=cat --unit=countersign",
        "remove": "dpkg --remove countersign-aws",
        "after remove": f"systemctl is-active countersign.service countersign.socket; {LISTENING}",
        "left by remove": LEFT + " | sed 's/jsonl-.*/jsonl-DATE/'",
        "comes back": f"{DPKG} --install /given/aws.deb; systemctl is-active countersign.service countersign.socket",
        "purge": "mkdir -p /etc/credstore; touch /etc/credstore/countersign-sealed-key\n"
                 "for name in identity pin tls-key; do touch /etc/credstore.encrypted/countersign-$name; done\n"
                 "dpkg --purge countersign-aws",
        "left by purge": LEFT + "; dpkg --list 'countersign*' 2>/dev/null | grep '^[a-z]c'",
    })


def test_an_installed_package_starts_nothing_and_says_how_to_put_a_key(said):
    install = said["install"]
    assert install.code == 0, install.text
    assert "systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key" in install.text
    assert said["state"].lines[:4] == ["disabled", "disabled", "inactive", "inactive"]


def test_the_directories_are_made_and_the_configuration_is_closed_to_others(said):
    assert said["state"].lines[4:] == [
        "drwxr-x--- root root /etc/countersign",
        "drwxr-xr-x root root /run/countersign",
        "-rw-r--r-- root root /etc/countersign/countersign.toml",
    ]


def test_without_a_key_the_service_does_not_start_and_says_how_to_put_one(said):
    assert said["start without key"].code == 1
    told = said["status without key"].text
    assert "the credential countersign-key is not in /run/credentials/countersign.service" in told
    assert "systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key" in told
    # once, with the code of a fault that an operator has to mend
    assert said["tries without key"].lines == ["0", "78"]


def test_without_a_key_the_socket_closes_so_that_no_call_starts_the_service_again(said):
    assert len(said["call without key"].lines) == 2, said["call without key"].text
    refused, state = said["call without key"].lines
    assert "Couldn't connect to server" in refused and state == "failed"


def test_check_passes_once_a_key_is_there(said):
    checked = said["check"]
    assert checked.code == 0, checked.text
    assert "listener local: systemd:countersign" in checked.text and steps.SECRET not in checked.text


def test_a_key_and_an_endpoint_are_all_that_the_installed_service_needs(said):
    assert said["enable"].code == 0, said["enable"].text
    assert said["ready"].well() == ["ready"]
    assert "<ListJobsResponse" in said["call"].text and "<Name>Action</Name>" in said["call"].text


def test_the_service_is_a_dynamic_user_without_rights_whose_group_may_read_the_configuration(said):
    uid, *others = said["who"].well()
    assert 61184 <= int(uid.split()[1]) <= 65519  # systemd's range for DynamicUser
    assert others == [
        "capabilities 0000000000000000",
        "no new privileges 1",
        "seccomp 2",
        "core limit 0",
        "configuration drwxr-x--- root",
        "its group is the service's",
    ]


def test_an_audit_in_a_file_has_its_place(said):
    assert said["audit"].well() == ["ready", "1", "drwxr-x---", "-rw-------"]


def test_logrotate_gives_the_audit_a_new_file_and_loses_no_line(said):
    # while calls go on
    assert said["rotate"].well() == ["2 files", "no line lost", "-rw-------"]
    assert "SIGUSR1: opening the audit anew" in said["journal"].text


def test_an_upgrade_under_load_fails_no_call_and_keeps_the_configuration(said):
    assert said["upgrade"].lines[-2:] == ["service: active", "socket: untouched"], said["upgrade"].text
    assert said["version"].well()[1] == "1" and said["version"].lines[0] != OLDER
    assert said["restart"].well() == ["service: active", "socket: untouched"]
    assert said["after upgrade"].code == said["after other variant"].code == 0
    ((code, count),) = [line.split() for line in said["end of load"].well()]
    assert code == "200" and int(count) >= 500


def test_a_version_that_refuses_the_configuration_does_not_end_the_process_that_serves(said):
    assert said["refused"].lines[-1] == "the same process serves", said["refused"].text
    text = said["refused"].text
    assert "process.nonsense: unknown key" in text and "systemctl restart countersign" in text
    assert said["upgrade again"].lines[-2:] == ["service: active", "socket: untouched"]


def test_a_reload_of_the_installed_service_succeeds(said):
    assert said["reload"].well() == ["active"]


def test_the_other_variant_takes_the_place_under_load_and_keeps_all_that_belongs_to_the_service(said):
    assert said["other variant"].lines[-2:] == ["service: active", "socket: untouched"], said["other variant"].text
    replaced = said["purge the replaced"]
    assert replaced.code == 0, replaced.text
    assert replaced.lines[-6:] == ["active", "active", CONFIGURATION, CREDENTIAL, *LINKS]


def test_a_stop_is_clean_and_a_wrong_configuration_is_tried_once(said):
    assert said["stop"].well() == ["success", "0"]
    assert said["wrong configuration"].lines[-3:] == ["1", "78", "0"], said["wrong configuration"].text


def test_the_journal_holds_no_secret(said):
    assert "draining" in said["journal"].text and steps.SECRET not in said["journal"].text


def test_a_package_that_is_removed_leaves_nothing_but_what_an_administrator_has_put(said):
    assert said["remove"].code == 0, said["remove"].text
    assert said["after remove"].lines == ["inactive", "inactive", "0"]
    assert said["left by remove"].lines == [
        "/etc/countersign",
        CONFIGURATION,
        f"{CONFIGURATION}.dpkg-dist",  # the package's own, which an upgrade put beside the administrator's
        "/etc/credstore.encrypted",
        CREDENTIAL,
        "/etc/logrotate.d/countersign",
        LINKS[0],
        "/etc/systemd/system/sockets.target.wants",
        LINKS[1],
        "/run/countersign",
        "/var/log/countersign",
        "/var/log/private/countersign",
        "/var/log/private/countersign/audit.jsonl",
        "/var/log/private/countersign/audit.jsonl-DATE",
    ]


def test_a_package_that_comes_back_says_how_to_start_what_is_enabled(said):
    assert "To start it now, as root: systemctl start countersign" in said["comes back"].text
    assert said["comes back"].lines[-2:] == ["inactive", "inactive"]


def test_a_package_that_is_purged_leaves_neither_configuration_nor_credentials_nor_audit(said):
    assert said["purge"].code == 0, said["purge"].text
    # the directories may be anybody's
    assert said["left by purge"].lines == ["/etc/credstore", "/etc/credstore.encrypted"]


def test_the_tools_of_debian_compute_the_same_dependencies(deb, tmp_path):
    run("dpkg-deb", "--extract", deb("countersign"), tmp_path / "tree")
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian/control").write_text("Source: countersign\n\nPackage: countersign\nArchitecture: any\n")
    done = subprocess.run(["dpkg-shlibdeps", "-O", "tree/usr/bin/countersign"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=True)
    theirs = done.stdout.strip().removeprefix("shlibs:Depends=").split(", ")
    ours = run("dpkg-deb", "--field", deb("countersign"), "Depends").strip().split(", ")
    assert sorted(ours) == sorted([*theirs, "procps"])
