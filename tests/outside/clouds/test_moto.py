"""moto's verifier of Signature Version 4 behind countersign: stock boto3 clients create, read and delete."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gateway import causes, gateway
from importexport import PLACEHOLDER

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 60  # seconds
STOP_TIMEOUT = 60
REGION = "eu-central-1"
SERVICES = ["iam", "sts", "ec2", "sns", "cloudformation"]
# moto verifies a form that it has written anew, with `+` for a space: no value here has one
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
TEMPLATE = '{"Resources":{"Topic":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"of-the-stack"}}}}'


def client(service, url, retries=1, **keys):
    config = Config(retries={"total_max_attempts": retries}, read_timeout=TIMEOUT)
    return boto3.client(service, region_name=REGION, endpoint_url=url, config=config, **keys)


def make_key(url):
    """moto makes up keys itself. Until one is there it takes any signature, and then none but those of its keys."""
    iam = client("iam", url, **PLACEHOLDER)
    iam.create_user(UserName="countersign")
    iam.put_user_policy(UserName="countersign", PolicyName="all", PolicyDocument=POLICY)
    key = iam.create_access_key(UserName="countersign")["AccessKey"]
    reset = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
    with urllib.request.urlopen(reset, timeout=TIMEOUT) as response:
        assert json.load(response)["status"] == "ok"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client("sts", url, **PLACEHOLDER).get_caller_identity()
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """The URL of a moto that verifies, and the one key that it knows."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, HERE / "moto_server.py"], env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "inf"},
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        )
    try:
        url = child.stdout.readline().strip()
        assert url, log.read_text()
        yield url, *make_key(url)
    finally:
        child.terminate()
        child.wait(STOP_TIMEOUT)


def routes(url, chosen_by='path = "/{0}"'):
    return "".join(f"""\
[route.{service}]
endpoint = "{url}"
{chosen_by.format(service)}
profile = {{ dialect = "aws-v4", region = "{REGION}", service = "{service}" }}
""" for service in SERVICES)


@pytest.fixture(scope="module")
def countersign(moto, start_countersign, seal, tmp_path_factory):
    """A proxy with a route for each service, chosen by its path."""
    url, key_id, secret = moto
    with gateway(start_countersign, tmp_path_factory, seal(key_id=key_id, secret=secret), routes(url)) as proxy:
        yield proxy
    assert not [line for line in proxy.process.log if secret in line or "Signature=" in line]


def issue(countersign_bin, directory):
    """The variables that `clients issue` prints for the client, and the tables that know it by its key."""
    identity, sealed = directory / "identity", directory / "agent-1.age"
    for command in (["keys", "new-identity", "--out", identity],
                    ["clients", "issue", "--client", "agent", "--identity", identity, "--out", sealed]):
        done = subprocess.run(
            [countersign_bin, *command], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode == 0, done.stderr
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("AWS_"))
    allowed = ", ".join(f'"{service}:*"' for service in SERVICES)
    client = f'[client.agent]\nissued_keys = ["agent-1"]\nallow = [{allowed}]\ndeny = ["iam:CreateRole"]\n'
    return variables, f'{client}[key.agent-1]\nfile = "{sealed}"\nidentity_file = "{identity}"\n'


@pytest.fixture(scope="module")
def agent(moto, countersign_bin, start_countersign, seal, tmp_path_factory):
    """A stock client of a service that has an endpoint URL, a region and an issued key in its environment, and no other
    setting. All services are at one URL."""
    url, key_id, secret = moto
    variables, tables = issue(countersign_bin, tmp_path_factory.mktemp("issued"))
    every = routes(url, f'scope = "{{0}}/{REGION}"') + tables
    key, callers = seal(key_id=key_id, secret=secret), 'authenticate = ["issued-key"]'
    with gateway(start_countersign, tmp_path_factory, key, every, callers=callers) as proxy, \
            pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items() | {("AWS_ENDPOINT_URL", proxy.url), ("AWS_DEFAULT_REGION", REGION)}:
            environment.setenv(name, value)
        yield lambda name: boto3.session.Session().client(name)
    secrets = [secret, variables["AWS_SECRET_ACCESS_KEY"]]
    assert not [line for line in proxy.process.log if any(word in line for word in secrets)]


@pytest.fixture(scope="module", params=["any local program", "issued key"])
def service(request):
    """A stock client of a service. Without an issued key it signs with keys that open nothing, which are dropped."""
    if request.param == "issued key":
        return request.getfixturevalue("agent")
    proxy = request.getfixturevalue("countersign")
    return lambda name: client(name, f"{proxy.url}/{name}", **PLACEHOLDER)


