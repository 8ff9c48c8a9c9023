"""Which certificates an endpoint may have, beside what an authority signed; and whether curl thinks the same."""

import pathlib
import re
import shlex
import subprocess

import pytest
from tls_endpoint import AUTHORITY, EXPIRED, NAMES, NO_AUTHORITY, NOT_YET, Workshop, post, tls_endpoint

OTHER_NAMES = "subjectAltName = DNS:elsewhere.example"
FOR_CLIENTS = "extendedKeyUsage = clientAuth"

TAKEN, REFUSED = True, False
PAGE = pathlib.Path(__file__).parents[3] / "docs/how-to/private-endpoints.md"
FORM = "Action=GetStatus&JobId=JOBID&Version=2010-06-03"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    make = workshop.certificate
    make("plain", [NAMES, NO_AUTHORITY])
    make("unsaid", [NAMES])
    make("both", [NAMES, AUTHORITY])
    make("elsewhere", [OTHER_NAMES, NO_AUTHORITY])
    make("elsewhere-authority", [OTHER_NAMES, AUTHORITY])
    make("expired", [NAMES, NO_AUTHORITY], dates=EXPIRED)
    make("expired-authority", [NAMES, AUTHORITY], dates=EXPIRED)
    make("early", [NAMES, NO_AUTHORITY], dates=NOT_YET)
    make("for-clients", [NAMES, NO_AUTHORITY, FOR_CLIENTS])
    make("for-clients-authority", [NAMES, AUTHORITY, FOR_CLIENTS])
    make("below-plain", [NAMES, NO_AUTHORITY], issuer="plain", name="below")
    make("same-key", [NAMES, NO_AUTHORITY], key="plain")
    make("authority", [AUTHORITY], name="authority")
    make("issued", [NAMES, NO_AUTHORITY], issuer="authority", name="issued")
    make("issued-nameless", [NO_AUTHORITY], issuer="authority")
    make("key-usage", [NAMES, "keyUsage = keyCertSign, digitalSignature"], name="key-usage")
    make("below-key-usage", [NAMES, NO_AUTHORITY], issuer="key-usage", name="below")
    make("nameless", [NO_AUTHORITY])
    make("nameless-authority", [AUTHORITY])
    make("version-1", [])
    make("version-1-authority", [], name="old authority")
    make("below-version-1", [NAMES, NO_AUTHORITY], issuer="version-1-authority", name="below")
    workshop.key("short", kind=1024)
    make("short", [NAMES, NO_AUTHORITY])
    make("sha-1", [NAMES, NO_AUTHORITY], digest="sha1")
    workshop.join("below-plain-chain.pem", "below-plain", "plain")
    workshop.join("two.pem", "plain", "unsaid")
    return workshop


