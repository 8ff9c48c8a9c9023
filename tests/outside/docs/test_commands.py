"""The commands in the documents: each block is run as a reader would run it, or is in the list of those that are not.

The README's five minutes are run by clients/test_five_minutes.py.
"""

import email.utils
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import tomllib

import boto3
import documents
import pytest

# AWS's documented example keys
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TIMEOUT = 60  # seconds

# Blocks that no test runs as they stand: how they begin, and why.
NOT_RUN = {
    "cargo bench ": "takes minutes; what it names is there (below)",
    "python3 benches/fleet_model.py ": "fleet/test_fleet_model.py compares the page with what it prints",
    "python3 benches/fairness.py ": "takes minutes; tests/outside/fairness makes the same attacks",
    "countersign config schema ": "clients/test_configuration_schema.py compares what it prints with the file",
    "countersign keys list --format json": "clients/test_json_documents.py lists such a directory",
    "tombi lint ": "clients/test_configuration_schema.py runs it, and taplo, on every sample",
    "taplo check ": "clients/test_configuration_schema.py runs it on every sample",
    "countersign top": "needs a terminal, or a running proxy at the default address; terminal/test_top.py has both",
    "cargo install ": "builds the release once more; tests/run builds it from the same sources",
    "cargo run --release -- demo": "clients/test_demo.py runs the demo of the release that tests/run built",
    "cargo test ": "tests/run runs it, with everything else",
    "countersign keys import-pkcs11 ": "clients/test_pkcs11.py imports with the paths of its own SoftHSM",
    "countersign sandbox --any-action": "serves until it is stopped; tests/behaviour/clouds.rs starts each",
    "curl -s http://127.0.0.1:8022/readyz": "needs a running proxy at the default address; tests/behaviour asks for it",
    "curl -s http://127.0.0.1:8022/status": "monitoring/test_runbooks.py runs the filters on a report",
    "curl -sS ": "clients/test_how_to_call.py and clouds/test_how_to_clouds.py run it",
    "helm install signer ": "there is no cluster here; helm/test_guide.py renders the chart and runs what it has",
    "install -Dm 0644 -t /usr/local/share/man": "would install here; clients/test_conventions.py reads the pages",
    "sha256sum --check --ignore-missing SHA256SUMS\ntar": "packaging/test_archive.py runs it with a prefix of its own",
    "mkdir first-call && cd first-call": "packaging/test_archive.py runs it with the program from the archive",
    "sha256sum countersign.toml conf.d/": "tests/behaviour/conf_d.rs runs it",
    "docker build ": "takes 20 minutes; deploy/test_image.py reads the instructions",
    "docker compose ": "image/test_docker.py runs it in an engine of its own",
    "docker run ": "image/test_docker.py runs it in an engine of its own",
    "install -d -o 65532": "image/test_docker.py runs it where it can give files away",
    "name=$(docker load": "image/test_docker.py runs the block in an engine of its own",
    "skopeo copy --all oci-archive:": "there is no registry here; image/test_building.py copies to a directory",
    "jq -r '.containerDefinitions": "deploy/test_ecs.py runs it in a directory with the file",
    "aws ecs register-task-definition ": "there is no AWS here; deploy/test_ecs.py registers the file with moto",
    "export AWS_ENDPOINT_URL_EC2=": "clouds/test_how_to_clouds.py runs a program with it",
    "aws ec2 ": "clouds/test_how_to_clouds.py runs it",
    "export AWS_DEFAULT_REGION=": "clients/test_how_to_call.py runs it",
    "export AWS_ENDPOINT_URL=": "clients/test_issued_keys.py calls so with keys of its own",
    "install -m 0755 countersign /usr/bin/": "would install here; packages/test_deb.py has the package do it",
    "systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key < key.json":
        "needs a systemd; packages/test_deb.py runs it with the same key in a here-document",
    "systemd-run --quiet --wait --pipe ": "needs a systemd; packages/test_deb.py runs it",
    "jq 'select(.trace_id": "traces/test_trace_context.py reads the same field of log and audit",
    "kubectl ": "there is no cluster here; deploy/test_kubernetes.py checks the manifests and runs the container",
    "promtool check rules": "monitoring/test_rules.py runs it, and `promtool test rules`",
    "sed -i -E 's|(runbook_url": "monitoring/test_rules.py runs it on a copy of the rules",
    "{ printf 'apiVersion: monitoring": "monitoring/test_kubernetes_samples.py runs it and reads what it makes",
    "openssl req -x509 ": "clients/test_endpoint_certificates.py makes this certificate for a host of its own",
    "packaging/build-release": "takes 20 minutes; packaging/test_build_release.py runs it with a substitute for cargo",
    "python3 tests/outside/docs/": "the tests beside this one compare the pages with what these programs write",
    "pip install 'moto": "clouds/test_sandboxed_agents.py starts moto on a port of its own",
    "target/venv/bin/pytest ": "is how this test is run",
    "ssh -L 8022:": "there is no other host here",
    "tests/clouds/run": "installs 400 MB; clouds/test_verifying_clouds.py has the same calls and no OpenStack",
    "tests/fleet/run ": "takes 20 minutes; fleet/test_fleet.py has one",
    "tests/fuzz/run": "takes minutes; the seeds are replayed by `cargo test`",
    "tests/outside/chaos/run ": "takes 20 minutes; chaos/test_chaos.py has two",
    "tests/run": "is what runs this test",
    "umask 077\nprintf 'Authorization": "clients/test_how_to_call.py runs it",
}

