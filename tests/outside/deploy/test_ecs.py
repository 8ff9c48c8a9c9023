"""The task definition of ECS: what AWS's own model says of it, and that its configuration signs a call in one task."""

import json
import os
import pathlib
import re
import subprocess
import tomllib

import boto3
import botocore.session
import documents
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws
from namespaces import PATIENCE, connected, line_of, started
from serving import container, give_devices

TOP = pathlib.Path(__file__).resolve().parents[3]
TASK = json.loads((TOP / "deploy/ecs/task-definition.json").read_text())
POLICY = json.loads((TOP / "deploy/ecs/execution-role.json").read_text())
COUNTERSIGN, APP = TASK["containerDefinitions"]
ENVIRONMENT = {pair["name"]: pair["value"] for pair in COUNTERSIGN["environment"]}
OPERATION = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition")


def faults_of(task):
    """What botocore's validator finds (types, names, lengths), and values that its model has not in an enumeration."""
    report = ParamValidator().validate(task, OPERATION.input_shape).generate_report()
    return [*report.splitlines(), *strangers(task, OPERATION.input_shape, "")]


def strangers(value, shape, where):
    """Values that are not among those of their enumeration. botocore leaves that to the server."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            if name in value:
                yield from strangers(value[name], member, f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from strangers(item, shape.member, f"{where}[]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{where}: {value} is none of {', '.join(shape.enum)}"


def test_the_task_definition_keeps_to_awss_own_model():
    assert faults_of(TASK) == []
    # slips are found, so that the silence says something
    text = json.dumps(TASK)
    for right, wrong in [("readonlyRootFilesystem", "readOnlyRootFilesystem"), ('"HEALTHY"', '"READY"'),
                         ('"awsvpc"', '"vpc"'), ('"stopTimeout": 30', '"stopTimeout": "30s"')]:
        assert right in text and faults_of(json.loads(text.replace(right, wrong))), wrong


@mock_aws
def test_a_server_of_ecs_takes_the_task_definition():
    ecs = boto3.client("ecs", region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")
    made = ecs.register_task_definition(**TASK)["taskDefinition"]
    assert (made["family"], made["status"]) == (TASK["family"], "ACTIVE")
    assert [container["name"] for container in made["containerDefinitions"]] == ["countersign", "app"]


def test_the_image_of_the_task_is_of_this_version():
    version = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
    assert COUNTERSIGN["image"].endswith(f"/countersign:{version}-aws")


def test_the_app_has_no_key_and_starts_when_countersign_responds():
    assert APP["dependsOn"] == [{"containerName": "countersign", "condition": "HEALTHY"}]
    assert "secrets" not in APP
    # whatever a task role may do, every container of the task may do
    assert "taskRoleArn" not in TASK
    # ECS replaces a task whose essential container is unhealthy, and that brings no key back
    assert COUNTERSIGN["healthCheck"]["command"][1:] == ["/usr/bin/countersign", "health", "--live"]


def test_countersign_in_the_task_has_no_rights_and_time_to_drain():
    assert COUNTERSIGN["user"] == "65532:65532" and COUNTERSIGN["readonlyRootFilesystem"] is True
    assert COUNTERSIGN["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}}
    assert "portMappings" not in COUNTERSIGN and TASK["networkMode"] == "awsvpc"
    assert COUNTERSIGN["stopTimeout"] > sum(
        int(ENVIRONMENT.get(f"COUNTERSIGN__PROCESS__{name}", "0s").rstrip("s")) for name in ("DRAIN_DELAY", "DRAIN")
    )
    # a log that nobody takes must not hold up calls
    assert COUNTERSIGN["logConfiguration"]["options"]["mode"] == "non-blocking"


def test_the_execution_role_may_read_the_one_secret_and_nothing_for_all():
    references = {secret["valueFrom"] for secret in COUNTERSIGN["secrets"]}
    arns = {":".join(reference.split(":")[:7]) for reference in references}
    (granted,) = [statement for statement in POLICY["Statement"] if "secretsmanager" in str(statement["Action"])]
    assert {granted["Resource"]} == arns
    wide = [statement["Action"] for statement in POLICY["Statement"] if statement["Resource"] == "*"]
    # which can be given for no single registry
    assert wide == ["ecr:GetAuthorizationToken"]


def secrets(access_key):
    """What ECS puts into the environment: a field of the secret's JSON, which is the document of a key file."""
    return {secret["name"]: access_key[secret["valueFrom"].split(":")[7]] for secret in COUNTERSIGN["secrets"]}


