"""Listeners of every kind through the whole program: who connects is known by what the socket proves."""

import json
import os
import re
import socket
import stat
import subprocess
import time

import pytest
from curl_status import curl_status
from token_issuer import Issuer, openssl

FORM = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds


@pytest.fixture(scope="module")
def serve(start_countersign, seal, sandbox, tmp_path_factory):
    """Starts a proxy with this listener and these clients; returns where it listens and the process."""

    def start(listener, clients, environment=None):
        configuration = tmp_path_factory.mktemp("listener") / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
{listener}
{clients}
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
[log]
format = "json"
""")
        process = start_countersign("run", "--config", configuration, environment=environment)
        address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]
        return address, process

    return start


def check(configuration, countersign_bin):
    """What `check` prints of it."""
    done = subprocess.run([countersign_bin, "check", "--config", configuration], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(*arguments):
    """Status and body of a call; 0 when there was no answer."""
    return curl_status("--data", FORM, *arguments)


def client(name, *lines):
    return "\n".join([f"[client.{name}]", *lines, 'allow = ["importexport:List*"]'])


def test_a_unix_socket_has_its_mode_and_knows_its_peer_by_uid(serve, tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "countersign.sock"
    address, _ = serve(
        f'address = "unix:{path}"\nmode = "0600"\nauthenticate = ["unix-peer"]', client("ours", f"uid = {os.getuid()}")
    )
    assert address == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    status, body = curl("--unix-socket", str(path), "http://anything/")
    assert status == 200, body
    assert "<ListJobsResponse" in body


def test_a_peer_that_no_client_names_is_closed_at_once_and_named_in_the_log(serve, tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "countersign.sock"
    _, process = serve(f'address = "unix:{path}"\nauthenticate = ["unix-peer"]', client("other", "uid = 54321"))
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(TIMEOUT)
        peer.connect(str(path))
        assert peer.recv(1) == b"", "nothing is waited for"
    line = json.loads(process.wait_for(r'"reason":"unknown_uid"').string)
    assert f"uid={os.getuid()}" in line["peer"]


def test_a_peer_that_no_client_names_may_have_a_token_where_tokens_count(serve, tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "countersign.sock"
    serve(f'address = "unix:{path}"\nauthenticate = ["unix-peer", "token"]', client("other", "uid = 54321"))
    status, body = curl("--unix-socket", str(path), "http://anything/")
    assert (status, "<Code>MissingAuthenticationToken</Code>" in body) == (403, True), body


def test_the_owner_of_a_loopback_connection_is_known(serve):
    listener = 'address = "127.0.0.1:0"\nauthenticate = ["loopback-owner"]'
    address, process = serve(listener, client("ours", f"uid = {os.getuid()}"))
    assert curl(f"http://{address}/")[0] == 200
    line = json.loads(process.wait_for(r'"message":"exchange"').string)
    assert (line["client"], line["identified_by"], line["rule"]) == ("ours", "loopback-owner", "allow[1]")
    address, _ = serve(listener, client("other", "uid = 54321"))
    assert curl(f"http://{address}/")[0] == 403


def test_a_client_may_do_what_its_rules_allow_and_nothing_else(serve):
    listener = 'address = "127.0.0.1:0"\nauthenticate = ["loopback-owner"]'
    address, _ = serve(listener, client("ours", f"uid = {os.getuid()}", 'deny = ["importexport:ListJobs"]'))
    status, body = curl(f"http://{address}/")
    assert (status, "<Code>AccessDenied</Code>" in body) == (403, True), body


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, a server's certificate, and two clients' with SPIFFE ids."""
    directory = tmp_path_factory.mktemp("certificates")
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    for name, alternative, usage in [
        ("server", "IP:127.0.0.1", "serverAuth"),
        ("billing", "URI:spiffe://example.org/billing", "clientAuth"),
        ("stranger", "URI:spiffe://example.org/stranger", "clientAuth"),
    ]:
        (directory / f"{name}.cnf").write_text(f"subjectAltName={alternative}\nextendedKeyUsage={usage}\n")
        openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.cnf")
        (directory / f"{name}.key").chmod(0o600)
    return directory


def test_a_client_certificate_is_asked_for_and_its_spiffe_id_known(serve, certificates):
    listener = f"""\
address = "127.0.0.1:0"
authenticate = ["mtls"]
[listener.local.tls]
certificate = "{certificates}/server.pem"
private_key = "{certificates}/server.key"
client_ca = "{certificates}/ca.pem"
"""
    address, process = serve(listener, client("billing", 'spiffe = "spiffe://example.org/billing"'))

    def call(*arguments):
        return curl("--cacert", f"{certificates}/ca.pem", *arguments, f"https://{address}/")

    def pair(name):
        return ["--cert", f"{certificates}/{name}.pem", "--key", f"{certificates}/{name}.key"]

    assert call(*pair("billing"))[0] == 200
    assert json.loads(process.wait_for(r'"message":"exchange"').string)["client"] == "billing"
    status, body = call(*pair("stranger"))
    assert (status, "<Code>InvalidClientTokenId</Code>" in body) == (403, True), body
    assert call()[0] == 0, "without a certificate there is no connection"


def test_check_shows_whose_certificates_a_listener_believes(certificates, seal, sandbox, countersign_bin, tmp_path):
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["mtls"]
[listener.local.tls]
certificate = "{certificates}/server.pem"
private_key = "{certificates}/server.key"
client_ca = "{certificates}/ca.pem"
{client("billing", 'spiffe = "spiffe://example.org/billing"')}
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
""")
    printed = check(configuration, countersign_bin)
    assert f"  tls: {certificates}/server.pem, key {certificates}/server.key\n" in printed
    told = f"  client certificates: of {certificates}/ca.pem, no revocation list configured, asked again after 600s\n"
    assert told in printed


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


def test_a_service_account_is_known_by_its_token_and_the_token_goes_no_further(serve, issuer):
    listener = f"""\
address = "127.0.0.1:0"
authenticate = ["service-account"]
[listener.local.service_account]
issuer = "https://issuer.example"
audience = "countersign"
algorithm = "RS256"
jwks_file = "{issuer.file}"
"""
    address, process = serve(listener, client("billing", 'service_account = "shop/billing"'))

    def call(token):
        return curl("--header", f"Authorization: Bearer {token}", f"http://{address}/")[0]

    good = issuer.token()
    assert call(good) == 200
    for wrong in [
        issuer.token(aud=["another"]),
        issuer.token(iss="https://elsewhere.example"),
        issuer.token(exp=int(time.time()) - 600),
        issuer.token(sub="system:serviceaccount:shop:stranger"),
        good[:-8] + "AAAAAAAA",
    ]:
        assert call(wrong) == 403
    assert curl(f"http://{address}/")[0] == 403
    process.stop()
    assert not re.search(re.escape(good.rpartition(".")[2]), process.transcript())


def test_a_socket_of_the_service_manager_is_served(serve, sandbox, seal, countersign_bin, tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "activated.sock"
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "systemd:countersign"
authenticate = ["unix-peer"]
{client("ours", f"uid = {os.getuid()}")}
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
""")
    activated = subprocess.Popen(
        ["systemd-socket-activate", "--listen", str(path), "--fdname", "countersign",
         countersign_bin, "run", "--config", str(configuration)],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        status = 0
        # until the manager listens there is nothing to connect to; from then on nothing is lost
        while status == 0 and time.monotonic() < deadline:
            status, _ = curl("--unix-socket", str(path), "http://anything/")
        assert status == 200
    finally:
        activated.terminate()
        activated.wait(TIMEOUT)
