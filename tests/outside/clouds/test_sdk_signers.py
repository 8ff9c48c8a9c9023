"""`countersign sign` and `verify` against the signers of the clouds' own SDKs: pseudo-random forms of each dialect."""

import contextlib
import re
import subprocess
import urllib.parse

import pytest
import random_forms
import sdk_signers
from importexport import KEY_ID, SECRET
from sdk_signers import Arrived

FORMS = 200
TIMEOUT = 60  # seconds; a debug build on a busy machine
TIME = "2026-10-03T15:19:30.556Z"
TOKEN = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+CvwqnKwRcOIfrRh3c/LTo6UDdyJwOOvEVPvLXCrrrUtdnniCEXAMPLE=="
NONCE = "1234567890"
TYPE = "application/x-www-form-urlencoded; charset=utf-8"

V2 = {"AWSAccessKeyId": KEY_ID, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": TIME}

# What each dialect is asked to sign, and the parameters that it has to add besides the signature: stated here, so that
# the SDK judges the signature and this table the rest.
CLOUDSTACK = {
    "signer": sdk_signers.jdk, "signature": "signature", "always": {"command": "listZones", "response": "json"},
    "without": random_forms.CONTROLS,
    "names": [*"abzAZ019._-[]:"], "endpoints": ["https://cloud.example.org/client/api"],
    "adds": {"apiKey": KEY_ID, "expires": "2026-10-03T15:24:30+0000", "signatureVersion": "3"},
}
ACTION = {"Action": "DescribeInstances", "Version": "2016-11-15"}
EVERY = {
    "aws-v2": {
        "signer": sdk_signers.aws_v2, "signature": "Signature", "always": ACTION,
        "endpoints": ["https://sdb.eu-west-1.amazonaws.com:8443/", "http://127.0.0.1:8021/services/Cloud"],
        "adds": V2, "token": "SecurityToken",
    },
    "openstack": {
        "signer": sdk_signers.aws_v2, "signature": "Signature", "always": ACTION,
        "endpoints": ["https://heat.example.org:8000/v1/", "https://heat.example.org/v1"], "adds": V2,
    },
    "eucalyptus": {
        "signer": sdk_signers.aws_v2, "signature": "Signature", "always": ACTION,
        "endpoints": ["https://cloud.example.org:8773/services/compute/"], "adds": V2, "token": "SecurityToken",
    },
    "aws-v4": {
        "signer": sdk_signers.aws_v4, "signature": None, "always": ACTION, "adds": {}, "token": "x-amz-security-token",
        "endpoints": ["https://ec2.eu-central-1.amazonaws.com/", "http://127.0.0.1:8000/v1/a-b_c.d~e/"],
        "arguments": ["--region", "eu-central-1", "--service", "ec2"],
    },
    "nifcloud": {
        "signer": sdk_signers.nifcloud, "signature": "Signature",
        "always": {"Action": "DescribeInstances", "Version": "3.0"},
        "endpoints": ["https://jp-east-1.computing.api.nifcloud.com/api/"],
        "adds": {"AccessKeyId": KEY_ID, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2",
                 "Timestamp": "2026-10-03T15:19:30Z"},
    },
    "cloudstack": CLOUDSTACK,
    # `cs` leaves `~`, where the server, which is written in Java, has %7E
    "cloudstack, by cs": {**CLOUDSTACK, "signer": sdk_signers.cloudstack, "without": "~" + random_forms.CONTROLS},
    "alibaba-rpc": {
        "signer": sdk_signers.alibaba_rpc, "signature": "Signature", "token": "SecurityToken",
        "always": {"Action": "DescribeRegions", "Version": "2014-05-26", "Format": "JSON"},
        "endpoints": ["https://ecs.aliyuncs.com/"], "arguments": ["--nonce", NONCE],
        "adds": {"AccessKeyId": KEY_ID, "SignatureMethod": "HMAC-SHA1", "SignatureNonce": NONCE,
                 "SignatureVersion": "1.0", "Timestamp": "2026-10-03T15:19:30Z"},
    },
    "qingcloud": {
        "signer": sdk_signers.qingcloud, "signature": "signature",
        "always": {"action": "DescribeInstances", "zone": "pek1"}, "endpoints": ["https://api.qingcloud.com/iaas/"],
        "adds": {"access_key_id": KEY_ID, "signature_method": "HmacSHA256", "signature_version": "1",
                 "time_stamp": "2026-10-03T15:19:30Z", "version": "1"},
    },
    "tencent-v1": {
        "signer": sdk_signers.tencent_v1, "signature": "Signature", "names": random_forms.PLAIN_NAMES,
        "always": {"Action": "DescribeInstances", "Version": "2017-03-12", "Region": "ap-guangzhou"},
        "endpoints": ["https://cvm.tencentcloudapi.com/"], "arguments": ["--nonce", NONCE], "token": "Token",
        "adds": {"Nonce": NONCE, "SecretId": KEY_ID, "SignatureMethod": "HmacSHA256", "Timestamp": "1791040770"},
    },
}


@pytest.fixture(scope="module")
def signers():
    """Each dialect's signer; two of them are programs of their own."""
    with contextlib.ExitStack() as programs:
        started = {make: programs.enter_context(contextlib.closing(make())) for make in sdk_signers.PROGRAMS}
        yield {name: started.get(row["signer"], row["signer"]) for name, row in EVERY.items()}


def encoded(pairs, number):
    """The same form as different clients write it."""
    if number % 3 == 0:
        return urllib.parse.urlencode(pairs)
    if number % 3 == 1:
        return urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="/~*:")
    return "&".join("=".join("".join(f"%{byte:02x}" for byte in part.encode()) for part in pair) for pair in pairs)


