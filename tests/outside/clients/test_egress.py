"""The way out through a proxy: tinyproxy and squid as Debian has them, a hostile one of our own, and the environment's
variables, whose meaning is compared with curl's."""

import base64
import json
import re
import socket
import subprocess

import pytest
from egress_proxies import PASSWORD, USER, Daemon, ScriptedProxy, server_context, squid, tinyproxy
from free_ports import free_port
from token_issuer import openssl
from waiting import eventually

READ = "Action=ListJobs&Version=2010-06-03"
WRITE = "Action=CreateJob&Version=2010-06-03&Manifest=marker-of-the-form"
TIMEOUT = 60  # seconds; a debug build on a busy machine
OPENED = ScriptedProxy.TUNNEL
# each worker has connections of its own
ONE_WORKER = "[process]\nworkers = 1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and certificates of servers by it: `proxy` for 127.0.0.1, `other` for another name."""
    directory = tmp_path_factory.mktemp("certificates")
    directory.chmod(0o755)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(directory, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=proxies",
            "-days", "2")
    for name, alternative in [("proxy", "IP:127.0.0.1"), ("other", "DNS:other.example")]:
        (directory / "server.cnf").write_text(f"subjectAltName={alternative}\nextendedKeyUsage=serverAuth\n")
        openssl(directory, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=server")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "server.cnf")
        (directory / f"{name}.key").chmod(0o644)  # squid's own user reads it
    return directory


@pytest.fixture(scope="module")
def credentials(tmp_path_factory):
    def write(text):
        path = tmp_path_factory.mktemp("credentials") / "proxy"
        path.write_text(text)
        path.chmod(0o600)
        return f'egress_credentials_file = "{path}"'

    return write


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    started = []

    def start(kind, **settings):
        directory = tmp_path_factory.mktemp("daemon")
        started.append(Daemon(directory, kind(**settings)))
        started[-1].directory = directory
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@pytest.fixture
def scripted():
    started = []

    def start(script, tls=None):
        started.append(ScriptedProxy(script, tls))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        self.status = int(head.split()[1])
        self.fields = {name.lower(): value.strip() for name, _, value in
                       (line.partition(":") for line in head.splitlines()[1:])}
        code = re.search(r"<Code>(\w+)</Code>", self.body)
        self.code = code and code[1]


def post(url, form=READ):
    done = subprocess.run(
        ["curl", "--silent", "--include", "--max-time", str(TIMEOUT), "--data", "@-", f"{url}/"],
        input=form.encode(), capture_output=True, timeout=2 * TIMEOUT, check=True,
    )
    return Answer(done.stdout.decode())


def logged(proxy, answer):
    """The log's line of the exchange with this answer."""
    return proxy.exchange(re.search(r"<RequestId>([^<]+)</RequestId>", answer.body)[1])


def assert_not_sent(proxy, answer, status, code, reason):
    assert (answer.status, answer.code, answer.fields["x-proxy-sent"]) == (status, code, "no"), answer.body
    line = logged(proxy, answer)
    assert line["reason"] == reason, line
    return line["error"]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["open", "with_a_password"])
@pytest.mark.parametrize("kind", [tinyproxy, squid])
def test_calls_go_through_a_real_proxy_and_share_its_tunnel(
    kind, password, daemon, proxy, upstream, credentials
):
    egress = daemon(kind, password=password)
    shown = credentials(f"{USER}:{password}\n") if password else ""
    lines = f'egress = "http://127.0.0.1:{egress.port}"\n{shown}'
    everything = {"COUNTERSIGN__LOG__LEVEL": "trace"}
    ours = proxy(upstream.url(), upstream.ca_file, route=lines, listener=ONE_WORKER, environment=everything)
    requests, connections = len(upstream.received), upstream.connections
    for form in (READ, WRITE, READ):
        assert post(ours.url, form).status == 200
    assert len(upstream.received) == requests + 3
    assert upstream.connections == connections + 1, "the tunnel is kept open"
    log = lambda: "".join(path.read_text(errors="replace") for path in egress.directory.glob("*.log"))
    eventually(lambda: f"CONNECT 127.0.0.1:{upstream.port}" in log(), log)
    assert "marker-of-the-form" not in log() and "Action" not in log()
    if password:
        encoded = base64.b64encode(f"{USER}:{password}".encode()).decode()
        assert not [line for line in ours.process.log for secret in (USER, password, encoded) if secret in line]