def curl_takes(server, trusted):
    done = subprocess.run(
        ["curl", "-q", "-sS", "--max-time", "60", "--noproxy", "*", "--cacert", str(trusted), "--data", "a=b",
         server.url],
        capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode in (0, 35, 60), done.stderr
    return done.returncode == 0


@pytest.fixture(scope="module")
def key(seal):
    return seal()


# certificate that is presented, certificates that are trusted, what countersign does, what curl does
CASES = [
    ("plain", "plain", TAKEN, TAKEN),
    ("unsaid", "unsaid", TAKEN, TAKEN),
    ("both", "both", TAKEN, TAKEN),
    ("unsaid", "two", TAKEN, TAKEN),
    ("issued", "issued", TAKEN, TAKEN),
    ("issued", "authority", TAKEN, TAKEN),
    ("elsewhere", "elsewhere", REFUSED, REFUSED),
    ("elsewhere-authority", "elsewhere-authority", REFUSED, REFUSED),
    ("expired", "expired", REFUSED, REFUSED),
    ("expired-authority", "expired-authority", REFUSED, REFUSED),
    ("early", "early", REFUSED, REFUSED),
    ("for-clients", "for-clients", REFUSED, REFUSED),
    ("for-clients-authority", "for-clients-authority", REFUSED, REFUSED),
    ("below-plain", "plain", REFUSED, REFUSED),
    ("below-plain-chain", "plain", REFUSED, REFUSED),
    ("same-key", "plain", REFUSED, REFUSED),
    ("plain", "unsaid", REFUSED, REFUSED),
    # the differences: decision 026 has their reasons
    ("issued-nameless", "authority", REFUSED, TAKEN),
    ("nameless-authority", "nameless-authority", REFUSED, TAKEN),
    ("below-key-usage", "key-usage", REFUSED, TAKEN),
]


@pytest.mark.parametrize(("presented", "trusted", "ours", "curls"), CASES)
def test_countersign_and_curl_agree_on_the_certificate_of_an_endpoint(
    workshop, proxy, key, presented, trusted, ours, curls
):
    own_key = {"below-plain-chain": "below-plain", "same-key": "plain"}.get(presented, presented)
    with tls_endpoint(workshop.path(f"{presented}.pem"), workshop.path(f"{own_key}.key")) as server:
        assert curl_takes(server, workshop.path(f"{trusted}.pem")) is curls
        server.requests.clear()
        calls = proxy(server.url, ca_file=workshop.path(f"{trusted}.pem"), key=key)
        status = post(calls, FORM)
        assert (status, len(server.requests)) == ((200, 1) if ours else (502, 0)), calls.process.transcript()


# certificate, what the message says, what curl does
UNFIT = [
    ("nameless", ["has no subjectAltName", "-addext subjectAltName=DNS:NAME"], TAKEN),
    ("version-1", ["is not of version 3", "-addext subjectAltName=DNS:NAME"], TAKEN),
    ("short", ["has an RSA key of 1024 bits", "-newkey rsa:2048"], REFUSED),
    ("sha-1", ["is signed with SHA-1", "-sha256"], TAKEN),
    ("version-1-authority", ["is not of version 3"], None),
]


@pytest.mark.parametrize(("trusted", "words", "curls"), UNFIT)
def test_a_certificate_that_no_endpoint_may_have_is_refused_by_check_and_run_in_the_same_words(
    workshop, countersign_bin, key, tmp_path, trusted, words, curls
):
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://localhost:1/"
ca_file = "{workshop.path(trusted)}.pem"
{key}""")
    told = []
    for command in ("check", "run"):
        done = subprocess.run([countersign_bin, command, "--config", configuration], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 78, done.stderr
        told.append([line for line in done.stderr.splitlines() if "certificate 1 in" in line])
        for part in words:
            assert part in done.stderr
    assert told[0] == told[1] != []
    if curls is not None:
        with tls_endpoint(workshop.path(f"{trusted}.pem"), workshop.path(f"{trusted}.key")) as server:
            assert curl_takes(server, workshop.path(f"{trusted}.pem")) is curls


@pytest.mark.parametrize(("presented", "trusted", "words"), [
    ("plain", "authority", "it is signed by itself: if it is the endpoint's own (SHA-256 fingerprint {}), put it into"),
    ("version-1", "authority", "the certificate is not of version 3"),
    ("short", "authority",
     "the certificate has an RSA key of 1024 bits, fewer than 2048: `openssl req -newkey rsa:2048"),
    ("sha-1", "authority", "the certificate is signed with SHA-1"),
    ("nameless-authority", "nameless-authority", "the certificate has no subjectAltName"),
    ("issued-nameless", "authority", "the certificate has no subjectAltName"),
    ("below-plain", "plain", "trusted, but only for itself, since it is no authority (basicConstraints CA:TRUE)"),
    ("below-plain-chain", "plain", "trusted, but only for itself, since it is no authority (basicConstraints CA:TRUE)"),
    ("below-plain-chain", "authority", "a certificate that comes with it has signed another, and is no authority"),
])
def test_the_log_says_how_to_mend_a_certificate_that_is_refused(workshop, proxy, key, presented, trusted, words):
    own_key = presented.removesuffix("-chain")
    with tls_endpoint(workshop.path(f"{presented}.pem"), workshop.path(f"{own_key}.key")) as server:
        calls = proxy(server.url, ca_file=workshop.path(f"{trusted}.pem"), key=key)
        assert (post(calls, FORM), server.requests) == (502, [])
        calls.process.wait_for(re.escape(words.format(workshop.fingerprint(presented))))


def test_what_the_manual_advises_makes_a_certificate_that_is_trusted(workshop, proxy, key):
    page = PAGE.read_text()
    command = page[page.index("openssl req -x509 -newkey"):].split("```")[0].replace("\\\n", "")
    workshop.openssl(*shlex.split(command.replace("heat.example.internal", "localhost"))[1:])
    chain, private = workshop.path("endpoint.pem"), workshop.path("endpoint.key")
    with tls_endpoint(chain, private) as server:
        calls = proxy(server.url, ca_file=chain, key=key)
        assert post(calls, FORM) == 200
        assert curl_takes(server, chain)
