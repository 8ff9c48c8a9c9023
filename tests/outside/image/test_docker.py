"""The image and the Compose files in Docker's own engine, by the commands that the documents name."""

import json
import os
import re
import time

import documents
import pytest
import yaml
from docker_engine import PATIENCE, engine
from image_archive import TOP, run

# AWS's documentation example
KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


@pytest.fixture(scope="module")
def docker():
    if os.geteuid() != 0:
        pytest.fail("an engine needs root: run this test as root, in a container if need be")
    with engine() as docker:
        yield docker


@pytest.fixture(scope="module")
def loaded(docker, archive):
    """The name of the image, which Docker has loaded, and which has the tags of the samples too."""
    printed = docker.run("docker", "load", "--input", archive.path)
    (name,) = re.findall(r"Loaded image: (\S+)", printed)
    tag = name.rpartition(":")[2]
    for sample in (tag, tag.removesuffix("-aws")):
        docker.run("docker", "tag", name, f"countersign:{sample}")
    return name


@pytest.fixture(scope="module")
def curl(docker, tmp_path_factory):
    """An image of this machine's curl under the name that the samples have for it: nothing is pulled."""
    root = tmp_path_factory.mktemp("curl") / "root"
    run([TOP / "deploy/collect-root", "/usr/bin/curl", root])
    docker.add("curlimages/curl:8.11.1", root, 'ENTRYPOINT ["/usr/bin/countersign"]')


def test_docker_knows_the_health_check_the_user_and_the_labels(docker, loaded, archive):
    (seen,) = json.loads(docker.run("docker", "image", "inspect", loaded))
    config = archive.config()["config"]
    assert seen["Config"]["Healthcheck"] == config["Healthcheck"]
    assert (seen["Config"]["User"], seen["Config"]["StopSignal"]) == ("65532:65532", "SIGTERM")
    assert seen["Config"]["Labels"] == config["Labels"]


CONFINED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"]


def test_the_demonstration_runs_in_docker(docker, loaded):
    words = ["docker", "run", "--rm", *CONFINED, "--tmpfs", "/tmp", loaded, "demo", "--once"]
    assert "<GetStatusResponse" in docker.run(*words)


def state_of(docker, container):
    return json.loads(docker.run("docker", "inspect", container))[0]["State"]


def test_docker_finds_the_container_healthy_by_the_check_in_the_image(docker, loaded):
    settings = {"LISTENER__LOCAL__ANY_LOCAL": "true", "ADMIN__ADDRESS": "127.0.0.1:8022", "KEY__MAIN__KIND": "file",
                "ROUTE__IMPORTEXPORT__ENDPOINT": "https://importexport.amazonaws.com", "KEY__MAIN__FILE": "/absent"}
    given = [word for name, value in settings.items() for word in ("--env", f"COUNTERSIGN__{name}={value}")]
    # more often than in the image, which asks every 30 s
    docker.run("docker", "run", "--detach", "--name", "healthy", *CONFINED, "--health-interval", "1s", *given, loaded)
    deadline = time.monotonic() + PATIENCE
    while (state := state_of(docker, "healthy"))["Health"]["Status"] != "healthy":
        assert state["Running"] and time.monotonic() < deadline, state
        time.sleep(0.2)
    # alive, and not ready: its key is missing
    assert state["Health"]["Log"][-1]["Output"] == "alive: http://127.0.0.1:8022\n"
    docker.run("docker", "stop", "healthy")
    assert state_of(docker, "healthy")["ExitCode"] == 0


def test_docker_builds_the_same_image_from_the_containerfile(docker, countersign_bin, tmp_path):
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    run([TOP / "deploy/collect-root", countersign_bin, tmp_path / f"root-{machine}"])
    docker.run("docker", "build", "--quiet", "--file", TOP / "deploy/Containerfile", "--tag", "built", "--build-arg",
               f"TARGETARCH={machine}", tmp_path)
    assert docker.run("docker", "run", "--rm", *CONFINED, "built", "--version").startswith("countersign ")