@pytest.mark.parametrize("kind", [tinyproxy, squid])
def test_a_password_that_is_wrong_or_missing_is_told_apart_from_the_endpoints_refusals(
    kind, daemon, proxy, upstream, credentials
):
    egress = daemon(kind, password=PASSWORD)
    before = len(upstream.received)
    route = f'egress = "http://127.0.0.1:{egress.port}"'
    missing = proxy(upstream.url(), upstream.ca_file, route=route)
    error = assert_not_sent(missing, post(missing.url, WRITE), 502, "ProxyEgressRefused", "egress.auth")
    assert "wants a user name and a password" in error and "asks for Basic" in error, error
    wrong = proxy(upstream.url(), upstream.ca_file, route=f"{route}\n{credentials(f'{USER}:wrong-marker')}")
    answer = post(wrong.url, WRITE)
    error = assert_not_sent(wrong, answer, 502, "ProxyEgressRefused", "egress.auth")
    assert "does not accept the user name and password of the route" in error, error
    assert not [text for text in (*wrong.process.log, answer.body) if "wrong-marker" in text or USER in text]
    assert len(upstream.received) == before


def test_a_port_that_the_proxy_does_not_allow_is_told(daemon, proxy, upstream):
    egress = daemon(tinyproxy, ports=[1])
    ours = proxy(upstream.url(), upstream.ca_file, route=f'egress = "http://127.0.0.1:{egress.port}"')
    error = assert_not_sent(ours, post(ours.url, WRITE), 502, "ProxyEgressRefused", "egress.denied")
    assert "it answered 403" in error, error


@pytest.mark.parametrize("kind", [tinyproxy, squid])
def test_an_endpoint_that_is_down_behind_the_proxy_opens_the_breaker(kind, daemon, proxy):
    egress = daemon(kind)
    route = f'egress = "http://127.0.0.1:{egress.port}"\nlimits.failures = 2\ntimeouts.connect = "30s"'
    admin = '[admin]\naddress = "127.0.0.1:0"'
    ours = proxy(f"https://127.0.0.1:{free_port()}/", route=route, listener=admin)
    error = assert_not_sent(ours, post(ours.url, WRITE), 502, "ProxyEgressFailed", "egress.failed")
    assert re.search("could not open a tunnel to the endpoint: it answered 50[0-9]", error), error
    answer = eventually(lambda: (found := post(ours.url, WRITE)).status == 503 and found, "it never counts as down")
    assert answer.code == "ServiceUnavailable" and answer.fields["x-proxy-sent"] == "no"
    address = json.loads(ours.process.wait_for(r'"message":"admin listening\b').string)["address"]
    ready = subprocess.run(["curl", "--silent", f"http://{address}/readyz"], capture_output=True, text=True, check=True)
    assert "route.main: the endpoint is down" in ready.stdout, ready.stdout


def test_an_https_proxy_is_verified_by_a_file_of_its_own(daemon, proxy, upstream, certificates):
    egress = daemon(squid, certificate=(certificates / "proxy.pem", certificates / "proxy.key"))
    url = f'egress = "https://127.0.0.1:{egress.port}"'
    trusted = f'{url}\negress_ca_file = "{certificates}/ca.pem"'
    ours = proxy(upstream.url(), upstream.ca_file, route=trusted, listener=ONE_WORKER)
    connections = upstream.connections
    for form in (READ, WRITE, READ + "&Marker=" + "x" * 200_000):
        assert post(ours.url, form).status == 200
    assert upstream.connections == connections + 1, "TLS in TLS is kept open too"
    untrusted = proxy(upstream.url(), upstream.ca_file, route=f'{url}\negress_ca_file = "{upstream.ca_file}"')
    assert_not_sent(untrusted, post(untrusted.url, WRITE), 502, "ProxyEgressUntrusted", "egress.tls")


def test_an_https_proxy_with_a_certificate_for_another_name_is_shown_no_password(
    scripted, proxy, upstream, certificates, credentials
):
    egress = scripted(lambda head, nth: OPENED, tls=server_context(certificates, "other"))
    route = f'egress = "{egress.url}"\negress_ca_file = "{certificates}/ca.pem"\n{credentials("u:p")}'
    ours = proxy(upstream.url(), upstream.ca_file, route=route)
    assert_not_sent(ours, post(ours.url, WRITE), 502, "ProxyEgressUntrusted", "egress.tls")
    assert egress.received == []