def sign(program, dialect, endpoint, form, token=None, arguments=()):
    """What `countersign sign` would send, as it would arrive."""
    environment = {"AWS_SECRET_ACCESS_KEY": SECRET, **({"AWS_SESSION_TOKEN": token} if token else {})}
    command = [program, "sign", "--dialect", dialect.partition(",")[0], "--headers", "--endpoint", endpoint,
               "--access-key-id", KEY_ID, "--timestamp", TIME, *arguments]
    done = subprocess.run(
        command, input=form.encode(), env=environment, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    head, body = done.stdout[:-1].split(b"\n\n") if not done.stdout.startswith(b"\n") else (b"", done.stdout[1:-1])
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return Arrived(endpoint, fields, body)


def signature_in(arrived, row):
    return arrived.parameters[row["signature"]] if row["signature"] else sdk_signers.v4_signature(arrived)


@pytest.mark.parametrize("dialect", EVERY)
def test_200_forms_are_signed_as_the_sdk_of_the_cloud_signs_them(dialect, countersign_bin, signers):
    row = EVERY[dialect]
    names = row.get("names", random_forms.NAMES)
    cases = list(random_forms.forms(FORMS, row["always"], names, row.get("without", "")))
    assert len(cases) == FORMS
    for number, pairs in enumerate(cases):
        endpoint = row["endpoints"][number % len(row["endpoints"])]
        token = TOKEN if "token" in row and number % 2 else None
        arrived = sign(countersign_bin, dialect, endpoint, encoded(pairs, number), token, row.get("arguments", ()))

        assert signature_in(arrived, row) == signers[dialect](arrived, SECRET), (number, pairs)
        adds = dict(row["adds"])
        if token and row["signature"]:
            adds[row["token"]] = TOKEN
        elif token:
            assert arrived.fields[row["token"]] == TOKEN
        assert arrived.unsigned(row["signature"]) == {**dict(pairs), **adds}, number


@pytest.mark.parametrize("dialect", EVERY)
def test_the_sdk_of_the_cloud_finds_another_signature_for_another_key(dialect, countersign_bin, signers):
    row = EVERY[dialect]
    form = urllib.parse.urlencode(row["always"])
    arrived = sign(countersign_bin, dialect, row["endpoints"][0], form, arguments=row.get("arguments", ()))
    assert signature_in(arrived, row) != signers[dialect](arrived, SECRET + "a")


def signed_by_the_sdk(row, signer, pairs, endpoint):
    """A form as the SDK would send it."""
    parameters = {**dict(pairs), **row["adds"]}
    unsigned = Arrived(endpoint, {}, urllib.parse.urlencode(parameters).encode())
    return urllib.parse.urlencode({**parameters, row["signature"]: signer(unsigned, SECRET)})


def verify(program, dialect, endpoint, form, secret=SECRET):
    command = [program, "verify", "--dialect", dialect.partition(",")[0], "--endpoint", endpoint, "--at", TIME]
    return subprocess.run(
        command, input=form.encode(), env={"AWS_SECRET_ACCESS_KEY": secret}, capture_output=True, timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("dialect", [dialect for dialect, row in EVERY.items() if row["signature"]])
def test_20_forms_that_the_sdk_signs_are_verified(dialect, countersign_bin, signers):
    """Those with their signature in the form; for aws-v4, what a stock SDK sends is in clients/test_issued_keys.py."""
    row, endpoint = EVERY[dialect], EVERY[dialect]["endpoints"][0]
    names = row.get("names", random_forms.NAMES)
    for pairs in random_forms.forms(20, row["always"], names, row.get("without", "")):
        form = signed_by_the_sdk(row, signers[dialect], pairs, endpoint)
        done = verify(countersign_bin, dialect, endpoint, form)
        assert done.returncode == 0, (pairs, done.stdout, done.stderr)
    other = verify(countersign_bin, dialect, endpoint, form, "of-another-key")
    assert other.returncode == 1 and b"verifies: " not in other.stdout


def test_every_dialect_of_a_route_has_its_sdk(countersign_bin):
    """A dialect that is added is compared as well, or this list says why not."""
    said = subprocess.run([countersign_bin, "sign", "--help"], capture_output=True, text=True, timeout=TIMEOUT)
    known = re.search(r"--dialect.*?\[possible values: (.*?)\]", said.stdout, re.DOTALL)[1]
    # these two sign, and no route has them: their vectors say what their SDKs compute
    assert {*(name.partition(",")[0] for name in EVERY), "alibaba-acs3", "volcengine"} == set(re.split(r",\s+", known))
