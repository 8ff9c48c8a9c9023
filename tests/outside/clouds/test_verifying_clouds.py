"""Routes of every dialect, to endpoints that verify with the signers of the clouds' own SDKs."""

import contextlib
import urllib.error
import urllib.parse
import urllib.request

import pytest
import random_forms
import sdk_signers
from gateway import causes, gateway
from importexport import KEY_ID, SECRET
from verifying_cloud import CLOUDS, verifying_cloud
from wrong_clock import UNCONFINED, WrongClock

FORMS = 20
HOUR = 3600
TIMEOUT = 60  # seconds
AWKWARD = {"Spaces": " a b ", "Plus": "1+1=2", "Unicode": "é ß 漢 😀 e\u0301", "Empty": "", "Tilde": "~/~", "Star": "*",
           "Percent": "%20 %2B 100%", "Item.10": "b", "Item.2": "a"}
DIALECTS = pytest.mark.parametrize("dialect", CLOUDS)
# what each answers to a signature made with another secret: in its own shape, which is passed on as it is
REFUSED = {
    "aws-v2": (403, b"<Code>SignatureDoesNotMatch</Code>"),
    "aws-v4": (403, b"<Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated"),
    "openstack": (403, b"<Code>AccessDenied</Code>"),
    "eucalyptus": (401, b"<Response><Errors><Error><Code>AuthFailure</Code>"),
    "nifcloud": (403, b"<Response><Errors><Error><Code>SignatureDoesNotMatch</Code>"),
    "cloudstack": (401, b'{"listzonesresponse":{"uuidList":[],"errorcode":401,"errortext":"unable to verify'),
    "alibaba-rpc": (400, b'"Code": "SignatureDoesNotMatch"'),
    "qingcloud": (200, b'"ret_code": 1200'),
    "tencent-v1": (200, b'"Code": "AuthFailure.SignatureFailure"'),
}
EXPIRED = REFUSED | {
    "aws-v2": (403, b"<Code>RequestExpired</Code>"),
    "aws-v4": (403, b"<Message>Signature expired: "),
    "eucalyptus": (400, b"<Code>RequestExpired</Code>"),
    "nifcloud": (403, b"<Code>RequestExpired</Code>"),
    "alibaba-rpc": (400, b'"Code": "InvalidTimeStamp.Expired"'),
    "qingcloud": (200, b'"ret_code": 1300'),
    "tencent-v1": (200, b'"Code": "AuthFailure.SignatureExpire"'),
}


# those that repeat what should have been signed: it is what was signed, so that it is the secret that differs
REPEATING = ("aws-v4", "alibaba-rpc")


@pytest.fixture(scope="module")
def clouds():
    """An endpoint of each cloud, which knows the key of `seal`."""
    with contextlib.ExitStack() as started:
        yield {
            dialect: started.enter_context(verifying_cloud(dialect, signer(cloud, started), KEY_ID, SECRET))
            for dialect, cloud in CLOUDS.items()
        }


def signer(cloud, started):
    """The SDK's function, or the program that has it."""
    if cloud.signer in sdk_signers.PROGRAMS:
        return started.enter_context(contextlib.closing(cloud.signer()))
    return cloud.signer


def routes(clouds, more=""):
    return "".join(f"""\
[route.{dialect}]
endpoint = "{cloud.url}"
path = "/{dialect}"
profile = {{ dialect = "{dialect}"{CLOUDS[dialect].profile} }}
{more}
""" for dialect, cloud in clouds.items())


@pytest.fixture(scope="module")
def start(start_countersign, tmp_path_factory, clouds, seal):
    with contextlib.ExitStack() as started:
        yield lambda more="", rest="", environment=None, **key: started.enter_context(gateway(
            start_countersign, tmp_path_factory, seal(**key), routes(clouds, more) + rest, environment
        ))


@pytest.fixture(scope="module")
def right(start):
    return start()


@pytest.fixture(scope="module")
def wrong(start):
    """A proxy with another secret."""
    return start(secret="of-another-key")


@pytest.fixture(scope="module")
def late(start, tmp_path_factory):
    """A proxy on a host whose clock is an hour behind, and that is told to use it."""
    clock = WrongClock(tmp_path_factory.mktemp("clock"), -HOUR)
    return start('clock = "host"', UNCONFINED, clock.environment)


def call(proxy, dialect, pairs):
    """The status, the document, and countersign's record of the exchange."""
    request = urllib.request.Request(f"{proxy.url}/{dialect}", urllib.parse.urlencode(pairs).encode())
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as refused:
        response = refused
    with response:
        body = response.read()
    return response.status, body, proxy.exchange(response.headers["countersign-request-id"])


@DIALECTS
def test_20_forms_each_are_accepted_by_the_clouds_own_signer(dialect, clouds, right):
    cloud, usual = clouds[dialect], CLOUDS[dialect].call
    names = CLOUDS[dialect].names or random_forms.NAMES
    forms = [[*usual.items(), *AWKWARD.items()], *random_forms.forms(FORMS - 1, usual, names, CLOUDS[dialect].without)]
    for number, pairs in enumerate(forms):
        status, body, record = call(right, dialect, pairs)
        assert (status, record.get("attempts", 1)) == (200, 1), (pairs, body, cloud.refusals)
        assert cloud.accepted[-1] == dict(pairs), number
    assert len(forms) == FORMS


@DIALECTS
def test_a_wrong_key_is_refused_in_the_clouds_shape(dialect, clouds, wrong):
    status, body, record = call(wrong, dialect, CLOUDS[dialect].call)
    assert (status, record.get("attempts", 1)) == (REFUSED[dialect][0], 1)
    assert REFUSED[dialect][1] in body
    assert clouds[dialect].refusals[-1] == "signature"


@DIALECTS
def test_a_wrong_key_is_named(dialect, clouds, wrong):
    _, _, record = call(wrong, dialect, CLOUDS[dialect].call)
    assert causes(wrong, record["request_id"]) == ["key" if dialect in REPEATING else "unknown"]


@DIALECTS
def test_an_old_time_is_refused_in_the_clouds_shape(dialect, clouds, late):
    status, body, record = call(late, dialect, CLOUDS[dialect].call)
    assert (status, record.get("attempts", 1)) == (EXPIRED[dialect][0], 1)
    assert EXPIRED[dialect][1] in body
    assert clouds[dialect].refusals[-1] == "time"


@DIALECTS
def test_an_old_time_is_named(dialect, clouds, late):
    _, _, record = call(late, dialect, CLOUDS[dialect].call)
    assert causes(late, record["request_id"]) == ["clock"]


@DIALECTS
def test_an_old_time_is_refused_once_and_the_call_is_signed_again(dialect, clouds, start, tmp_path_factory):
    clock = WrongClock(tmp_path_factory.mktemp("clock"), -HOUR)
    proxy = start("", UNCONFINED, clock.environment)
    attempts = []
    for _ in range(2):
        status, _, record = call(proxy, dialect, CLOUDS[dialect].call)
        assert status == 200
        attempts.append(record.get("attempts", 1))
    assert attempts == [2, 1]
    assert clouds[dialect].refusals[-1] == "time" and clouds[dialect].accepted[-1] == CLOUDS[dialect].call

