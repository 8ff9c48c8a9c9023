"""`countersign sign` and `verify` against botocore's Signature Version 2, on pseudo-random forms.

Needs botocore, and the program's path in COUNTERSIGN_BIN.
"""

import os
import random
import subprocess
import urllib.parse

import pytest
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FORMS = 200
SEED = 20110620
ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+CvwqnKwRcOIfrRh3c/LTo6UDdyJwOOvEVPvLXCrrrUtdnniCEXAMPLE=="
ENDPOINTS = [
    "https://importexport.amazonaws.com/",
    "https://importexport.amazonaws.com",
    "https://sdb.eu-west-1.amazonaws.com:8443/",
    "http://127.0.0.1:8021/services/Cloud",
]
# what URL libraries disagree about, and characters of one to four bytes
PIECES = [*"abzAZ019-_.~ +*%&=;/:@!'(),?#$<>\"\\|^`{}[]", "%20", "%2B", "é", "ß", "e\u0301", "漢", "\u00a0", "\u2028",
          "😀"]
NAME_PIECES = [piece for piece in PIECES if piece.isascii()]
VALUE_PIECES = [*PIECES, "\n", "\r\n", "\t", "\0"]


def text(rng, pieces, shortest):
    return "".join(rng.choices(pieces, k=rng.randint(shortest, 12)))


def counted(name):
    return "".join(character for character in name.lower() if character not in "_- ")


def cases():
    rng = random.Random(SEED)
    for number in range(FORMS):
        parameters = {"Action": rng.choice(["ListJobs", "CreateJob", "GetStatus"])}
        for _ in range(rng.randint(0, 12)):
            name = text(rng, NAME_PIECES, 1)
            # no two names may differ only by what is overlooked when names are compared
            if counted(name) not in {"version", *map(counted, parameters)}:
                parameters[name] = text(rng, VALUE_PIECES, 0)
        parameters["Version"] = "2010-06-01"
        items = list(parameters.items())
        rng.shuffle(items)
        yield number, dict(items), rng.choice(ENDPOINTS), rng.choice([None, TOKEN])


def botocore_signs(parameters, endpoint, token):
    request = AWSRequest(method="POST", url=endpoint, data=dict(parameters))
    SigV2Auth(Credentials(ID, SECRET, token)).add_auth(request)
    return request.data


def countersign(arguments, form, token):
    environment = {"AWS_SECRET_ACCESS_KEY": SECRET}
    if token:
        environment["AWS_SESSION_TOKEN"] = token
    return subprocess.run(
        [os.environ["COUNTERSIGN_BIN"], *arguments],
        input=form.encode(),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )


def encodings(parameters):
    """The same form as different clients write it."""
    yield urllib.parse.urlencode(parameters)
    yield urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote, safe="/~*:")
    yield "&".join(
        "=".join("".join(f"%{byte:02x}" for byte in part.encode()) for part in pair) for pair in parameters.items()
    )


@pytest.mark.parametrize(("number", "parameters", "endpoint", "token"), list(cases()))
def test_the_signature_is_botocores_and_botocores_verifies(number, parameters, endpoint, token):
    expected = botocore_signs(parameters, endpoint, token)

    form = list(encodings(parameters))[number % 3]
    arguments = ["sign", "--endpoint", endpoint, "--access-key-id", ID, "--timestamp", expected["Timestamp"]]
    signed = countersign(arguments, form, token)
    assert signed.returncode == 0, signed.stderr
    assert signed.stdout.endswith(b"\n")
    pairs = urllib.parse.parse_qsl(
        signed.stdout[:-1].decode(), keep_blank_values=True, strict_parsing=True, errors="strict"
    )
    assert len(pairs) == len(dict(pairs))
    assert dict(pairs) == expected

    verified = countersign(["verify", "--endpoint", endpoint], urllib.parse.urlencode(expected), token)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith(b"verifies: ")


def test_a_signature_botocore_made_for_another_endpoint_is_diagnosed():
    expected = botocore_signs({"Action": "ListJobs"}, "https://importexport.amazonaws.com:8443/", None)
    form = urllib.parse.urlencode(expected)
    refused = countersign(["verify", "--endpoint", "https://importexport.amazonaws.com:8444"], form, None)
    assert refused.returncode == 1
    assert b"no usual mistake" in refused.stdout
    arguments = ["verify", "--endpoint", "https://importexport.amazonaws.com"]
    found = countersign([*arguments, "--suspect", "https://importexport.amazonaws.com:8443"], form, None)
    assert found.returncode == 1
    assert b"it was made for another host, `importexport.amazonaws.com:8443`" in found.stdout
