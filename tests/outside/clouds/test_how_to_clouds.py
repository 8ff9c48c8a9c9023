"""The how-to pages of clouds: their code is run as it stands there, but for ports, against endpoints that verify with
each cloud's own SDK, and their rules and errors are as the pages say."""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import documents
import pytest
import sdk_signers
from importexport import KEY_ID, SECRET
from verifying_cloud import CLOUDS, VerifyingCloud
from verifying_upstream import Answer

TIMEOUT = 300  # seconds; a debug build on a busy machine
PAGES = documents.TOP / "docs/how-to"
CONFIGURATIONS = documents.TOP / "config"

FILTER = {"Filter.1.Name": "tag:Name", "Filter.1.Value.1": "a b"}
INSTANCES = {"Action": "DescribeInstances", "Version": "2016-11-15", **FILTER}
STACKS = {"Action": "ListStacks", "Version": "2010-05-15"}
USER = {"Action": "GetUser", "Version": "2010-05-08"}

# what each route's endpoint answers, to whatever it is asked; each has a name that the code prints
EC2 = ('<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item>'
       "<instancesSet><item><instanceId>i-0123456789abcdef0</instanceId></item></instancesSet></item></reservationSet>"
       "</DescribeInstancesResponse>")
CLOUDFORMATION = ('<ListStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><ListStacksResult>'
                  "<StackSummaries><member><StackName>web-stack</StackName></member></StackSummaries>"
                  "</ListStacksResult></ListStacksResponse>")
IAM = ('<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User>'
       "<UserName>operations-user</UserName></User></GetUserResult></GetUserResponse>")
COMPUTING = ('<DescribeInstancesResponse xmlns="https://computing.api.nifcloud.com/api/"><reservationSet><item>'
             "<instancesSet><item><instanceId>web-server-1</instanceId></item></instancesSet></item></reservationSet>"
             "</DescribeInstancesResponse>")
CLOUDSTACK = {"listvirtualmachinesresponse": {"count": 1, "virtualmachine": [{"name": "web-machine"}]}}
ECS = {"Instances": {"Instance": [{"InstanceId": "i-bp67acfmxazb4ph5g0d1"}]}, "RequestId": "1"}
QINGCLOUD = {"action": "DescribeInstancesResponse", "ret_code": 0, "instance_set": [{"instance_id": "i-pvl3dpaa"}]}
CVM = {"Response": {"TotalCount": 1, "InstanceSet": [{"InstanceId": "ins-r8hr2upy"}], "RequestId": "1"}}


class Endpoint(VerifyingCloud):
    """An endpoint of one cloud that gives the same answer to every request that verifies."""

    def __init__(self, cloud, signer, body):
        super().__init__(cloud, signer, KEY_ID, SECRET)
        is_text = isinstance(body, str)
        self._answer = Answer((body if is_text else json.dumps(body)).encode(),
                              headers={"Content-Type": "text/xml" if is_text else "application/json"})

    def respond(self, received):
        refusals = len(self.refusals)
        answer = super().respond(received)
        return answer if len(self.refusals) > refusals else self._answer


def blocks(page, language):
    return [one.text for one in documents.blocks(PAGES / f"{page}.md") if one.language == language]


def code(page, language, words):
    """The block of the page that holds these words."""
    (found,) = [text for text in blocks(page, language) if words in text]
    return found


