"""Both Compose files are what Compose reads; the one with the sandbox signs a call without a file or a key of ours."""

import json
import os
import pathlib
import subprocess
import sys
import tomllib

import compose_spec
import pytest
import yaml
from namespaces import PATIENCE, connected, line_of, started
from serving import container, give_devices

TOP = pathlib.Path(__file__).resolve().parents[3]
FILES = [TOP / "deploy/compose.yaml", TOP / "deploy/keys/compose.yaml"]
COMPOSE = yaml.safe_load(FILES[0].read_text())
SERVICES = COMPOSE["services"]
SANDBOX, COUNTERSIGN, SERVICE = SERVICES["sandbox"], SERVICES["countersign"], SERVICES["service"]


def judged(text, place):
    """What the published schema of Compose says, and what another implementation's model says."""
    path = place / "compose.yaml"
    path.write_text(text)
    tool = pathlib.Path(sys.executable).parent / "check-jsonschema"
    schema = subprocess.run([tool, "--builtin-schema", "vendor.compose-spec", path], capture_output=True, text=True,
                            timeout=PATIENCE, check=False)
    yield schema.returncode == 0, schema.stdout
    try:
        # YAML as Docker reads it (0400 is octal), which the model's own reader does not
        compose_spec.PyCompose.from_json(json.dumps(yaml.safe_load(text))).validate()
    except ValueError as error:
        yield False, str(error)
    else:
        yield True, ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_a_compose_file_keeps_to_the_specification(path, tmp_path):
    text = path.read_text()
    assert list(judged(text, tmp_path)) == [(True, "ok -- validation done\n"), (True, "")]
    # a slip is found by both, so that their silence says something
    slipped = text.replace("depends_on:", "depends:")
    assert slipped != text
    assert [good for good, _ in judged(slipped, tmp_path)] == [False, False]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_the_image_of_compose_is_of_this_version(path):
    version = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
    images = {service["image"] for service in yaml.safe_load(path.read_text())["services"].values()}
    ours = {image for image in images if image.startswith("countersign:")}
    # keys from the environment are in the variant with AWS's sources alone
    assert ours == {f"countersign:{version}-aws" if path == FILES[0] else f"countersign:{version}"}


def test_all_services_share_one_network_without_a_way_out_and_need_no_file():
    assert [service["networks"] for service in SERVICES.values()] == [["signing"]] * 3
    assert COMPOSE["networks"] == {"signing": {"internal": True}}
    for service in SERVICES.values():
        assert not {"ports", "volumes", "secrets", "configs", "network_mode", "build"} & set(service)
    for service in (SANDBOX, COUNTERSIGN):
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"] and service["user"] == "65532:65532"
    assert not SERVICE.get("environment"), "the service holds no key"


@pytest.fixture
def stage(deploy, countersign, place, run):
    """The image's root, and a network with a namespace for each service whose names countersign can look up."""
    root = place / "image"
    run([deploy / "collect-root", countersign, root])
    give_devices(root)
    with connected(*SERVICES) as namespaces:
        (root / "etc/hosts").write_text("".join(f"{address} {name}\n" for name, (_, address) in namespaces.items()))
        yield root, namespaces


def command_of(stage, name, *words):
    """The command of a service, in its namespace and as its user."""
    root, namespaces = stage
    inside = container(root, *words, user=SERVICES[name]["user"])
    return ["ip", "netns", "exec", namespaces[name][0], *inside]


def ended(command, **environment):
    return subprocess.run([str(word) for word in command], env={"PATH": os.environ["PATH"], **environment},
                          capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_countersign_in_compose_signs_the_call_of_a_service_that_waited_for_it(stage, place):
    assert SERVICE["depends_on"] == {"countersign": {"condition": "service_healthy"}}
    assert COUNTERSIGN["depends_on"] == {"sandbox": {"condition": "service_started"}}
    kind, program, *health = COUNTERSIGN["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "/usr/bin/countersign")
    settings = COUNTERSIGN["environment"]
    checked = ended(command_of(stage, "countersign", "check"), **settings)
    assert checked.returncode == 0 and "danger" not in checked.stderr, checked

    _, namespaces = stage
    logs = {name: place / f"{name}.log" for name in SERVICES}
    serving = command_of(stage, "sandbox", *SANDBOX["command"])
    with started(serving, logs["sandbox"], **SANDBOX["environment"]) as sandbox:
        line_of(sandbox, logs["sandbox"], r"listening on")
        assert ended(command_of(stage, "countersign", *health), **settings).returncode == 1
        command = command_of(stage, "countersign", *COUNTERSIGN["command"])
        with started(command, logs["countersign"], **settings) as proxy:
            line_of(proxy, logs["countersign"], r"key loaded")
            assert ended(command_of(stage, "countersign", *health), **settings).returncode == 0
            name, _ = namespaces["service"]
            host, _, port = settings["COUNTERSIGN__LISTENER__LOCAL__HOSTS"].partition(":")
            resolve = f"{host}:{port}:{namespaces['countersign'][1]}"
            called = ended(["ip", "netns", "exec", name, "curl", "--resolve", resolve, *SERVICE["command"]])
            assert called.returncode == 0 and "<ListJobsResponse" in called.stdout, f"{called}\n{logs}"
            line_of(sandbox, logs["sandbox"], r"Z ListJobs AKIAIOSFODNN7EXAMPLE 200")
