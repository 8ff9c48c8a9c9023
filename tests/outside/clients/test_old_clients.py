"""Programs of other kinds that send a form in a query string: over a Unix socket, with a header of their own, by
POST."""

import json
import subprocess

import pytest
from importexport import KEY_ID
from verifying_upstream import Answer

TIMEOUT = 60  # seconds
ALL = 'accept = ["post", "get", "post-query"]'
CALL = {"Action": "GetAttributes", "ItemName": "a b+c é", "Version": "2009-04-15"}
QUERY = "Action=GetAttributes&ItemName=a%20b%2Bc%20%C3%A9&Version=2009-04-15"


def echo(received):
    return Answer(json.dumps(received.pairs).encode(), headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module", autouse=True)
def echoing(upstream):
    with upstream.answering(echo):
        yield


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def assert_signed(echoed):
    assert echoed["AWSAccessKeyId"] == KEY_ID
    assert {name: echoed[name] for name in CALL} == CALL


@pytest.fixture(scope="module")
def with_header(proxy, upstream):
    listener = 'required_header = "x-requested-by"'
    return proxy(upstream.url(), upstream.ca_file, route=ALL, listener=listener)


def test_curl_gets_with_the_header_that_the_listener_requires(with_header):
    fields = [option for name, value in CALL.items() for option in ("--data-urlencode", f"{name}={value}")]
    assert_signed(run("curl", "-q", "-sf", "-G", "-H", "X-Requested-By: curl", *fields, with_header.url))
    assert_signed(run("curl", "-q", "-sf", "-H", "X-Requested-By: curl", f"{with_header.url}?{QUERY}"))


def test_curl_posts_with_the_parameters_in_the_url(with_header):
    assert_signed(run("curl", "-q", "-sf", "-d", "", "-H", "X-Requested-By: curl", f"{with_header.url}?{QUERY}"))


def test_whoever_may_open_a_unix_socket_may_get(start_countersign, seal, upstream, tmp_path):
    (tmp_path / "countersign.toml").write_text(f"""\
[listener.local]
address = "unix:{tmp_path}/socket"
any_local = true
{seal()}
[route.main]
endpoint = "{upstream.url()}"
ca_file = "{upstream.ca_file}"
{ALL}
""")
    process = start_countersign("run", "--config", tmp_path / "countersign.toml")
    process.wait_for("listening")
    assert_signed(run("curl", "-q", "-sf", "--unix-socket", tmp_path / "socket", f"http://any.name/?{QUERY}"))