class Served:
    """The configuration of a page, in service before these endpoints: a function that starts one for each route, and
    gets the path that the page has there."""

    def __init__(self, page, routes, directory, start_countersign, seal):
        configuration = directory / "countersign.toml"
        (text,) = blocks(page, "toml")
        # the endpoints of the test are in the clear
        configuration.write_text(re.sub(r"(?m)^ca_file = .*\n", "", text))
        file, identity = re.findall(r'file = "(.*)"', seal())
        variables = {"LISTENER__LOCAL__ADDRESS": "127.0.0.1:0", "LOG__FORMAT": "json",
                     "CLIENT__OPERATIONS__UID": str(os.getuid())}
        for key in re.findall(r"(?m)^\[key\.(\w+)\]", text):
            variables |= {f"KEY__{key.upper()}__FILE": file, f"KEY__{key.upper()}__IDENTITY_FILE": identity}
        for route, start in routes.items():
            path = re.search(rf'(?ms)^\[route\.{route}\]\n.*?^endpoint = "https://[^/"]+(/[^"]*)"', text)[1]
            variables[f"ROUTE__{route.upper()}__ENDPOINT"] = start(path)
        environment = {f"COUNTERSIGN__{name}": value for name, value in variables.items()}
        self.process = start_countersign("run", "--config", configuration, environment=environment)
        self.port = json.loads(self.process.wait_for(r'"message":"listening\b').string)["address"].rpartition(":")[2]
        self.directory = directory

    def here(self, text):
        return re.sub(r"(127\.0\.0\.1:|port=)8021\b", rf"\g<1>{self.port}", text)

    def run(self, text, *command, **environment):
        """Runs code, and returns what it printed."""
        file = self.directory / "code"
        file.write_text(self.here(text))
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        kept |= {"HOME": str(self.directory), "AWS_CONFIG_FILE": str(self.directory / "aws-config"), **environment}
        done = subprocess.run([*command, str(file)], cwd=self.directory, env=kept, capture_output=True, text=True,
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.process.transcript()}"
        return done.stdout


class Clouds:
    """A page in service before endpoints of a dialect and an answer each."""

    def __init__(self, started, serve, page, routes):
        self.endpoints = {}

        def starting(route, dialect, body):
            def start(path):
                cloud = dataclasses.replace(CLOUDS[dialect], path=path)
                signer = cloud.signer
                if signer in sdk_signers.PROGRAMS:
                    signer = started.enter_context(contextlib.closing(signer()))
                endpoint = started.enter_context(contextlib.closing(Endpoint(cloud, signer, body)))
                self.endpoints[route] = endpoint
                return endpoint.url

            return start

        self.served = serve(page, {route: starting(route, *cloud) for route, cloud in routes.items()})

    def came(self):
        """What verified since the last time, of each route that was called."""
        came = {}
        for route, endpoint in self.endpoints.items():
            assert endpoint.refusals + endpoint.complaints == []
            if endpoint.accepted:
                came[route] = endpoint.accepted[:]
                endpoint.accepted.clear()
        return came


@pytest.fixture
def serve(start_countersign, seal, tmp_path):
    served = []

    def serve(page, routes):
        served.append(Served(page, routes, tmp_path, start_countersign, seal))
        return served[-1]

    yield serve
    assert not [line for one in served for line in one.process.log if SECRET in line]


@pytest.fixture
def clouds(serve):
    with contextlib.ExitStack() as started:
        yield lambda page, routes: Clouds(started, serve, page, routes)


def python(clouds, text, **environment):
    """What the code printed, and what came to the endpoints."""
    return clouds.served.run(text, sys.executable, **environment), clouds.came()


def shell(clouds, text, **environment):
    """The same, of a script."""
    return clouds.served.run(text, "bash", "-eu", **environment), clouds.came()


def test_services_of_aws_are_called_by_version_4(clouds):
    page = "aws-v4"
    aws = clouds(page, {"ec2": (page, EC2), "iam": (page, IAM), "stacks": (page, CLOUDFORMATION)})
    # what a program of today's SDKs has to be told
    told = re.findall(r"(\w+)=(\S+)", aws.served.here(code(page, "bash", "export ")))
    for printed, came in [python(aws, code(page, "python", "boto3"), **dict(told)),
                          shell(aws, code(page, "bash", "aws iam ")), shell(aws, code(page, "bash", "curl "))]:
        assert came == {"ec2": [INSTANCES], "iam": [USER], "stacks": [STACKS]}
        for name in ("i-0123456789abcdef0", "operations-user", "web-stack"):
            assert name in printed


def test_heat_is_called_as_cloudformation(clouds):
    heat = clouds("openstack", {"stacks": ("openstack", CLOUDFORMATION)})
    printed, came = shell(heat, code("openstack", "bash", "curl "))
    assert printed.count("web-stack") == 2 and came == {"stacks": [STACKS, STACKS]}
    assert python(heat, code("openstack", "python", "boto3")) == ("web-stack\n", {"stacks": [STACKS]})