HOSTILE = {
    "an_endless_head": (ScriptedProxy.ENDLESS, 502, "ProxyEgressUntrusted", "egress.answer", "longer than 16384 bytes"),
    "bytes_behind_the_head": (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502,
                              "ProxyEgressUntrusted", "egress.answer", "bytes follow its head"),
    "not_http": (b"SSH-2.0-OpenSSH_9.2p1\r\n", 502, "ProxyEgressUntrusted", "egress.answer", "cannot be read"),
    "closes_without_a_word": (b"", 502, "ProxyEgressUnreachable", "egress.connect", "broke off"),
    "half_a_head": (b"HTTP/1.1 200 OK\r\nX: ", 502, "ProxyEgressUnreachable", "egress.connect", "broke off"),
    "silence": (ScriptedProxy.SILENCE, 504, "ProxyEgressUnreachable", "egress.connect", "took too long"),
    "a_redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 502,
                   "ProxyEgressRefused", "egress.denied", "302"),
    "an_endpoints_answer": (b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\n\r\n<Code>marker</Code>", 502,
                            "ProxyEgressRefused", "egress.denied", "403"),
    "switching": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502, "ProxyEgressUntrusted", "egress.answer",
                  "informational"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_proxy_that_does_not_open_a_tunnel_gets_nothing_of_the_request(name, scripted, proxy, upstream):
    response, status, code, reason, told = HOSTILE[name]
    egress = scripted(lambda head, nth: response)
    route = f'egress = "{egress.url}"\ntimeouts.connect = "{"1s" if name == "silence" else "30s"}"\nlimits.failures = 0'
    ours = proxy(upstream.url(), upstream.ca_file, route=route)
    before = len(upstream.received)
    answer = post(ours.url, WRITE)
    assert told in assert_not_sent(ours, answer, status, code, reason)
    assert "marker" not in answer.body, "nothing of the proxy's answer is passed on"
    assert len(upstream.received) == before
    for received in egress.received:
        lines = bytes(received).decode("latin-1").split("\r\n")
        assert lines[0] == f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1"
        assert [line.partition(":")[0] for line in lines[1:]] == ["host", "user-agent", "", ""], lines


def test_a_proxy_that_poses_as_the_endpoint_is_not_trusted(scripted, proxy, certificates, upstream):
    """It opens no tunnel but ends TLS itself, as one that inspects traffic does."""
    impostor = ScriptedProxy(lambda head, nth: b"", tls=server_context(certificates, "proxy"))
    egress = scripted(lambda head, nth: OPENED)
    # the tunnel leads to the impostor, whose certificate is by an authority that the route does not trust
    egress._tunnel = lambda client, authority, mine: ScriptedProxy._tunnel(
        client, f"127.0.0.1:{impostor.port}", mine
    )
    ours = proxy(upstream.url(), upstream.ca_file, route=f'egress = "{egress.url}"')
    try:
        assert_not_sent(ours, post(ours.url, WRITE), 502, "ProxyUpstreamUntrusted", "upstream.tls")
        assert impostor.received == [], "no request was written to it"
        assert not [all_ for all_ in egress.received if b"marker-of-the-form" in all_]
    finally:
        impostor.close()


def test_a_refused_connect_sent_nothing_so_the_call_is_made_once_more_and_carried_out_once(scripted, proxy, upstream):
    unavailable = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    egress = scripted(lambda head, nth: unavailable if nth == 1 else OPENED)
    ours = proxy(upstream.url(), upstream.ca_file, route=f'egress = "{egress.url}"')
    before = len(upstream.received)
    assert post(ours.url, WRITE).status == 200
    assert len(egress.received) == 2 and len(upstream.received) == before + 1


def test_a_call_that_breaks_off_in_the_tunnel_is_not_sent_again(scripted, proxy, upstream):
    egress = scripted(lambda head, nth: OPENED)
    ours = proxy(upstream.url(), upstream.ca_file, route=f'egress = "{egress.url}"')
    before = len(upstream.received)
    with upstream.answering(lambda received: None):
        answer = post(ours.url, WRITE)
    assert (answer.status, answer.code) == (409, "ProxyOutcomeUnknown"), answer.body
    assert len(upstream.received) == before + 1


