"""Client certificates, pinned keys and minimum versions of TLS towards endpoints, tried with OpenSSL and with curl."""

import base64
import hashlib
import ssl
import subprocess

import pytest
from tls_endpoint import AUTHORITY, NAMES, NO_AUTHORITY, Workshop, post, tls_endpoint

FORM = "Action=CreateJob&JobType=Import&Manifest=m&ValidateOnly=false"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    make = workshop.certificate
    make("endpoint", [NAMES, NO_AUTHORITY])
    make("authority", [AUTHORITY], name="authority of clients")
    make("client", [NO_AUTHORITY], issuer="authority", name="countersign")
    make("stranger", [NO_AUTHORITY], name="stranger")
    for name in ("client", "stranger", "endpoint"):
        workshop.path(f"{name}.key").chmod(0o600)
    return workshop


@pytest.fixture(scope="module")
def key(seal):
    return seal()


def version(text):
    return {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[text]


def serving(workshop, versions=("1.2", "1.3"), wants_certificates=False):
    def change(context):
        context.minimum_version, context.maximum_version = version(versions[0]), version(versions[-1])
        if wants_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(workshop.path("authority.pem"))

    return tls_endpoint(workshop.path("endpoint.pem"), workshop.path("endpoint.key"), change)


def shown(workshop, certificate, key=None):
    return (f'client_certificate = "{workshop.path(certificate)}.pem"\n'
            f'client_key = "{workshop.path(key or certificate)}.key"')


def curl_takes(workshop, server, *options):
    done = subprocess.run(
        ["curl", "-q", "-sS", "--max-time", "60", "--noproxy", "*", "--cacert", workshop.path("endpoint.pem"),
         "--data", "a=b", *options, server.url],
        capture_output=True, text=True, timeout=90, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
def test_openssl_is_shown_the_client_certificate_that_it_wants(workshop, proxy, key, versions):
    with serving(workshop, [versions], wants_certificates=True) as server:
        calls = proxy(server.url, workshop.path("endpoint.pem"), shown(workshop, "client"), key)
        assert post(calls, FORM) == 200
        _, spoken, peer = server.requests[-1]
        assert (spoken, peer["subject"]) == (f"TLSv{versions}", ((("commonName", "countersign"),),))
        assert curl_takes(workshop, server, "--cert", workshop.path("client.pem"), "--key", workshop.path("client.key"))


@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_a_call_that_openssl_refuses_for_its_certificate_is_known_not_to_have_been_sent(
    workshop, proxy, key, versions, certificate
):
    with serving(workshop, [versions], wants_certificates=True) as server:
        lines = shown(workshop, certificate) if certificate else ""
        calls = proxy(server.url, workshop.path("endpoint.pem"), lines, key)
        assert (post(calls, FORM), server.requests) == (502, [])
        calls.process.wait_for("ProxyUpstreamUntrusted")
        options = ["--cert", workshop.path("stranger.pem"), "--key", workshop.path("stranger.key")]
        assert not curl_takes(workshop, server, *(options if certificate else []))


def pin(workshop, certificate):
    public = workshop.openssl("x509", "-in", f"{certificate}.pem", "-noout", "-pubkey")
    der = ssl.PEM_cert_to_DER_cert(public.replace("PUBLIC KEY", "CERTIFICATE"))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.mark.parametrize(("pinned", "taken"), [("endpoint", True), ("stranger", False)])
def test_pinned_keys_are_those_of_curl(workshop, proxy, key, pinned, taken):
    digest = pin(workshop, pinned)
    with serving(workshop) as server:
        assert curl_takes(workshop, server, "--pinnedpubkey", f"sha256//{digest}") is taken
        server.requests.clear()
        for written in (f"sha256/{digest}", f"sha256//{digest}"):
            line = f'pinned_public_keys = ["{written}"]'
            calls = proxy(server.url, workshop.path("endpoint.pem"), line, key)
            assert post(calls, FORM) == (200 if taken else 502)
        assert len(server.requests) == (2 if taken else 0)


@pytest.mark.parametrize(("asked", "spoken", "taken"), [
    ("1.3", ["1.2"], False), ("1.3", ["1.2", "1.3"], True), ("1.2", ["1.2"], True),
])
def test_the_minimum_version_is_asked_for_as_curl_asks_for_it(workshop, proxy, key, asked, spoken, taken):
    with serving(workshop, spoken) as server:
        assert curl_takes(workshop, server, f"--tlsv{asked}") is taken
        server.requests.clear()
        calls = proxy(server.url, workshop.path("endpoint.pem"), f'minimum_tls = "{asked}"', key)
        assert (post(calls, FORM), len(server.requests)) == ((200, 1) if taken else (502, 0))


@pytest.mark.parametrize(("files", "code", "words"), [
    (("client", "stranger"), 78, "cannot be used together"),
    (("client", "encrypted"), 78, "holds no unencrypted private key"),
    (("client", "open"), 77, "open.key"),
    (("client", "absent"), 78, "absent.key"),
    (("nothing", "client"), 78, "holds no certificate"),
])
def test_a_client_certificate_that_cannot_be_used_is_refused_by_check_and_run_in_the_same_words(
    workshop, countersign_bin, key, tmp_path, files, code, words
):
    client = workshop.path("client.key").read_text()
    workshop.path("open.key").write_text(client)
    workshop.path("open.key").chmod(0o644)
    workshop.openssl("pkcs8", "-topk8", "-in", "client.key", "-passout", "pass:example", "-out", "encrypted.key")
    workshop.path("encrypted.key").chmod(0o600)
    workshop.path("nothing.pem").write_text("")
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://localhost:1/"
ca_file = "{workshop.path("endpoint")}.pem"
{shown(workshop, *files)}
{key}""")
    told = []
    for command in ("check", "run"):
        done = subprocess.run([countersign_bin, command, "--config", configuration], capture_output=True, text=True,
                              timeout=60, check=False)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        told.append([line for line in done.stderr.splitlines() if "route.main" in line])
    assert told[0] == told[1] != []


def test_check_says_what_is_asked_of_the_endpoint_and_shown_to_it(workshop, countersign_bin, key, tmp_path):
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://localhost:1/"
ca_file = "{workshop.path("endpoint")}.pem"
minimum_tls = "1.3"
pinned_public_keys = ["sha256/{pin(workshop, "endpoint")}"]
{shown(workshop, "client")}
{key}""")
    done = subprocess.run([countersign_bin, "check", "--config", configuration], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for part in (f"shows the certificate in {workshop.path('client')}.pem, key {workshop.path('client')}.key",
                 "1.3 only", f"must be sha256/{pin(workshop, 'endpoint')}"):
        assert part in done.stdout