def test_cloudstack_is_called_with_cs_and_curl(clouds):
    page = "cloudstack"
    cloudstack = clouds(page, {page: (page, CLOUDSTACK)})
    called = {page: [{"command": "listVirtualMachines", "name": "a b", "response": "json"}]}
    printed, came = shell(cloudstack, code(page, "bash", "curl "))
    assert "web-machine" in printed and came == called
    assert python(cloudstack, code(page, "python", "from cs import")) == ("web-machine\n", called)


def test_nifcloud_is_called_with_its_sdk_and_curl(clouds):
    page, empty = "nifcloud", "<DescribeDBInstancesResponse/>"
    nifcloud = clouds(page, {"computing": (page, COMPUTING), "rdb": ("aws-v4", empty)})
    called = {"computing": [{"Action": "DescribeInstances", "Version": "3.0", "InstanceId.1": "web 1"}]}
    printed, came = shell(nifcloud, code(page, "bash", "/api/"))
    assert "web-server-1" in printed and came == called
    text, packages = code(page, "python", "from nifcloud import"), str(sdk_signers.PACKAGES)
    assert python(nifcloud, text, PYTHONPATH=packages) == ("web-server-1\n", called)
    databases = "curl -sS --fail-with-body http://127.0.0.1:8021/rdb -d Action=DescribeDBInstances"
    assert shell(nifcloud, databases) == (empty, {"rdb": [{"Action": "DescribeDBInstances"}]})


def test_alibaba_is_called_with_its_sdk_and_curl(clouds):
    page = "alibaba"
    alibaba = clouds(page, {"ecs": ("alibaba-rpc", ECS)})
    called = {"ecs": [{"Action": "DescribeInstances", "Format": "JSON", "InstanceName": "a b",
                       "RegionId": "cn-hangzhou", "Version": "2014-05-26"}]}
    printed, came = shell(alibaba, code(page, "bash", "curl "))
    assert "i-bp67acfmxazb4ph5g0d1" in printed and came == called
    assert python(alibaba, code(page, "python", "AcsClient")) == ("i-bp67acfmxazb4ph5g0d1\n", called)


def test_other_clouds_are_called_with_their_sdks_and_curl(clouds):
    page = "other-clouds"
    others = clouds(page, {"qingcloud": ("qingcloud", QINGCLOUD), "cvm": ("tencent-v1", CVM),
                           "eucalyptus": ("eucalyptus", EC2), "fcu": ("aws-v4", EC2)})
    called = {"action": "DescribeInstances", "search_word": "a b", "zone": "pek1"}
    printed, came = shell(others, code(page, "bash", "/iaas/"))
    assert "i-pvl3dpaa" in printed and came == {"qingcloud": [called]}
    printed, came = python(others, code(page, "python", "from qingcloud"))
    # the SDK adds a parameter or two of its own
    assert printed == "i-pvl3dpaa\n" and came["qingcloud"][0].items() >= called.items()

    called = {"Action": "DescribeInstances", "Filters.0.Name": "instance-name", "Filters.0.Values.0": "a b",
              "Region": "ap-guangzhou", "Version": "2017-03-12"}
    printed, came = shell(others, code(page, "bash", "Filters.0"))
    assert "ins-r8hr2upy" in printed and came == {"cvm": [called]}
    printed, came = python(others, code(page, "python", "from tencentcloud"))
    assert printed == "ins-r8hr2upy\n" and came["cvm"][0].items() >= called.items()

    printed, came = shell(others, code(page, "bash", "/eucalyptus"))
    assert "i-0123456789abcdef0" in printed and came == {"eucalyptus": [INSTANCES]}
    volumes = "curl -sS --fail-with-body http://127.0.0.1:8021/fcu -d Action=DescribeVolumes"
    assert shell(others, volumes) == (EC2, {"fcu": [{"Action": "DescribeVolumes"}]})