@pytest.fixture
def image(deploy, countersign, place, run):
    root = place / "image"
    run([deploy / "collect-root", countersign, root])
    give_devices(root)
    return root


def ended(command, **environment):
    return subprocess.run([str(word) for word in command], env={"PATH": os.environ["PATH"], **environment},
                          capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_countersign_checks_what_the_task_carries_and_fits_its_memory(image, access_key):
    checked = ended(container(image, "check", user=COUNTERSIGN["user"]), **ENVIRONMENT, **secrets(access_key))
    assert checked.returncode == 0 and "DANGER" not in checked.stdout, checked
    assert access_key["SecretAccessKey"] not in checked.stdout + checked.stderr
    at_most = int(re.search(r"clients can have used: at most (\d+) MiB", checked.stdout)[1])
    assert at_most + 16 < COUNTERSIGN["memory"] < int(TASK["memory"]), checked.stdout


def test_the_page_says_how_to_check_what_the_task_carries(countersign, tmp_path):
    """Its block, in the directory of the file."""
    blocks = [block.text for block in documents.blocks(TOP / "docs/how-to/ecs.md")]
    (text,) = [text for text in blocks if text.startswith("jq ")]
    (tmp_path / "countersign").symlink_to(countersign)
    (tmp_path / "task-definition.json").write_text(json.dumps(TASK))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, capture_output=True, text=True,
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=PATIENCE, check=False)
    assert done.returncode == 0 and "route importexport: https://importexport.amazonaws.com/" in done.stdout, done


def test_the_app_of_the_task_has_its_call_signed_through_the_loopback_address(image, countersign, place, access_key):
    """The containers of a task share a network namespace; the endpoint is the sandbox in it."""
    key = secrets(access_key)
    sandbox_log, log = place / "sandbox.log", place / "countersign.log"
    _, *health = COUNTERSIGN["healthCheck"]["command"][1:]
    with connected("task") as namespaces:
        within = ["ip", "netns", "exec", namespaces["task"][0]]
        sandbox = [*within, countersign, "sandbox", "--plain", "--listen", "127.0.0.1:0"]
        with started([*sandbox, "--access-key-id", key["AWS_ACCESS_KEY_ID"]], sandbox_log, **key) as endpoint:
            url = line_of(endpoint, sandbox_log, r"listening on (\S+)")[1]
            settings = {**ENVIRONMENT, **key, "COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT": f"{url}/"}
            checking = [*within, *container(image, *health, user=COUNTERSIGN["user"])]
            assert ended(checking, **settings).returncode == 1
            command = [*within, *container(image, *COUNTERSIGN["command"], user=COUNTERSIGN["user"])]
            with started(command, log, **settings) as proxy:
                line_of(proxy, log, r"key loaded")
                assert ended(checking, **settings).returncode == 0
                (pair,) = APP["environment"]
                form = "Action=ListJobs&Version=2010-06-03"
                called = ended([*within, "curl", "--silent", "--data", form, pair["value"]])
                assert called.returncode == 0 and "<ListJobsResponse" in called.stdout, f"{called}\n{log.read_text()}"
                line_of(endpoint, sandbox_log, r"Z ListJobs AKIAIOSFODNN7EXAMPLE 200")
            for text in (log.read_text(), sandbox_log.read_text()):
                assert access_key["SecretAccessKey"] not in text
