"""The rpm in a system with a running systemd: installed, upgraded under load, removed.

The system is a Debian with rpm's own program and an empty database: what the package needs of an RPM distribution is
said to be there by a stand-in.
"""

import pytest
import steps
from machine import boot
from packaging_commands import OLDER, run

CONFIGURATION = "/etc/countersign/countersign.toml"
CREDENTIAL = "/etc/credstore.encrypted/countersign-key"
LISTENING = "grep -c ':1F55 00000000:0000 0A' /proc/net/tcp"


def swap(old, new):
    """What `dnf swap` does: one package goes and the other comes, in one transaction."""
    return f"""
python3 - {old} {new} <<'EOF'
import os, rpm, sys
old, new = sys.argv[1:]
transaction = rpm.TransactionSet()
with open(new) as file:
    transaction.addInstall(transaction.hdrFromFdno(file), new, 'i')
transaction.addErase(old)
opened = []
def serve(what, amount, total, path, data):
    if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
        opened.append(os.open(path, os.O_RDONLY))
        return opened[-1]
    if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(opened.pop())
assert not transaction.check()
transaction.order()
assert not transaction.run(serve, '')
EOF
"""


@pytest.fixture(scope="module")
def stand_in(rpm, tmp_path_factory):
    """A package without files that provides what the packages of a distribution do."""
    directory = tmp_path_factory.mktemp("stand-in")
    needed = run("rpm", "-qp", "--requires", rpm("countersign")).splitlines()
    provides = {need.split(" ")[0] for need in needed if not need.startswith("rpmlib(")} | {"/bin/sh"}
    lines = ["name: distribution", "arch: noarch", "version: 1", "maintainer: nobody", "provides:"]
    lines += [f"  - '{name}{' = 999' if name == 'systemd' else ''}'" for name in sorted(provides)]
    (directory / "nfpm.yaml").write_text("\n".join(lines) + "\n")
    run("nfpm", "package", "--config", directory / "nfpm.yaml", "--packager", "rpm", "--target",
        directory / "distribution.rpm")
    return directory / "distribution.rpm"


@pytest.fixture(scope="module")
def said(root, rpm, stand_in, tmp_path_factory):
    given = {"older.rpm": rpm("countersign", OLDER), "new.rpm": rpm("countersign"), "aws.rpm": rpm("countersign-aws"),
             "distribution.rpm": stand_in}
    return boot(root, tmp_path_factory.mktemp("rpm"), given, {
        "distribution": "cd /usr/share; mkdir -p licenses bash-completion/completions fish/vendor_completions.d "
                        "zsh/site-functions; rpm --install /given/distribution.rpm",
        # what most RPM distributions say
        "preset": "mkdir -p /etc/systemd/system-preset; echo 'disable *' >/etc/systemd/system-preset/99.preset",
        "before": "files >/before",
        "install": "rpm --install /given/older.rpm",
        "state": "systemctl is-enabled countersign.service countersign.socket\n"
                 "systemctl is-active countersign.service countersign.socket\n"
                 f"stat -c '%A %U %G %n' /etc/countersign /run/countersign {CONFIGURATION}",
        "verify": "rpm --verify countersign",
        "key": steps.PUT_KEY,
        "endpoint": steps.CHOOSE_ENDPOINT,
        "enable": "systemctl enable --now countersign",
        "ready": steps.READY,
        "sandbox": steps.SANDBOX,
        "call": steps.CALL,
        "load": steps.BEGIN_LOAD,
        "upgrade": steps.restarting("rpm --upgrade /given/new.rpm"),
        "after upgrade": steps.SOME_MORE,
        "end of load": steps.END_LOAD,
        "version": f"rpm --query --queryformat '%{{VERSION}}\\n' countersign; grep -c '# mine$' {CONFIGURATION}",
        "refused": steps.refused("rpm --upgrade --oldpackage /given/older.rpm"),
        "swap": steps.restarting(swap("countersign", "/given/aws.rpm")),
        "swapped": "rpm --query --all 'countersign*'; systemctl is-enabled countersign.service countersign.socket\n"
                   f"grep -c '# mine$' {CONFIGURATION}; test -x /usr/bin/countersign && {steps.CALL}",
        "back": swap("countersign-aws", "/given/new.rpm"),
        "both": "rpm --install /given/aws.rpm",
        "erase": "rpm --erase countersign",
        "after erase": f"systemctl is-active countersign.service countersign.socket; {LISTENING}",
        "left": "files | diff /before - | sed -n 's/^[<>] //p'",
        "variant": "rpm --install /given/aws.rpm && rpm --query --whatprovides countersign",
    })


def test_an_rpm_installs_with_its_dependencies_checked_and_starts_nothing(said):
    assert said["distribution"].code == 0, said["distribution"].text
    install = said["install"]
    assert install.code == 0, install.text
    assert "systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key" in install.text
    assert said["state"].lines == [
        "disabled", "disabled", "inactive", "inactive",
        "drwxr-x--- root root /etc/countersign",
        "drwxr-xr-x root root /run/countersign",
        f"-rw-r--r-- root root {CONFIGURATION}",
    ]
    assert said["verify"].well() == []


def test_the_service_of_an_rpm_signs_a_call(said):
    assert said["enable"].code == 0, said["enable"].text
    assert said["ready"].well() == ["ready"]
    assert "<ListJobsResponse" in said["call"].text


def test_an_upgrade_of_an_rpm_under_load_fails_no_call_and_keeps_the_configuration(said):
    assert said["upgrade"].lines[-2:] == ["service: active", "socket: untouched"], said["upgrade"].text
    assert said["after upgrade"].code == 0
    ((code, count),) = [line.split() for line in said["end of load"].well()]
    assert code == "200" and int(count) >= 300
    assert said["version"].well()[1] == "1" and said["version"].lines[0] != OLDER


def test_a_version_that_refuses_the_configuration_does_not_end_the_process_that_serves(said):
    assert said["refused"].lines[-1] == "the same process serves", said["refused"].text
    text = said["refused"].text
    assert "process.nonsense: unknown key" in text and "systemctl restart countersign" in text


def test_the_other_variant_takes_the_place_in_one_transaction_and_the_service_goes_on(said):
    assert said["swap"].lines[-2:] == ["service: active", "socket: untouched"], said["swap"].text
    package, *state, call = said["swapped"].well()
    assert package.startswith("countersign-aws-") and state == ["enabled", "enabled", "1"]
    assert "<ListJobsResponse" in call and said["back"].code == 0


def test_rpm_refuses_the_other_variant_beside_this_one_and_takes_it_in_its_place(said):
    assert said["both"].code != 0 and "conflicts" in said["both"].text
    assert said["variant"].well()[-1].startswith("countersign-aws-")


def test_an_rpm_that_is_erased_leaves_nothing_but_what_an_administrator_has_put(said):
    assert said["erase"].code == 0, said["erase"].text
    assert said["after erase"].lines == ["inactive", "inactive", "0"]
    assert said["left"].lines == [
        "/etc/countersign",
        f"{CONFIGURATION}.rpmsave",
        "/etc/credstore.encrypted",
        CREDENTIAL,
        "/run/countersign",
        "/var/log/countersign",
        "/var/log/private/countersign",
    ]