# Blocks that a test below runs, by their page and how they begin.
RUN = {
    "deploy/README.md": ["countersign keys new-identity "],
    "docs/guide/clients-and-rules.md": [
        "openssl rand ", "countersign policy explain ", "countersign policy suggest ", "countersign policy test ",
    ],
    "docs/guide/first-sidecar.md": ["countersign keys new-identity ", "countersign check ", "countersign run "],
    "docs/guide/install.md": [
        "countersign demo --once",
        # by packages/test_first_call.py
        "apt-get install ", "systemd-creds encrypt ", "sed -i 's|^endpoint ", "systemctl enable ", "curl --silent -d ",
        "dnf install ",
    ],
    "docs/guide/keys.md": ["countersign keys test "],
    "docs/how-to/sandboxed-agents.md": [  # by clouds/test_sandboxed_agents.py
        "mkdir audit", "countersign run ", "set -a", "countersign policy suggest ", "countersign policy explain ",
    ],
    "docs/how-to/issued-keys.md": ["countersign clients issue "],
    "docs/how-to/helm.md": ["helm template signer "],  # by helm/test_guide.py
    "docs/how-to/kubernetes.md": ["countersign keys new-identity "],
    "docs/how-to/rotate-a-key.md": ["countersign keys seal "],
    "docs/operations/upgrade.md": ["./countersign-new check "],
    "docs/reference/dialects.md": ["printf 'Action=GetCallerIdentity"],
    "docs/how-to/refused-signature.md": ["countersign explain ", "echo 'Action=ListJobs", "echo 'Action=ListUsers"],
}


class Desk:
    """A directory in which blocks are run, with the program in the PATH and listeners on ports of their own."""

    def __init__(self, countersign, directory):
        self.directory = directory / "desk"
        self.directory.mkdir()
        self.programs = directory / "bin"
        self.programs.mkdir()
        (self.programs / "countersign").symlink_to(countersign)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN"))}
        self.environment = {**kept, "PATH": f"{self.programs}:{os.environ['PATH']}"}

    def start(self, text, **variables):
        return subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail\n{text}"], cwd=self.directory, env={**self.environment, **variables},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )

    def run(self, page, beginning, given="", here="", **variables):
        """What the block of this page printed, on both streams. It must succeed. The directory `here` is this one."""
        text = block(page, beginning).text
        shell = self.start(text.replace(here, "./") if here else text, **variables)
        out, err = shell.communicate(given, timeout=TIMEOUT)
        assert shell.returncode == 0, f"{beginning}: {shell.returncode}\n{out}\n{err}"
        return out, err

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def configure(self, *texts):
        self.write("countersign.toml", "\n".join(texts))