def test_iam_creates_reads_and_deletes_a_user(service):
    iam = service("iam")
    made = iam.create_user(UserName="jane.roe@example.com", Tags=[{"Key": "a+b*~", "Value": "é=1&漢"}])["User"]
    assert iam.get_user(UserName="jane.roe@example.com")["User"]["Arn"] == made["Arn"]
    assert iam.list_user_tags(UserName="jane.roe@example.com")["Tags"] == [{"Key": "a+b*~", "Value": "é=1&漢"}]
    # `AccessKeyId` authenticates in other clouds; here it is a parameter as any other
    key = iam.create_access_key(UserName="jane.roe@example.com")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="jane.roe@example.com", AccessKeyId=key, Status="Inactive")
    listed = iam.list_access_keys(UserName="jane.roe@example.com")["AccessKeyMetadata"]
    assert [(one["AccessKeyId"], one["Status"]) for one in listed] == [(key, "Inactive")]
    iam.delete_access_key(UserName="jane.roe@example.com", AccessKeyId=key)
    iam.delete_user(UserName="jane.roe@example.com")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="jane.roe@example.com")


def test_sts_says_whose_key_it_is(service, moto):
    assert service("sts").get_caller_identity()["Arn"].endswith(":user/countersign")


def test_ec2_creates_reads_and_deletes_a_group(service):
    ec2 = service("ec2")
    made = ec2.create_security_group(GroupName="web", Description="100%+é")["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[permission])
    (found,) = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"]
    assert (found["GroupName"], found["Description"]) == ("web", "100%+é")
    assert found["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "192.0.2.0/24"}]
    ec2.delete_security_group(GroupId=made)
    with pytest.raises(ClientError, match="InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[made])


def test_sns_creates_reads_and_deletes_a_topic(service):
    sns = service("sns")
    made = sns.create_topic(Name="alerts", Attributes={"DisplayName": "a+b~*é"})["TopicArn"]
    assert sns.get_topic_attributes(TopicArn=made)["Attributes"]["DisplayName"] == "a+b~*é"
    assert sns.publish(TopicArn=made, Message="1+1=2&3\n漢")["MessageId"]
    assert made in [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    sns.delete_topic(TopicArn=made)
    assert made not in [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]


def test_cloudformation_creates_reads_and_deletes_a_stack(service):
    cloudformation = service("cloudformation")
    made = cloudformation.create_stack(StackName="alerts", TemplateBody=TEMPLATE)["StackId"]
    (stack,) = cloudformation.describe_stacks(StackName="alerts")["Stacks"]
    assert (stack["StackId"], stack["StackStatus"]) == (made, "CREATE_COMPLETE")
    (resource,) = cloudformation.describe_stack_resources(StackName="alerts")["StackResources"]
    topics = [topic["TopicArn"] for topic in service("sns").list_topics()["Topics"]]
    assert resource["PhysicalResourceId"] in topics
    cloudformation.delete_stack(StackName="alerts")
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName="alerts")


def test_an_issued_key_may_call_what_its_client_may_and_is_worth_nothing_elsewhere(agent, moto):
    with pytest.raises(ClientError, match="AccessDenied"):
        agent("iam").create_role(RoleName="admin", AssumeRolePolicyDocument="{}")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        boto3.session.Session().client("sts", endpoint_url=moto[0]).get_caller_identity()


@pytest.mark.parametrize(("name", "call", "code"), [
    ("iam", "list_users", "SignatureDoesNotMatch"),
    ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ("ec2", "describe_vpcs", "AuthFailure"),
    ("sns", "list_topics", "SignatureDoesNotMatch"),
    ("cloudformation", "list_stacks", "SignatureDoesNotMatch"),
])
def test_a_wrong_secret_is_refused_by_moto_and_logged(name, call, code, wrong):
    with pytest.raises(ClientError) as refused:
        getattr(client(name, f"{wrong.url}/{name}", **PLACEHOLDER), call)()
    answer = refused.value.response
    assert answer["Error"]["Code"] == code
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["countersign-request-id"]
    assert causes(wrong, request_id) == ["unknown"]


@pytest.fixture(scope="module")
def wrong(moto, start_countersign, seal, tmp_path_factory):
    """The same with another secret for the key."""
    url, key_id, _ = moto
    with gateway(start_countersign, tmp_path_factory, seal(key_id=key_id, secret="of-another-key"), routes(url)) as it:
        yield it
