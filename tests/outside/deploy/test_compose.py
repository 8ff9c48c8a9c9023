"""The Compose file: its parts fit together, and its command serves another container."""

import json
import os
import pathlib
import subprocess
import tomllib

import pytest
import yaml
from namespaces import PATIENCE, connected, line_of, started
from serving import container

KEYS = pathlib.Path(__file__).resolve().parents[3] / "deploy/keys"
COMPOSE = yaml.safe_load((KEYS / "compose.yaml").read_text())
SERVICE, APP = COMPOSE["services"]["countersign"], COMPOSE["services"]["app"]
CONFIG = tomllib.loads((KEYS / "docker.toml").read_text())
LISTENER = CONFIG["listener"]["local"]
URL = "http://countersign:8021/"


def test_the_app_calls_the_name_and_port_that_countersign_answers_to():
    assert APP["command"][-1] == URL
    assert LISTENER["hosts"] == [URL.removeprefix("http://").rstrip("/")]
    address, _, port = LISTENER["address"].rpartition(":")
    assert (address, port) == ("0.0.0.0", "8021")


def test_only_the_app_shares_a_network_with_countersign_and_no_port_is_published():
    assert "ports" not in SERVICE and "network_mode" not in SERVICE
    signing = {name for name, service in COMPOSE["services"].items() if "signing" in service["networks"]}
    outside = {name for name, service in COMPOSE["services"].items() if "outside" in service["networks"]}
    assert (signing, outside) == ({"countersign", "app"}, {"countersign"})
    assert COMPOSE["networks"]["signing"]["internal"] is True


def test_the_grace_period_outlasts_the_drain_and_the_container_has_no_rights():
    process = CONFIG.get("process", {})
    times = {"drain_delay": "0s", "drain": "25s"} | process
    longest = sum(int(times[name].rstrip("s")) for name in ("drain_delay", "drain"))
    assert int(SERVICE["stop_grace_period"].rstrip("s")) > longest
    assert SERVICE["read_only"] is True and SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]


@pytest.fixture
def networks():
    """The network namespace of countersign with its address, and the one of its caller."""
    with connected("countersign", "app") as namespaces:
        yield *namespaces["countersign"], namespaces["app"][0]


@pytest.fixture
def image(deploy, countersign, place, run, access_key):
    """The image's root with what the Compose file mounts, owned as its comment says."""
    root = place / "image"
    run([deploy / "collect-root", countersign, root])
    (secret,) = SERVICE["secrets"]
    (volume,) = SERVICE["volumes"]
    source, target, _ = volume.split(":")
    for path, content, mode in [(secret["target"], json.dumps(access_key).encode(), 0o400),
                                (target, (KEYS / source).read_bytes(), 0o644)]:
        inside = root / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_bytes(content)
        os.chown(inside, 65532, 65532)
        inside.chmod(mode)
    return root


def test_the_command_of_compose_serves_another_container_by_its_name(image, networks, countersign, place):
    ours, address, theirs = networks
    sandbox_log, log = place / "sandbox.log", place / "countersign.log"
    sandbox = ["ip", "netns", "exec", ours, countersign, "sandbox", "--plain", "--listen", "127.0.0.1:0"]
    with started(sandbox, sandbox_log) as endpoint:
        url = line_of(endpoint, sandbox_log, r"listening on (\S+)")[1]
        # everything is as in the Compose file but the endpoint
        command = ["ip", "netns", "exec", ours, *container(image, *SERVICE["command"], user=SERVICE["user"])]
        with started(command, log, COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT=f"{url}/") as proxy:
            line_of(proxy, log, r"listening.* address=0\.0\.0\.0:8021")

            def call(*words):
                curl = ["ip", "netns", "exec", theirs, "curl", "--resolve", f"countersign:8021:{address}", *words]
                return subprocess.run(curl, capture_output=True, text=True, timeout=PATIENCE, check=False)

            done = call(*APP["command"])
            assert done.returncode == 0 and "<ListJobsResponse" in done.stdout, f"{done}\n{log.read_text()}"
            line_of(endpoint, sandbox_log, r"Z ListJobs AKIAIOSFODNN7EXAMPLE 200")
            # a name that is not configured is refused, whoever calls
            other = call("--silent", "--header", "Host: elsewhere:8021", "--data", "Action=ListJobs", URL)
            assert "AccessDenied" in other.stdout, other


def test_the_healthcheck_of_compose_tells_when_the_app_may_start(image, networks, place):
    assert APP["depends_on"] == {"countersign": {"condition": "service_healthy"}}
    kind, program, *arguments = SERVICE["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "/usr/bin/countersign")
    ours, _, _ = networks
    within = ["ip", "netns", "exec", ours]

    def healthy():
        command = [*within, *container(image, *arguments, user=SERVICE["user"])]
        return subprocess.run([str(word) for word in command], capture_output=True, timeout=PATIENCE, check=False)

    assert healthy().returncode == 1
    log = place / "countersign.log"
    with started([*within, *container(image, *SERVICE["command"], user=SERVICE["user"])], log) as proxy:
        line_of(proxy, log, r"key loaded")
        done = healthy()
        assert (done.returncode, done.stdout) == (0, b"ready: http://127.0.0.1:8022\n"), done
    assert healthy().returncode == 1