def block(page, beginning):
    """The block of a page that begins so."""
    (found,) = [block for block in documents.blocks(documents.TOP / page) if block.text.startswith(beginning)]
    return found


def configuration(page, words):
    """The block of configuration of a page that holds these words."""
    found = [block.text for block in documents.blocks(documents.TOP / page) if block.language == "toml"]
    (text,) = [text for text in found if words in text]
    assert tomllib.loads(text)
    return text


@pytest.fixture
def desk(countersign_bin, tmp_path):
    return Desk(pathlib.Path(countersign_bin).resolve(), tmp_path)


@pytest.fixture
def sidecar(desk):
    """A desk on which the first steps of guide/first-sidecar.md are done."""
    page = "docs/guide/first-sidecar.md"
    desk.run(page, "countersign keys new-identity ", given=SECRET)
    desk.configure(configuration(page, "[listener.local]"))
    return desk


def shell_blocks():
    return [block for block in documents.all_blocks() if block.is_for_the_shell]


def is_run(block):
    page = str(block.file.relative_to(documents.TOP))
    in_five_minutes = any("five minutes" in heading.lower() for heading in block.headings)
    return in_five_minutes or any(block.text.startswith(beginning) for beginning in RUN.get(page, []))


@pytest.mark.parametrize("block", shell_blocks(), ids=lambda block: block.place)
def test_every_block_of_commands_is_run_or_said_not_to_be(block):
    not_run = any(block.text.startswith(beginning) for beginning in NOT_RUN)
    assert is_run(block) != not_run, f"name it in RUN and test it, or in NOT_RUN with the reason:\n{block.text}"


def test_the_lists_name_blocks_that_are_there():
    for page, beginnings in RUN.items():
        for beginning in beginnings:
            assert block(page, beginning)


@pytest.mark.parametrize("block", shell_blocks(), ids=lambda block: block.place)
def test_the_commands_name_what_there_is(block, countersign_bin):
    manifest = tomllib.loads((documents.TOP / "Cargo.toml").read_text())
    for command in (part.strip() for line in block.commands for part in re.split(r" && | \| ", line)):
        words = command.split()
        if words[0] == "countersign":
            assert_known_to(countersign_bin, words[1:])
        for option, value in zip(words, words[1:], strict=False):
            if option == "--bench":
                assert value in {bench["name"] for bench in manifest["bench"]}, command
            elif option == "--test":
                assert (documents.TOP / "tests" / value).exists() or (documents.TOP / f"tests/{value}.rs").exists()
            elif option == "--features":
                assert value in manifest["features"], command
        for word in words:
            if re.match(r"(tests|deploy|config)/", word) and "TARGET" not in word:
                assert (documents.TOP / word).exists(), command