# for each page its route, how its sandbox is started, and what of its command comes back
@pytest.mark.parametrize(("page", "route", "options", "words", "echoed"), [
    ("aws-v4", "ec2", ["aws-v4", "--region", "eu-central-1", "--service", "ec2", "--errors", "ec2"], "/ec2 -d", "a b"),
    ("openstack", "stacks", ["openstack"], "/stacks", "2010-05-15"),
    ("cloudstack", "cloudstack", ["cloudstack"], "/cloudstack", "a b"),
    ("nifcloud", "computing", ["nifcloud"], "/api/", "web 1"),
    ("alibaba", "ecs", ["alibaba-rpc"], "/ -d Action", "a b"),
    ("other-clouds", "qingcloud", ["qingcloud"], "/iaas/", "a b"),
    ("other-clouds", "cvm", ["tencent-v1"], "Filters.0", "a b"),
    ("other-clouds", "eucalyptus", ["eucalyptus"], "/eucalyptus", "a b"),
])
def test_the_sandbox_of_a_cloud_accepts_the_command_of_its_page(
    page, route, options, words, echoed, serve, start_countersign
):
    sandbox = start_countersign("sandbox", "--any-action", "--plain", "--listen", "127.0.0.1:0", "--dialect", *options)
    url = sandbox.wait_for(r"listening on (http://[^/\s]+)")[1]
    served = serve(page, {route: lambda path: url + path})
    # the first command of the block
    command = re.match(r"(?:.*\\\n)*.*\n", code(page, "bash", words))[0]
    assert echoed in served.run(command, "bash", "-eu")


@pytest.mark.parametrize(("page", "route", "path", "form"), [
    ("aws-v4", "ec2", "/ec2", "Action=TerminateInstances&Version=2016-11-15"),
    ("openstack", "stacks", "/stacks", "Action=DeleteStack&Version=2010-05-15"),
    ("cloudstack", "cloudstack", "/cloudstack", "command=deleteZone&response=json"),
    ("nifcloud", "computing", "/api/", "Action=TerminateInstances&Version=3.0"),
    ("alibaba", "ecs", "/", "Action=DeleteInstance&Version=2014-05-26&Format=JSON"),
])
def test_a_client_that_may_not_call_gets_the_document_on_the_page(page, route, path, form, serve):
    served = serve(page, {route: lambda path: f"http://127.0.0.1:1{path}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{served.port}{path}", form.encode(), timeout=TIMEOUT)
    (shown,) = [text for language in ("json", "xml") for text in blocks(page, language)]
    document = refused.value.read().decode()
    # every request has an id of its own
    document, shown = (re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text) for text in (document, shown))
    assert refused.value.code == 403
    if shown.startswith("{"):
        assert json.loads(document) == json.loads(shown)
    else:
        assert document == re.sub(r"\n\s*", "", shown)


# for each page a call that its rules allow, and one that differs in what the rule asks for
@pytest.mark.parametrize(("page", "route", "action", "allowed", "denied"), [
    ("aws-v4", "ec2", "RunInstances", ["InstanceType=t3.micro", "MaxCount=1"], ["InstanceType=m5.large", "MaxCount=1"]),
    ("openstack", "stacks", "UpdateStack", ["StackName=web-stack"], ["StackName=other-stack"]),
    ("cloudstack", "cloudstack", "startVirtualMachine", ["id=7f3c0a52-19f4-4a4e-9a57-0d6b0c3cf1a1"], ["id=1"]),
    ("nifcloud", "computing", "RunInstances", ["InstanceType=e-mini"], ["InstanceType=e-large"]),
    ("alibaba", "ecs", "StopInstance", ["InstanceId=i-bp67acfmxazb4ph5g0d1"], ["InstanceId=i-1"]),
])
def test_the_rule_of_a_page_allows_what_the_page_says(page, route, action, allowed, denied, countersign_bin, tmp_path):
    configuration = tmp_path / "countersign.toml"
    configuration.write_text((CONFIGURATIONS / f"{page}.toml").read_text())

    def explain(parameters):
        command = [countersign_bin, "policy", "explain", "--config", configuration, "--client", "operations",
                   "--route", route, "--action", action, *parameters]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.stdout.partition(" ")[0]

    assert (explain(allowed), explain(denied)) == ("allow", "deny")
