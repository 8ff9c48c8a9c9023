"""Endpoints by name, with a name server that answers late, wrongly or not at all. The program runs in a mount namespace
whose resolv.conf names that server, and asks it by the C library as ever."""

import http.client
import json
import os
import re
import urllib.request

import pytest
from name_server import NameServer
from waiting import eventually

NAME = "endpoint.example"
FORM = "Action=ListJobs&Version=2010-06-03"
QUICK = "options timeout:1 attempts:1"
LOST = "countersign_endpoint_name_lost"
ENTER = 'mount --bind "$HOSTS" /etc/hosts && mount --bind "$RESOLV_CONF" /etc/resolv.conf && exec "$0" "$@"'


class Proxy:
    """A running proxy, and the addresses it listens at."""

    def __init__(self, process):
        self.process = process
        self.address, self.admin = (
            json.loads(process.wait_for(rf'"message":"{message}').string)["address"]
            for message in (r"listening\b", "admin listening")
        )


@pytest.fixture
def names():
    assert os.geteuid() == 0, "this test mounts, and binds port 53: run it as root, in a container if need be"
    server = NameServer("127.0.0.1")
    yield server
    server.close()


@pytest.fixture(scope="module")
def endpoint(start_countersign, tmp_path_factory):
    """The port of a sandbox that is called NAME, and the file with its authority."""
    ca = tmp_path_factory.mktemp("sandbox") / "ca.pem"
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--tls-name", NAME, "--ca-out", ca)
    return int(process.wait_for(r"listening on https://\S+?:(\d+)")[1]), ca


@pytest.fixture
def start(start_countersign, seal, names, tmp_path):
    """Starts a proxy that asks `names`."""

    def start(url, route="", resolv=QUICK):
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
        (tmp_path / "resolv.conf").write_text(f"nameserver {names.at}\n{resolv}\n")
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[process]
workers = 2
{seal()}
[route.main]
endpoint = "{url}"
limits.failures = 0
limits.pool = 0
{route}
""")
        through = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER]
        environment = {"HOSTS": str(tmp_path / "hosts"), "RESOLV_CONF": str(tmp_path / "resolv.conf")}
        process = start_countersign("run", "--config", configuration, environment=environment, through=through)
        return Proxy(process)

    return start


def over_tls(endpoint, name=NAME, **more):
    port, ca = endpoint
    return {"url": f"https://{name}:{port}/", "route": "\n".join([f'ca_file = "{ca}"', *more.get("lines", [])])}


def call(proxy):
    connection = http.client.HTTPConnection(proxy.address, timeout=60)
    connection.request("POST", "/", FORM, {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def admin(proxy, path):
    with urllib.request.urlopen(f"http://{proxy.admin}{path}", timeout=60) as response:
        return response.status, response.read().decode()


def metric(proxy):
    found = re.search(rf'^{LOST}{{route="main"}} (\S+)$', admin(proxy, "/metrics")[1], re.MULTILINE)
    return float(found[1])


def logged(proxy, message):
    return [line for line in proxy.process.log if f'"message":"{message}' in line]


def test_an_absolute_name_is_looked_up_with_its_dot_and_signed_sent_and_verified_without_it(start, names, endpoint):
    searching = f"{QUICK} ndots:5\nsearch elsewhere.example"
    # the sandbox verifies what is signed with the Host that came, and its certificate has the name without a dot
    proxy = start(**over_tls(endpoint, f"{NAME}."), resolv=searching)
    assert call(proxy) == 200
    assert set(names.asked) == {NAME}
    # without the dot, the domains of this machine come first
    names.asked.clear()
    names.behave("deny")
    proxy = start(**over_tls(endpoint), resolv=searching)
    assert call(proxy) == 502
    assert names.asked[0] == f"{NAME}.elsewhere.example"


def test_a_lookup_outlives_the_calls_that_wait_for_it_and_serves_the_next(start, names, endpoint):
    proxy = start(**over_tls(endpoint, lines=['timeouts.connect = "300ms"']), resolv="options timeout:30 attempts:1")
    names.behave("hold")
    assert [call(proxy) for _ in range(4)] == [502] * 4
    line = proxy.process.wait_for(r"no name server has answered within the route's timeouts.connect").string
    assert '"route":"main"' in line
    names.behave("answer")
    eventually(lambda: call(proxy) == 200, "the answer that came late is not used")
    assert names.asked == [NAME], "one lookup, for all calls of two workers"


def test_a_question_that_is_lost_once_fails_no_call_with_the_defaults(start, names, endpoint):
    names.ignored = 2  # for IPv4 and for IPv6; the C library asks again after 5 seconds
    proxy = start(**over_tls(endpoint), resolv="")
    assert call(proxy) == 200
    assert names.asked == [NAME, NAME]


@pytest.mark.parametrize("conduct", ["fail", "ignore", "deny"])
def test_the_last_addresses_serve_while_lookups_fail_and_log_readiness_and_metrics_say_so(
    start, names, endpoint, conduct
):
    proxy = start(**over_tls(endpoint))
    assert call(proxy) == 200
    assert metric(proxy) == 0
    names.behave(conduct)
    told = "the name cannot be looked up: the addresses found last are used"
    statuses = []
    eventually(lambda: statuses.append(call(proxy)) or logged(proxy, told), "lookups do not fail")
    statuses += [call(proxy) for _ in range(5)]
    assert set(statuses) == {200}
    eventually(lambda: metric(proxy) == 1, "the metric does not say so")
    status, readiness = admin(proxy, "/readyz")
    port, _ = endpoint
    assert status == 200
    assert f"degraded: route.main: the name in {NAME}:{port} cannot be looked up: the addresses found" in readiness
    names.behave("answer")
    # without any call: the program looks again by itself
    eventually(lambda: metric(proxy) == 0, "that the name can be looked up again is not noticed")
    assert call(proxy) == 200
    assert "degraded" not in admin(proxy, "/readyz")[1]
    eventually(lambda: logged(proxy, "the name can be looked up again"), "the log does not say so")
    assert len(logged(proxy, told)) == len(logged(proxy, "the name can be looked up again")) == 1


def test_without_tls_an_old_address_is_not_used_when_the_name_cannot_be_looked_up(start, names, sandbox):
    port = sandbox.rstrip("/").rpartition(":")[2]
    proxy = start(f"http://{NAME}:{port}/", "danger_plaintext = true")
    assert call(proxy) == 200
    names.behave("fail")
    eventually(lambda: call(proxy) == 502, "an address that nothing vouches for is used")
    assert metric(proxy) == 0