def assert_known_to(countersign_bin, words):
    """The subcommand is there, and has the options."""
    command = []
    for word in words:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", word) or command[:1] not in ([], ["clients"], ["keys"], ["policy"]):
            break
        command.append(word)
    done = subprocess.run([countersign_bin, *command, "--help"], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    for word in words:
        if option := re.match(r"--[a-z][a-z0-9-]*|-[a-z]$", word):
            assert re.search(rf"(?<![\w-]){option[0]}(?![\w-])", done.stdout), f"{option[0]} of {' '.join(command)}"


def test_the_first_sidecar_is_checked_and_serves(sidecar):
    page = "docs/guide/first-sidecar.md"
    # the usual ports may be taken here
    ports = {"COUNTERSIGN__LISTENER__LOCAL__ADDRESS": "127.0.0.1:0", "COUNTERSIGN__ADMIN__ADDRESS": "127.0.0.1:0"}
    out, _ = sidecar.run(page, "countersign check ", **ports)
    assert KEY_ID in out and "importexport.amazonaws.com" in out
    shell = sidecar.start(f"exec {block(page, 'countersign run ').text}", **ports)
    try:
        assert any("listening" in line and "local" in line for line in shell.stderr)
        shell.send_signal(signal.SIGTERM)
        _, err = shell.communicate(timeout=TIMEOUT)
        assert shell.returncode == 0 and SECRET not in err
    finally:
        shell.kill()
        shell.wait()


@pytest.mark.parametrize("page", ["docs/guide/first-sidecar.md", "docs/how-to/simpledb.md"])
def test_the_python_makes_a_client_of_the_proxy(page):
    names = {"boto3": boto3}
    exec(block(page, "client = boto3.client(").text, names)  # noqa: S102
    assert names["client"].meta.endpoint_url == "http://127.0.0.1:8021"


def test_every_key_is_tested(sidecar):
    out, _ = sidecar.run("docs/guide/keys.md", "countersign keys test ")
    assert KEY_ID in out and "signed with HmacSHA256" in out


def test_the_demonstration_succeeds(desk):
    out, _ = desk.run("docs/guide/install.md", "countersign demo --once")
    assert "200" in out


def test_keys_for_deployments_are_sealed(desk):
    key = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}
    desk.run("deploy/README.md", "countersign keys new-identity ", given=json.dumps(key))
    assert (desk.directory / "main.age").exists() and (desk.directory / "main.identity").exists()


def test_the_secret_of_a_cluster_is_made_of_the_sealed_key_and_its_identity(desk):
    kubectl = desk.programs / "kubectl"
    kubectl.write_text("#!/bin/sh\necho \"$@\"\n")
    kubectl.chmod(0o755)
    key = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}
    out, _ = desk.run("docs/how-to/kubernetes.md", "countersign keys new-identity ", given=json.dumps(key))
    named = re.findall(r"--from-file=(?:\w+=)?(\S+)", out)
    assert sorted(named) == ["main.age", "main.identity"] and all((desk.directory / name).exists() for name in named)


def test_a_new_key_takes_the_place_of_the_one_before(sidecar):
    before = (sidecar.directory / "main.age").read_bytes()
    sidecar.run("docs/how-to/rotate-a-key.md", "countersign keys seal ", given=SECRET)
    assert (sidecar.directory / "main.age").read_bytes() != before


def test_a_new_version_checks_the_configuration_of_the_one_before(sidecar):
    (sidecar.directory / "countersign-new").symlink_to(sidecar.programs / "countersign")
    sidecar.run("docs/operations/upgrade.md", "./countersign-new check ", here="/etc/countersign/")


def test_a_token_is_made_and_only_its_digest_is_printed(desk):
    out, _ = desk.run("docs/guide/clients-and-rules.md", "openssl rand ")
    token = (desk.directory / "token").read_bytes()
    assert len(token) == 64 and out.split()[0] == hashlib.sha256(token).hexdigest()


def test_rules_are_explained_and_suggested(sidecar):
    page = "docs/guide/clients-and-rules.md"
    base = configuration("docs/guide/first-sidecar.md", "[listener.local]")
    base = base.replace("any_local = true", 'authenticate = ["token"]')
    sidecar.configure(base, configuration(page, "[client.reporting]"))
    out, _ = sidecar.run(page, "countersign policy explain ")
    assert out.startswith("allow importexport:CreateJob") and "rule[1]" in out
    call = {"time": "2026-01-01T00:00:00Z", "client": "reporting", "route": "importexport", "action": "ListJobs",
            "decision": "recorded", "parameters": ["Action", "Version"]}
    sidecar.write("audit.jsonl", json.dumps(call) + "\n")
    out, _ = sidecar.run(page, "countersign policy suggest ")
    assert '"importexport:ListJobs", # once, last at 2026-01-01T00:00:00Z\n' in out
    assert "\n# + importexport:ListJobs: no rule allows it\n" in out


