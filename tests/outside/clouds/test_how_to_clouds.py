"""The how-to pages of clouds: their code is run as it stands there, but for ports, against endpoints that verify with each
cloud's own SDK, and their rules decide as the pages say."""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys

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
EC2 = ('<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet>'
       "<item><instanceId>i-0123456789abcdef0</instanceId></item></instancesSet></item></reservationSet>"
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
    """The configuration of a page, in service before endpoints: a dialect and an answer for each route."""

    def __init__(self, page, routes, directory, programs, start_countersign, seal):
        configuration = directory / "countersign.toml"
        (text,) = blocks(page, "toml")
        # the endpoints of the test are in the clear
        configuration.write_text(re.sub(r"(?m)^ca_file = .*\n", "", text))
        file, identity = re.findall(r'file = "(.*)"', seal())
        variables = {"LISTENER__LOCAL__ADDRESS": "127.0.0.1:0", "LOG__FORMAT": "json",
                     "CLIENT__OPERATIONS__UID": str(os.getuid())}
        for key in re.findall(r"(?m)^\[key\.(\w+)\]", text):
            variables |= {f"KEY__{key.upper()}__FILE": file, f"KEY__{key.upper()}__IDENTITY_FILE": identity}
        self.endpoints = {}
        for route, (dialect, body) in routes.items():
            path = re.search(rf'(?ms)^\[route\.{route}\]\n.*?^endpoint = "https://[^/"]+(/[^"]*)"', text)[1]
            cloud = dataclasses.replace(CLOUDS[dialect], path=path)
            signer = cloud.signer
            if signer in sdk_signers.PROGRAMS:
                signer = programs.enter_context(contextlib.closing(signer()))
            self.endpoints[route] = Endpoint(cloud, signer, body)
            variables[f"ROUTE__{route.upper()}__ENDPOINT"] = self.endpoints[route].url
        environment = {f"COUNTERSIGN__{name}": value for name, value in variables.items()}
        self.process = start_countersign("run", "--config", configuration, environment=environment)
        self.port = json.loads(self.process.wait_for(r'"message":"listening\b').string)["address"].rpartition(":")[2]
        self.directory = directory

    def here(self, text):
        return re.sub(r"(127\.0\.0\.1:|port=)8021\b", rf"\g<1>{self.port}", text)

    def run(self, text, route, *command, **environment):
        """Runs code, and returns what it printed and what came to the endpoint of the route meanwhile."""
        file = self.directory / "code"
        file.write_text(self.here(text))
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        kept |= {"HOME": str(self.directory), "AWS_CONFIG_FILE": str(self.directory / "aws-config"), **environment}
        came = self.endpoints[route].accepted
        before = len(came)
        done = subprocess.run([*command, str(file)], cwd=self.directory, env=kept, capture_output=True, text=True,
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.process.transcript()}"
        return done.stdout, came[before:]

    def close(self):
        for endpoint in self.endpoints.values():
            endpoint.close()
        assert [endpoint.refusals + endpoint.complaints for endpoint in self.endpoints.values()] == \
            [[]] * len(self.endpoints)
        assert not [line for line in self.process.log if SECRET in line]


@pytest.fixture
def serve(start_countersign, seal, tmp_path):
    served = []
    with contextlib.ExitStack() as programs:

        def serve(page, routes):
            served.append(Served(page, routes, tmp_path, programs, start_countersign, seal))
            return served[-1]

        yield serve
    for one in served:
        one.close()


def python(served, text, route, **environment):
    return served.run(text, route, sys.executable, **environment)


def shell(served, text, route, **environment):
    return served.run(text, route, "bash", "-eu", **environment)


def test_services_of_aws_are_called_by_version_4(serve):
    served = serve("aws-v4", {"ec2": ("aws-v4", EC2), "iam": ("aws-v4", IAM), "stacks": ("aws-v4", CLOUDFORMATION)})
    # what a program of today's SDKs has to be told
    told = re.findall(r"(\w+)=(\S+)", served.here(code("aws-v4", "bash", "export ")))
    for run, text, environment in [(python, code("aws-v4", "python", "boto3"), dict(told)),
                                   (shell, code("aws-v4", "bash", "aws iam "), {}),
                                   (shell, code("aws-v4", "bash", "curl "), {})]:
        for endpoint in served.endpoints.values():
            endpoint.accepted.clear()
        printed, _ = run(served, text, "ec2", **environment)
        assert {route: endpoint.accepted for route, endpoint in served.endpoints.items()} == {
            "ec2": [INSTANCES], "iam": [USER], "stacks": [STACKS]}
        for name in ("i-0123456789abcdef0", "operations-user", "web-stack"):
            assert name in printed


def test_heat_is_called_as_cloudformation(serve):
    served = serve("openstack", {"stacks": ("openstack", CLOUDFORMATION)})
    printed, came = shell(served, code("openstack", "bash", "curl "), "stacks")
    assert printed.count("web-stack") == 2 and came == [STACKS, STACKS]
    assert python(served, code("openstack", "python", "boto3"), "stacks") == ("web-stack\n", [STACKS])


def test_cloudstack_is_called_with_cs_and_curl(serve):
    served = serve("cloudstack", {"cloudstack": ("cloudstack", CLOUDSTACK)})
    called = [{"command": "listVirtualMachines", "name": "a b", "response": "json"}]
    printed, came = shell(served, code("cloudstack", "bash", "curl "), "cloudstack")
    assert "web-machine" in printed and came == called
    text = code("cloudstack", "python", "from cs import")
    assert python(served, text, "cloudstack") == ("web-machine\n", called)


def test_nifcloud_is_called_with_its_sdk_and_curl(serve):
    served = serve("nifcloud", {"computing": ("nifcloud", COMPUTING), "rdb": ("aws-v4", "<DescribeDBInstancesResponse/>")})
    called = [{"Action": "DescribeInstances", "Version": "3.0", "InstanceId.1": "web 1"}]
    printed, came = shell(served, code("nifcloud", "bash", "/api/"), "computing")
    assert "web-server-1" in printed and came == called
    text = code("nifcloud", "python", "from nifcloud import")
    packages = {"PYTHONPATH": str(sdk_signers.PACKAGES)}
    assert python(served, text, "computing", **packages) == ("web-server-1\n", called)
    _, came = shell(served, "curl -sS --fail-with-body http://127.0.0.1:8021/rdb -d Action=DescribeDBInstances", "rdb")
    assert came == [{"Action": "DescribeDBInstances"}]


def test_alibaba_is_called_with_its_sdk_and_curl(serve):
    served = serve("alibaba", {"ecs": ("alibaba-rpc", ECS)})
    called = {"Action": "DescribeInstances", "Format": "JSON", "InstanceName": "a b", "RegionId": "cn-hangzhou",
              "Version": "2014-05-26"}
    printed, came = shell(served, code("alibaba", "bash", "curl "), "ecs")
    assert "i-bp67acfmxazb4ph5g0d1" in printed and came == [called]
    text = code("alibaba", "python", "AcsClient")
    assert python(served, text, "ecs") == ("i-bp67acfmxazb4ph5g0d1\n", [called])


def test_other_clouds_are_called_with_their_sdks_and_curl(serve):
    page = "other-clouds"
    served = serve(page, {"qingcloud": ("qingcloud", QINGCLOUD), "cvm": ("tencent-v1", CVM),
                          "eucalyptus": ("eucalyptus", EC2), "fcu": ("aws-v4", EC2)})
    called = {"action": "DescribeInstances", "search_word": "a b", "zone": "pek1"}
    printed, came = shell(served, code(page, "bash", "/iaas/"), "qingcloud")
    assert "i-pvl3dpaa" in printed and came == [called]
    printed, (came,) = python(served, code(page, "python", "from qingcloud"), "qingcloud")
    assert printed == "i-pvl3dpaa\n" and came.items() >= called.items()

    called = {"Action": "DescribeInstances", "Filters.0.Name": "instance-name", "Filters.0.Values.0": "a b",
              "Region": "ap-guangzhou", "Version": "2017-03-12"}
    printed, came = shell(served, code(page, "bash", "Filters.0"), "cvm")
    assert "ins-r8hr2upy" in printed and came == [called]
    printed, (came,) = python(served, code(page, "python", "from tencentcloud"), "cvm")
    assert printed == "ins-r8hr2upy\n" and came.items() >= called.items()

    printed, came = shell(served, code(page, "bash", "/eucalyptus"), "eucalyptus")
    assert "i-0123456789abcdef0" in printed and came == [INSTANCES]
    _, came = shell(served, "curl -sS --fail-with-body http://127.0.0.1:8021/fcu -d Action=DescribeVolumes", "fcu")
    assert came == [{"Action": "DescribeVolumes"}]


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