@pytest.mark.usefixtures("curl")
def test_countersign_in_the_network_of_a_container_signs_its_calls(docker, loaded, countersign_bin, tmp_path):
    """The blocks of the page that make the key readable and start it; the endpoint is the sandbox in that network."""
    blocks = [block.text for block in documents.blocks(TOP / "docs/how-to/compose.md")]
    (keys,) = [text for text in blocks if text.startswith("install -d")]
    (start,) = [text for text in blocks if "--network container:SERVICE" in text]
    run([countersign_bin, "keys", "new-identity", "--out", tmp_path / "main.identity"])
    run([countersign_bin, "keys", "seal", "--identity", tmp_path / "main.identity", "--out", tmp_path / "main.age"],
        input=json.dumps(KEY))
    docker.run("bash", "-euc", keys, cwd=tmp_path)
    # the service: here the endpoint itself, so that one network has all
    docker.run("docker", "run", "--detach", "--name", "SERVICE", *CONFINED, "--env",
               f"AWS_SECRET_ACCESS_KEY={KEY['SecretAccessKey']}", loaded, "sandbox", "--plain", "--listen",
               "127.0.0.1:8443", "--access-key-id", KEY["AccessKeyId"])
    text = start.replace("docker run", "docker run --detach")
    text = text.replace("https://importexport.amazonaws.com", "http://127.0.0.1:8443")
    docker.run("bash", "-euc", text, cwd=tmp_path)
    printed = docker.run("docker", "run", "--rm", "--network", "container:SERVICE", "curlimages/curl:8.11.1",
                         "--silent", "--retry", "30", "--retry-delay", "1", "--retry-connrefused", "--data",
                         "Action=ListJobs&Version=2010-06-03", "http://127.0.0.1:8021/")
    assert "<ListJobsResponse" in printed
    docker.run("docker", "stop", *docker.run("docker", "ps", "--quiet").split())


def compose(docker, *words, **options):
    return docker.run("docker-compose", "--no-ansi", "--project-name", "tried", *words, **options)


def test_compose_starts_the_service_when_countersign_is_ready_and_its_call_is_signed(docker, loaded, curl):
    file = ["--file", TOP / "deploy/compose.yaml"]
    try:
        printed = compose(docker, *file, "up", "--abort-on-container-exit", "--exit-code-from", "service")
        assert "<ListJobsResponse" in printed
        assert re.search(r"Z ListJobs AKIAIOSFODNN7EXAMPLE 200", printed), printed
    finally:
        compose(docker, *file, "down", "--timeout", "1")


def test_compose_with_a_key_in_a_secret_signs_the_call_of_its_app(docker, loaded, curl, tmp_path):
    """All is as in the sample but the endpoint: the sandbox, in countersign's network to the outside."""
    for name in ("compose.yaml", "docker.toml"):
        (tmp_path / name).write_bytes((TOP / "deploy/keys" / name).read_bytes())
    (tmp_path / "countersign-key.json").write_text(json.dumps(KEY))
    (tmp_path / "countersign-key.json").chmod(0o400)
    for name in ("countersign-key.json", "docker.toml"):
        os.chown(tmp_path / name, 65532, 65532)
    sample = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["countersign"]
    sandbox = {"image": sample["image"], "networks": ["outside"], "environment": {
        "AWS_SECRET_ACCESS_KEY": KEY["SecretAccessKey"]}, "command": [
            "sandbox", "--plain", "--listen", "0.0.0.0:8443", "--access-key-id", KEY["AccessKeyId"]]}
    endpoint = {"COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT": "http://sandbox:8443/",
                "COUNTERSIGN__ROUTE__IMPORTEXPORT__DANGER_PLAINTEXT": "true"}
    over = {"services": {"sandbox": sandbox, "countersign": {"environment": endpoint}}}
    (tmp_path / "over.yaml").write_text(yaml.safe_dump(over))
    files = ["--file", tmp_path / "compose.yaml", "--file", tmp_path / "over.yaml"]
    try:
        printed = compose(docker, *files, "up", "--abort-on-container-exit", "--exit-code-from", "app")
        assert "<ListJobsResponse" in printed
    finally:
        compose(docker, *files, "down", "--timeout", "1")


def test_the_image_section_of_the_manual_ends_with_a_signed_call(docker, loaded, curl, archive, tmp_path):
    """The block that loads the image and makes a call, as a reader runs it beside the archive."""
    blocks = [block.text for block in documents.blocks(TOP / "docs/guide/install.md")]
    (text,) = [text for text in blocks if "docker load" in text]
    (name,) = re.findall(r"--input (\S+\.oci\.tar)", text)
    (tmp_path / name).symlink_to(archive.path)
    (tmp_path / "deploy").symlink_to(TOP / "deploy")
    # Debian's Compose is a program of its own
    text = text.replace("docker compose ", "docker-compose --no-ansi ")
    try:
        done = docker.run("bash", "-euo", "pipefail", "-c", text, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout
        assert "<GetStatusResponse" in done.stdout and "<ListJobsResponse" in done.stdout, done.stdout
    finally:
        docker.run("docker-compose", "--file", "deploy/compose.yaml", "down", "--timeout", "1", cwd=tmp_path)
