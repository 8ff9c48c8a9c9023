"""The code in the how-to pages of clients: each is run as it stands there, but for ports, against an endpoint that
verifies."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import boto2
import documents
import pytest
from importexport import KEY_ID, SECRET
from verifying_upstream import Answer, verifying_upstream

TIMEOUT = 300  # seconds; compilers, on a busy machine
PAGES = documents.TOP / "docs/how-to"
# where `npm ci` has put what package.json beside this file names
NODE_MODULES = pathlib.Path(os.environ.get("COUNTERSIGN_NODE_MODULES", documents.TOP / "target/npm/node_modules"))
TOKEN = "f2b4c1d09e8a7365544332211000ffee" * 2

SELECT = {"Action": "Select", "Version": "2009-04-15", "SelectExpression": "select * from `people` where name = 'Zoë'"}
LIST = {"Action": "ListStacks", "Version": "2010-05-15"}
DESCRIBE = {"Action": "DescribeInstances", "Version": "2016-11-15", "Filter.1.Name": "tag:Name",
            "Filter.1.Value.1": "a b"}
ALL = [("/", SELECT), ("/v1/", LIST), ("/services/Cloud/", DESCRIBE)]

# each answers with a name that the code prints
NAMES = {"Select": "person-1", "ListStacks": "web-stack", "DescribeInstances": "i-0123456789abcdef0"}
ANSWERS = {
    "Select": '<SelectResponse xmlns="http://sdb.amazonaws.com/doc/2009-04-15/"><SelectResult><Item><Name>{}</Name>'
              "</Item></SelectResult></SelectResponse>",
    "ListStacks": '<ListStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><ListStacksResult>'
                  "<StackSummaries><member><StackName>{}</StackName></member></StackSummaries></ListStacksResult>"
                  "</ListStacksResponse>",
    "DescribeInstances": '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet>'
                         "<item><instancesSet><item><instanceId>{}</instanceId></item></instancesSet></item>"
                         "</reservationSet></DescribeInstancesResponse>",
}


def answer(received):
    action = received.parameters["Action"]
    return Answer(ANSWERS[action].format(NAMES[action]).encode(), headers={"Content-Type": "text/xml"})


def block(page, language, nth=0):
    return [one for one in documents.blocks(PAGES / page) if one.language == language][nth].text


class Served:
    """The configuration of a page, in service: what came to its endpoint, and the code of pages with its ports."""

    def __init__(self, upstream, process, usual):
        self.upstream, self.process = upstream, process
        self.ports = {}
        for name, port in usual.items():
            line = process.wait_for(rf'"message":"listening".*"listener":"{name}"').string
            self.ports[port] = json.loads(line)["address"].rpartition(":")[2]

    def here(self, code):
        return re.sub(r"\b127\.0\.0\.1:(8021|8022)\b", lambda found: f"127.0.0.1:{self.ports[found[1]]}", code)


def start(page, endpoints, usual, directory, start_countersign, seal):
    """Starts what the page's configuration says, with ports, files and an endpoint that are here."""
    upstream = verifying_upstream(directory, KEY_ID, SECRET)
    opened = upstream.__enter__()
    opened.answer = answer
    configuration = directory / "countersign.toml"
    configuration.write_text(block(page, "toml"))
    file, identity = re.findall(r'file = "(.*)"', seal())
    here = {"KEY__MAIN__FILE": file, "KEY__MAIN__IDENTITY_FILE": identity, "LOG__FORMAT": "json"}
    here |= {f"LISTENER__{name.upper()}__ADDRESS": "127.0.0.1:0" for name in usual}
    for route, path in endpoints.items():
        here |= {f"ROUTE__{route}__ENDPOINT": opened.url(path=path), f"ROUTE__{route}__CA_FILE": str(opened.ca_file)}
    here |= {"CLIENT__REPORTS__TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest()} if "shared" in usual else {
        "CLIENT__REPORTS__UID": str(os.getuid())}
    environment = {f"COUNTERSIGN__{name}": value for name, value in here.items()}
    return upstream, Served(opened, start_countersign("run", "--config", configuration, environment=environment), usual)