def test_the_table_of_calls_passes_with_the_rules_of_its_page(sidecar):
    page = "docs/guide/clients-and-rules.md"
    base = configuration("docs/guide/first-sidecar.md", "[listener.local]")
    base = base.replace("any_local = true", 'authenticate = ["token"]')
    sidecar.configure(base, configuration(page, "[client.reporting]"))
    sidecar.write("calls.toml", configuration(page, "[[call]]"))
    out, _ = sidecar.run(page, "countersign policy test ")
    assert out.endswith("2 calls, all decided as expected\n")


def test_a_form_is_signed_for_another_dialect(desk):
    page = "docs/reference/dialects.md"
    out, _ = desk.run(page, "printf 'Action=GetCallerIdentity", AWS_SECRET_ACCESS_KEY=SECRET)
    head, form = out.rstrip("\n").split("\n\n")
    assert "/eu-central-1/sts/aws4_request, SignedHeaders=" in head
    assert form == "Action=GetCallerIdentity&Version=2011-06-15"


def test_a_form_is_signed_and_a_refusal_explained(desk):
    page = "docs/how-to/refused-signature.md"
    out, err = desk.run(page, "echo 'Action=ListJobs", AWS_SECRET_ACCESS_KEY=SECRET)
    assert "Signature=" in out and "string to sign:" in err and SECRET not in out + err
    form = out.strip()
    desk.write("request.txt", "POST / HTTP/1.1\r\nHost: importexport.amazonaws.com\r\n"
                              f"Content-Length: {len(form)}\r\n\r\n{form}")
    late = email.utils.formatdate(time.time() + 3600, usegmt=True)
    desk.write("answer.txt", f"HTTP/1.1 403 Forbidden\r\nDate: {late}\r\n\r\n<ErrorResponse><Error><Code>RequestExpired"
                             "</Code><Message>no</Message></Error></ErrorResponse>")
    out, _ = desk.run(page, "countersign explain ")
    assert out.startswith("refused: clock\n")


def test_a_key_is_issued_and_the_configuration_with_it_checks(desk, countersign_bin):
    page = "docs/how-to/issued-keys.md"
    identity = desk.directory / "identity"
    subprocess.run([countersign_bin, "keys", "new-identity", "--out", identity], check=True, capture_output=True)
    subprocess.run(
        [countersign_bin, "keys", "seal", "--identity", identity, "--access-key-id", KEY_ID, "--out",
         desk.directory / "main.age"],
        input=SECRET, text=True, check=True, capture_output=True,
    )
    printed, _ = desk.run(page, "countersign clients issue ", here="/etc/countersign/")
    assert re.search(r"^AWS_SECRET_ACCESS_KEY=\S{40}$", printed, re.M)
    for words in ["[route.iam]\nendpoint", 'scope = "ec2/eu-central-1"']:
        desk.configure(configuration(page, words).replace("/etc/countersign/", f"{desk.directory}/"))
        checked = subprocess.run(
            [countersign_bin, "check", "--config", desk.directory / "countersign.toml"], capture_output=True, text=True,
            check=False, env={**os.environ, "COUNTERSIGN__LISTENER__LOCAL__ADDRESS": "127.0.0.1:0"},
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "identified by issued key reports-1" in checked.stdout


def test_a_form_is_signed_for_another_dialect_and_verified_by_its_verifier(desk):
    out, _ = desk.run("docs/how-to/refused-signature.md", "echo 'Action=ListUsers", AWS_SECRET_ACCESS_KEY=SECRET)
    assert out == f"verifies: signed by {KEY_ID} as aws-v4 wants it for host iam.amazonaws.com, path /\n"
