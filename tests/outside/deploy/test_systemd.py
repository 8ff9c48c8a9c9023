"""The systemd service: systemd's own opinion of it, and the program run under what the unit forbids."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tomllib

import pytest
from serving import serving

HERE = pathlib.Path(__file__).resolve().parent
UNIT = HERE.parents[2] / "deploy/systemd/countersign.service"
CONFIG = HERE.parents[2] / "deploy/systemd/countersign.toml"
SOCKET = UNIT.with_suffix(".socket")


def settings(key, unit=UNIT):
    return [line.split("=", 1)[1] for line in unit.read_text().splitlines() if line.startswith(key + "=")]


def setting(key):
    (value,) = settings(key)
    return value


@pytest.fixture
def unit(tmp_path, countersign):
    """The unit with the path of the program under test, so that `verify` finds what it starts."""
    text = UNIT.read_text().replace("/usr/bin/countersign", str(countersign))
    copy = tmp_path / "countersign.service"
    copy.write_text(text)
    return copy


# --- what systemd says


def test_systemd_finds_no_fault(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert done.returncode == 0 and not said, done.stdout + done.stderr


def test_systemd_finds_a_planted_fault(unit):
    """Shows that `verify` looks at the copy."""
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strikt\nNoSuchSetting=1"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    assert "strikt" in done.stderr and "NoSuchSetting" in done.stderr


def test_systemd_rates_the_exposure_at_most_1_2(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=12", unit],
        capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1]) <= 1.2


# --- what the unit and the program have to agree on


def test_the_service_is_started_with_the_configuration_that_is_shipped_for_it():
    # which reads /etc/countersign/countersign.toml: clients/test_found_configuration.py
    assert setting("ExecStart") == "/usr/bin/countersign run"
    assert setting("Type") == "notify"


def test_stopping_outlasts_the_drain():
    process = tomllib.loads(CONFIG.read_text())["process"]
    longest = sum(int(process.get(name, "0s").removesuffix("s")) for name in ("drain_delay", "drain"))
    assert int(setting("TimeoutStopSec")) > longest


def test_a_start_that_cannot_succeed_is_not_repeated():
    assert sorted(setting("RestartPreventExitStatus").split()) == ["77", "78"]
    assert setting("Restart") == "on-failure"


def test_the_key_is_a_credential_that_the_unit_loads():
    key = tomllib.loads(CONFIG.read_text())["key"]["main"]
    assert key["credential"] in settings("LoadCredentialEncrypted")
    # each is looked for in /etc/credstore.encrypted, and may be missing
    assert not [value for value in settings("LoadCredentialEncrypted") if ":" in value]


def test_the_service_may_bind_its_configured_ports_alone():
    config = tomllib.loads(CONFIG.read_text())
    assert setting("SocketBindDeny") == "any"
    assert settings("SocketBindAllow") == [f"ipv4:tcp:{config['admin']['address'].split(':')[1]}"]


def test_the_listener_takes_the_socket_of_the_socket_unit_by_its_name():
    (name,) = settings("FileDescriptorName", SOCKET)
    assert tomllib.loads(CONFIG.read_text())["listener"]["local"]["address"] == f"systemd:{name}"
    assert settings("ListenStream", SOCKET) == ["127.0.0.1:8021"]
    assert SOCKET.name in setting("Wants").split() and SOCKET.name in setting("After").split()
    assert setting("Also") == SOCKET.name


def test_the_watchdog_of_the_unit_is_longer_than_a_worker_can_be_busy():
    assert int(setting("WatchdogSec")) >= 10


def test_the_worst_case_fits_the_memory_limit():
    """Connections of 96 KiB, as `countersign check` counts them, forms five times while they are sent and twice while
    they are received, a thousand parameters of 48 bytes in each, and 32 MiB for the program itself."""
    config = tomllib.loads(CONFIG.read_text())
    limits = config["route"]["importexport"]["limits"]
    connections = config["listener"]["local"]["limits"]["connections"]
    body = int(limits["body"].removesuffix(" KiB"))
    bodies = int(config["process"]["bodies"].removesuffix(" MiB")) * 1024
    sent = min(limits["in_flight"] * body, bodies)
    received = min(connections * body, bodies) - sent
    worst = connections * 96 + limits["in_flight"] * (64 + 48) + sent * 5 + received * 2
    assert worst / 1024 + 32 <= int(setting("MemoryMax").removesuffix("M"))


# --- the program under what the unit forbids


def confined(*words):
    return [sys.executable, HERE / "confined.py", UNIT, *words]


def test_the_confinement_confines(run, place):
    assert place.exists()  # asks for root
    said = dict(line.rsplit(" ", 1) for line in run(confined("--probe")).splitlines())
    assert said == {
        "chroot": "EPERM",
        "nice": "EPERM",
        "netlink": "EAFNOSUPPORT",
        "inet": "allowed",
        "writable code": "EPERM",
        "fork": "allowed",
        "setuid": "EPERM",
        "uid": "65532",
    }


def test_the_program_starts_confined(program, run):
    assert run(confined(program, "--version")).startswith("countersign ")


@pytest.fixture(params=["ramfs", "tmpfs"])
def service(request, program, place, access_key, let_read):
    """The program, the shipped configuration and the credentials, as systemd would have them laid out.

    On a ramfs the files are the service user's, 0400. On a tmpfs (newer systemd) they stay root's and the user reads
    them by an access control list, so that `stat` says 0440.
    """
    credentials = place / "credentials"
    credentials.mkdir(mode=0o700)
    for name, content in {"countersign-key": json.dumps(access_key)}.items():
        path = credentials / name
        path.write_text(content)
        if request.param == "ramfs":
            path.chmod(0o400)
            os.chown(path, 65532, 0)
        else:
            let_read(path, 65532, 0o4)
            assert path.stat().st_mode & 0o777 == 0o440 and path.stat().st_uid == 0
    if request.param == "ramfs":
        credentials.chmod(0o500)
        os.chown(credentials, 65532, 0)
    else:
        let_read(credentials, 65532, 0o5)
    config = place / "countersign.toml"
    config.write_text(CONFIG.read_text())
    config.chmod(0o644)
    return program, config, {"CREDENTIALS_DIRECTORY": str(credentials)}


def test_check_accepts_the_configuration_and_the_credentials(service, run, secret):
    program, config, environment = service
    output = run(confined(program, "check", "--config", config), env={**os.environ, **environment})
    assert secret not in output


def test_the_unit_lets_the_program_confine_itself_further(service, run):
    program, config, environment = service
    output = run(confined(program, "check", "--config", config), env={**os.environ, **environment})
    (posture,) = [line for line in output.splitlines() if line.startswith("posture: ")]
    assert "seccomp fully enforced" in posture and "landlock not enforced" not in posture


def test_the_service_says_ready_reloads_says_stopping_and_ends_cleanly(service, place, secret):
    program, config, environment = service
    with serving(confined(program, "run", "--config", config), place, environment) as proxy:
        proxy.wait_for_notice("READY=1")
        assert proxy.probe("/readyz") == 200
        proxy.process.send_signal(signal.SIGHUP)
        # as Type=notify-reload wants it: the time in the same message, and then ready again
        said = proxy.wait_for_notice("RELOADING=1")
        assert re.fullmatch(r"MONOTONIC_USEC=[1-9]\d*", said[-1])
        assert "READY=1" in proxy.wait_for_notice("STATUS=serving")
        proxy.wait_for_probe("/readyz")
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for_notice("STOPPING=1")
        assert proxy.process.wait(timeout=40) == 0, proxy.output()
        assert secret not in proxy.output()


def test_the_service_manager_waits_for_a_delay_and_a_drain_that_are_longer_than_the_unit_says(service, place):
    program, config, environment = service
    times = {"COUNTERSIGN__PROCESS__DRAIN_DELAY": "100s", "COUNTERSIGN__PROCESS__DRAIN": "200s"}
    with serving(confined(program, "run", "--config", config), place, environment | times) as proxy:
        proxy.wait_for_notice("READY=1")
        proxy.process.send_signal(signal.SIGTERM)
        # the delay, the drain, 2 seconds for log and audit, and one to spare
        assert 302e6 <= extension(proxy.wait_for_notice("STOPPING=1")) <= 303e6
        proxy.process.send_signal(signal.SIGTERM)
        assert extension(proxy.wait_for_notice("STOPPING=1")) == 203e6
        assert proxy.process.wait(timeout=40) == 0, proxy.output()


def extension(message):
    (line,) = [line for line in message if line.startswith("EXTEND_TIMEOUT_USEC=")]
    return int(line.partition("=")[2])