@pytest.fixture(scope="module")
def served(start_countersign, seal, tmp_path_factory):
    endpoints = {"SDB": "/", "STACKS": "/v1/", "CLOUD": "/services/Cloud/"}
    usual = {"local": "8021", "shared": "8022"}
    upstream, served = start("call-it.md", endpoints, usual, tmp_path_factory.mktemp("served"), start_countersign, seal)
    yield served
    upstream.__exit__(None, None, None)
    assert served.upstream.complaints == []
    assert not [line for line in served.process.log if SECRET in line or TOKEN in line]


@pytest.fixture
def run(served, tmp_path):
    """Runs code as a file of this name, and returns what it printed and what came to the endpoint meanwhile."""

    def run(code, name, *command, token=None):
        file = tmp_path / name
        # the listener that wants a token is on the other port
        file.write_text(served.here(code.replace("127.0.0.1:8021", "127.0.0.1:8022") if token else code))
        environment = {key: value for key, value in os.environ.items()
                       if key.lower() not in {"http_proxy", "https_proxy", "all_proxy"}}
        environment |= {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "aws-config")}
        environment |= {"COUNTERSIGN_TOKEN": token} if token else {}
        before = len(served.upstream.received)
        done = subprocess.run([*command, str(file)], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, [(one.path, one.unsigned) for one in served.upstream.received[before:]]

    return run


def assert_called(result, calls=ALL):
    printed, came = result
    assert came == calls
    for _, form in calls:
        assert NAMES[form["Action"]] in printed


TOKENS = pytest.mark.parametrize("token", [None, TOKEN], ids=["for any local process", "with a token"])


@pytest.mark.parametrize("nth", [0, 1], ids=["for any local process", "with a token"])
def test_boto3(run, nth):
    # the second block calls the listener that wants a token
    assert_called(run(block("from-python.md", "python", nth), "call.py", sys.executable, token=TOKEN if nth else None))


def test_the_aws_cli(run):
    assert_called(run(block("from-aws-cli.md", "bash"), "call.sh", "bash", "-eu"))


def test_curl(run):
    assert_called(run(block("from-curl.md", "bash"), "call.sh", "bash", "-eu"))


def test_curl_with_a_token(run):
    assert_called(run(block("from-curl.md", "bash", 1), "call.sh", "bash", "-eu", token=TOKEN), [("/v1/", LIST)])


@pytest.fixture
def node_modules(tmp_path):
    assert NODE_MODULES.is_dir(), f"{NODE_MODULES} is not there: tests/run makes it"
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)


@pytest.mark.usefixtures("node_modules")
def test_the_sdk_for_javascript_and_fetch(run):
    assert_called(run(block("from-javascript.md", "javascript"), "call.mjs", "node"))


@pytest.mark.usefixtures("node_modules")
def test_the_sdk_for_javascript_with_a_token(run):
    assert_called(run(block("from-javascript.md", "javascript", 1), "call.mjs", "node", token=TOKEN), [("/v1/", LIST)])


@TOKENS
def test_java(run, token):
    assert_called(run(block("from-java.md", "java"), "Call.java", "java", "-Xshare:auto", token=token))


@TOKENS
def test_go(run, token):
    assert_called(run(block("from-go.md", "go"), "call.go", "go", "run", token=token))


@TOKENS
def test_php(run, token):
    assert_called(run(block("from-php.md", "php"), "call.php", "php", token=token))


@TOKENS
def test_ruby(run, token):
    assert_called(run(block("from-ruby-and-perl.md", "ruby"), "call.rb", "ruby", token=token))


@TOKENS
def test_perl(run, token):
    assert_called(run(block("from-ruby-and-perl.md", "perl"), "call.pl", "perl", token=token))


def test_boto_2_on_a_route_that_accepts_get(start_countersign, seal, tmp_path):
    page, names = "get-clients.md", {}
    with contextlib.ExitStack() as stack:
        upstream, served = start(page, {"SDB": "/"}, {"local": "8021"}, tmp_path, start_countersign, seal)
        stack.push(upstream)
        code = block(page, "python").replace("port=8021", f"port={served.ports['8021']}")
        exec(code, names)  # noqa: S102
        (item,) = names["connection"].select("people", SELECT["SelectExpression"])
        assert item.name == "person-1"
        assert served.upstream.received[-1].unsigned.items() >= SELECT.items()
        before = len(served.upstream.received)
        # the page allows three Actions
        with pytest.raises(boto2.BotoServerError) as caught:
            names["connection"].get_all_domains()
        assert (caught.value.status, caught.value.error_code) == (403, "AccessDenied")
        assert len(served.upstream.received) == before and served.upstream.complaints == []
