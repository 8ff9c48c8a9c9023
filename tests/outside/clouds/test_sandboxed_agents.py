"""The steps of docs/how-to/sandboxed-agents.md: an agent with an issued key, its record, and rules made of it."""

import json
import subprocess
import sys

import boto3
import documents
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from clients.conftest import Proxy
from test_moto import moto  # noqa: F401  a fixture

PAGE = documents.MANUAL / "how-to/sandboxed-agents.md"
TIMEOUT = 60  # seconds


def block(language, words):
    (found,) = [block.text for block in documents.blocks(PAGE) if block.language == language and words in block.text]
    return found


@pytest.fixture(scope="module")
def desk(countersign_bin, moto, tmp_path_factory):  # noqa: F811
    """A directory in which the first steps are done, and the URL of a moto that verifies."""
    url, key_id, secret = moto
    directory = tmp_path_factory.mktemp("agents")
    text = block("sh", "countersign keys new-identity").replace("countersign ", f"{countersign_bin} ")
    key = json.dumps({"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret})
    subprocess.run(["bash", "-euc", text], cwd=directory, input=key, text=True, check=True, timeout=TIMEOUT)
    return directory, url


def configuration(directory, url, text):
    text = text.replace("127.0.0.1:8021", "127.0.0.1:0").replace("/srv/agents", str(directory))
    return text.replace("http://127.0.0.1:5000/", url) + '[log]\nformat = "json"\n'


@pytest.fixture
def serve(desk, start_countersign):
    """Serves a configuration of the page, and returns what makes the agent's clients."""
    directory, url = desk

    def start(text):
        (directory / "countersign.toml").write_text(configuration(directory, url, text))
        proxy = Proxy(start_countersign("run", "--config", directory / "countersign.toml"))
        environment = dict(line.split("=", 1) for line in (directory / "agent.env").read_text().splitlines()
                           if not line.startswith("#"))

        def agent(service="ec2", region="us-east-1"):
            return boto3.client(
                service, region_name=region, endpoint_url=proxy.url, config=Config(retries={"total_max_attempts": 1}),
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )

        return proxy, agent

    return start


def run_agent(directory, proxy):
    """Runs the program of the page in the environment that the page gives it, and in no other."""
    (directory / "agent.py").write_text(block("python", "ec2.stop_instances"))
    environment = block("sh", "AWS_ENDPOINT_URL=").replace("http://127.0.0.1:8021", proxy.url.rstrip("/"))
    subprocess.run(
        ["bash", "-euc", f'{environment}"$PYTHON" agent.py'], cwd=directory, check=True, timeout=TIMEOUT,
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin", "HOME": str(directory)},
    )


def refused(call, *arguments, **parameters):
    with pytest.raises(ClientError) as error:
        call(*arguments, **parameters)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_an_agent_is_recorded_and_then_may_stop_one_instance_and_nothing_else(countersign_bin, desk, serve):
    directory, _ = desk
    proxy, agent = serve(block("toml", 'mode = "record"'))
    ec2 = agent()
    ours, other = (
        ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"] for _ in "ab"
    )
    run_agent(directory, proxy)
    stopped = ec2.describe_instances(InstanceIds=[ours])["Reservations"][0]["Instances"][0]
    assert stopped["State"]["Name"] == "stopped"
    assert proxy.process.stop() == 0
    suggested = subprocess.run(
        ["bash", "-euc", block("sh", "countersign policy suggest").replace("countersign policy",
                                                                         f"{countersign_bin} policy")],
        cwd=directory, capture_output=True, text=True, check=True, timeout=TIMEOUT,
    ).stdout
    for action in ["DescribeInstances", "StopInstances"]:
        assert f'"ec2:{action}"' in suggested

    rules = block("toml", "[[client.agent.rule]]").replace("i-0123456789abcdef0", ours)
    proxy, agent = serve(rules)
    ec2 = agent()
    states = {one["InstanceId"] for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]}
    assert states == {ours, other}
    assert ec2.stop_instances(InstanceIds=[ours])["StoppingInstances"][0]["InstanceId"] == ours
    denied = (403, "AccessDenied")
    assert refused(ec2.stop_instances, InstanceIds=[other]) == denied
    assert refused(ec2.stop_instances, InstanceIds=[ours, other]) == denied
    assert refused(ec2.stop_instances, InstanceIds=[ours], Force=True) == denied
    assert refused(ec2.terminate_instances, InstanceIds=[ours]) == denied
    assert refused(agent(region="eu-central-1").describe_instances)[0] == 404
    assert refused(agent("iam").list_users)[0] == 404
    explained = subprocess.run(
        ["bash", "-uc", block("sh", "countersign policy explain").replace("countersign policy",
                                                                         f"{countersign_bin} policy")],
        cwd=directory, capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )
    assert (explained.returncode, explained.stdout.split()[0]) == (1, "deny")