def test_the_proxys_name_is_resolved_and_the_endpoints_is_not(scripted, proxy, upstream):
    """The endpoint's name exists only for the proxy."""
    egress = scripted(lambda head, nth: b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
    port = egress.port
    ours = proxy("https://endpoint.invalid/", route=f'egress = "http://localhost:{port}"\nlimits.failures = 0')
    assert_not_sent(ours, post(ours.url, WRITE), 502, "ProxyEgressFailed", "egress.failed")
    assert egress.heads()[0].startswith("CONNECT endpoint.invalid:443 HTTP/1.1")
    nowhere = proxy("https://endpoint.invalid/", route='egress = "http://proxy.invalid:3128"\nlimits.failures = 0')
    assert_not_sent(nowhere, post(nowhere.url, WRITE), 502, "ProxyEgressUnreachable", "egress.connect")


@pytest.fixture
def check(countersign_bin, seal, tmp_path):
    """Runs `check` on routes with these tables, with these variables besides."""

    def check(routes, variables=None, expected=0):
        configuration = tmp_path / "countersign.toml"
        tables = "".join(f"[route.r{nth:02}]\npath = \"/r{nth}\"\n{lines}\n" for nth, lines in enumerate(routes))
        configuration.write_text(f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n{seal()}{tables}')
        done = subprocess.run(
            [countersign_bin, "check", "--config", configuration], env=variables or {}, capture_output=True, text=True,
            timeout=TIMEOUT, check=False,
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout + done.stderr

    return check


def test_the_confinement_opens_the_proxys_port_instead_of_the_endpoints(check):
    told = check(['endpoint = "https://192.0.2.1:8443/"\negress = "http://192.0.2.2:3128"'])
    assert re.search(r"may connect to ports: 3128$", told, re.MULTILINE), told
    assert "egress: through http://192.0.2.2:3128" in told, told
    told = check(['endpoint = "https://192.0.2.1:8443/"\negress = "http://proxy.example:3128"'])
    assert re.search(r"may connect to ports: 53, 3128$", told, re.MULTILINE), told


def test_a_plain_http_endpoint_and_credentials_in_the_url_are_refused(check):
    told = check(['endpoint = "http://127.0.0.1:1/"\negress = "http://192.0.2.2:3128"'], expected=78)
    assert "egress: is for https endpoints" in told, told
    told = check(['endpoint = "https://192.0.2.1/"\negress = "http://u:marker@192.0.2.2:3128"'], expected=78)
    assert "egress_credentials_file" in told and "marker" not in told, told
    told = check(['endpoint = "https://192.0.2.1/"\negress = "environment"'],
                 {"HTTPS_PROXY": "http://u:marker@192.0.2.2:3128"}, expected=78)
    assert "HTTPS_PROXY" in told and "marker" not in told, told


def test_a_file_of_credentials_is_guarded_like_a_key(check, tmp_path):
    path = tmp_path / "credentials"
    path.write_text("u:marker\n")
    route = f'endpoint = "https://192.0.2.1/"\negress = "http://192.0.2.2:3128"\negress_credentials_file = "{path}"'
    path.chmod(0o644)
    assert "is open to others (mode 0644)" in check([route], expected=77)
    path.chmod(0o600)
    assert f"with the user and password in {path}" in check([route])
    path.write_text("marker\n")
    told = check([route], expected=78)
    assert "user:password" in told and "marker" not in told, told


def test_a_variable_that_no_route_uses_is_warned_of(check, start_countersign, seal, tmp_path):
    endpoint = 'endpoint = "https://192.0.2.1/"'
    variables = {"HTTPS_PROXY": "http://marker:word@192.0.2.2:3128"}
    warning = "WARNING process: the variable HTTPS_PROXY names a proxy, and no route uses it"
    told = check([endpoint], variables)
    assert warning in told and "marker" not in told, told
    for quiet in (check([f'{endpoint}\negress = "direct"'], variables), check([endpoint]),
                  check([endpoint], variables | {"NO_PROXY": "192.0.2.0/24"})):
        assert "names a proxy" not in quiet, quiet
    configuration = tmp_path / "run.toml"
    configuration.write_text(
        f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n{seal()}[route.r]\n{endpoint}\n'
    )
    process = start_countersign("run", "--config", configuration, environment=variables)
    process.wait_for("the variable HTTPS_PROXY names a proxy, and no route uses it")
    process.wait_for("listening")
    assert "marker" not in process.transcript()


def test_the_environment_leads_through_the_proxy_it_names(scripted, proxy, upstream):
    egress = scripted(lambda head, nth: OPENED)
    environment = {"HTTPS_PROXY": egress.url, "NO_PROXY": "localhost"}
    route = 'egress = "environment"'
    through = proxy(upstream.url(), upstream.ca_file, route=route, environment=environment)
    assert post(through.url).status == 200
    assert len(egress.received) == 1
    past = proxy(upstream.url("localhost"), upstream.ca_file, route=route, environment=environment)
    assert post(past.url).status == 200
    assert len(egress.received) == 1


# hosts of endpoints, and lists of NO_PROXY, each of which is tried with each
HOSTS = ["sdb.amazonaws.com", "amazonaws.com", "notamazonaws.com", "sdb.amazonaws.com.", "localhost", "10.1.2.3",
         "10.200.0.1", "127.0.0.1", "192.0.2.1:8443", "[::1]", "[2001:db8::1]", "[2001:db9::1]:8443"]
LISTS = ["", "*", "amazonaws.com", ".amazonaws.com", "AMAZONAWS.COM.", "azonaws.com", "sdb.amazonaws.com",
         "www.sdb.amazonaws.com", "*.amazonaws.com", "localhost,*", "localhost, ,amazonaws.com", "a b amazonaws.com",
         "localhost,127.0.0.1", "10.0.0.0/8", "10.0.0.0/9", "10.1.2.3/32", "10.1.2.3", "10.1.2.0/24,192.0.2.0/30",
         "::1", "2001:db8::/32", "2001:db8::/31", "2001:db8::1/128", "1.2.3", "com", ".", ",", "10.0.0.0/33"]


def test_which_endpoints_the_environment_sends_through_the_proxy_is_what_curl_does(check, scripted):
    """curl 7.86 and later: before, it knew no networks."""
    seen = scripted(lambda head, nth: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    def curl_asks_the_proxy(host, listed):
        before = len(seen.received)
        # nothing listens on this port, for those that curl connects to itself
        address = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
        subprocess.run(
            ["curl", "--silent", "--max-time", "60", "--connect-to", f"::127.0.0.1:{closed}", f"https://{address}/"],
            env={"HTTPS_PROXY": seen.url, "NO_PROXY": listed}, capture_output=True, timeout=TIMEOUT, check=False,
        )
        return len(seen.received) > before

    with socket.socket() as held:  # bound and not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        closed = held.getsockname()[1]
        for listed in LISTS:
            routes = [f'endpoint = "https://{host}/"\negress = "environment"' for host in HOSTS]
            told = check(routes, {"HTTPS_PROXY": seen.url, "NO_PROXY": listed})
            ours = [line.strip() for line in told.splitlines() if line.startswith("  egress: ")]
            assert len(ours) == len(HOSTS), told
            for host, line in zip(HOSTS, ours):
                if host.startswith("[") and ":" in listed and "/" in listed:
                    continue  # some versions of curl do not take an IPv6 address in a URL for one here
                expected = "through" if curl_asks_the_proxy(host, listed) else "direct"
                assert line.startswith(f"egress: {expected}"), f"{host} with NO_PROXY={listed!r}: {line}"


@pytest.mark.parametrize("variables", [
    {"https_proxy": "{url}", "HTTPS_PROXY": "http://192.0.2.9:1"},
    {"https_proxy": "", "HTTPS_PROXY": "{url}"},
    {"ALL_PROXY": "{url}"},
    {"all_proxy": "{url}", "ALL_PROXY": "http://192.0.2.9:1"},
    {"HTTPS_PROXY": "{url}", "all_proxy": "http://192.0.2.9:1"},
    {"HTTPS_PROXY": "{bare}"},
    {"HTTP_PROXY": "{url}", "http_proxy": "{url}"},
    {"HTTPS_PROXY": "{url}", "no_proxy": "192.0.2.1", "NO_PROXY": "192.0.2.7"},
    {"HTTPS_PROXY": "{url}", "no_proxy": "", "NO_PROXY": "192.0.2.1"},
], ids=lambda variables: "+".join(variables))
def test_which_variable_counts_is_what_curl_does(variables, check, scripted):
    seen = scripted(lambda head, nth: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    bare = seen.url.removeprefix("http://")
    variables = {name: value.format(url=seen.url, bare=bare) for name, value in variables.items()}
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        subprocess.run(
            ["curl", "--silent", "--max-time", "60", "--connect-to", f"::127.0.0.1:{held.getsockname()[1]}",
             "https://192.0.2.1/"], env=variables, capture_output=True, timeout=TIMEOUT, check=False,
        )
    told = check(['endpoint = "https://192.0.2.1/"\negress = "environment"'], variables)
    expected = f"egress: through {seen.url}" if seen.received else "egress: direct"
    assert expected in told, told
