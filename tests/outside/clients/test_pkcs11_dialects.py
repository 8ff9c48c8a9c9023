"""Keys of other dialects than aws-v2 in a PKCS#11 token."""

import base64
import concurrent.futures
import hashlib
import hmac
import signal
import urllib.parse
import uuid

import pytest
from importexport import KEY_ID, SECRET
from softhsm import LABEL, PIN, shim, token  # noqa: F401 (fixtures)
from test_pkcs11 import document, memory, post, proxy_to, traces  # noqa: F401 (a fixture)
from waiting import eventually
from v4_endpoint import day_keys, v4_endpoint

REGION, SERVICE = "eu-central-1", "iam"
AWS_V4 = f'profile = {{ dialect = "aws-v4", region = "{REGION}", service = "{SERVICE}" }}'
ALL_BUT_TWO = ["aws-v2", "openstack", "nifcloud", "eucalyptus", "cloudstack", "qingcloud", "tencent-v1", "alibaba-acs3",
               "volcengine"]


def objects(token):
    return token.pkcs11_tool("--login", "--pin", PIN, "--list-objects").stdout


@pytest.mark.parametrize(("dialect", "label", "methods", "fits"), [
    ("aws-v2", "main", "HmacSHA256 and HmacSHA1", ALL_BUT_TWO),
    ("cloudstack", "main", "HmacSHA256 and HmacSHA1", ALL_BUT_TWO),
    ("aws-v4", "main.aws-v4", "HmacSHA256", ["aws-v4"]),
    ("alibaba-rpc", "main.alibaba-rpc", "HmacSHA1", ["alibaba-rpc"]),
])  # fmt: skip
def test_the_label_of_an_imported_key_says_which_dialects_it_signs(
    token, countersign_bin, dialect, label, methods, fits
):
    done = token.import_key(countersign_bin, document(), "object=main;id=%01", "--dialect", dialect)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[0]
    named = said.rpartition(", for ")[2].split(", ")
    assert f"with {methods}, for" in said and sorted(named) == sorted(fits), said
    assert f'uri = "pkcs11:token={LABEL};object={label};id=%01"' in done.stdout
    assert f"label:      {label}\n" in objects(token)


def test_one_secret_is_imported_for_every_dialect_and_each_only_once(token, countersign_bin):
    for dialect in ("aws-v2", "aws-v4", "alibaba-rpc"):
        done = token.import_key(countersign_bin, document(), "object=main", "--dialect", dialect)
        assert done.returncode == 0, done.stderr
    again = token.import_key(countersign_bin, document(), "object=main", "--dialect", "aws-v4")
    assert again.returncode == 78 and "already has a secret key with label `main.aws-v4`" in again.stderr


@pytest.mark.parametrize(("attributes", "arguments", "why"), [
    ("object=main.aws-v4", [], "the label \"main.aws-v4\" says that the key is for another dialect than aws-v2"),
    ("object=main.aws-v4", ["--dialect", "alibaba-rpc"], "another dialect than alibaba-rpc"),
    ("id=%01", ["--dialect", "aws-v4"], "a key for aws-v4 needs a label, which says so: add object=NAME to the URI"),
])
def test_a_label_that_would_mislead_is_refused(token, countersign_bin, attributes, arguments, why):
    done = token.import_key(countersign_bin, document(), attributes, *arguments)
    assert done.returncode == 65 and why in done.stderr, done.stderr
    assert "Secret Key" not in objects(token)


@pytest.mark.parametrize(("dialect", "key_type", "method"), [
    ("aws-v4", "sha1-hmac", "HmacSHA256"), ("alibaba-rpc", "sha256-hmac", "HmacSHA1"),
    ("cloudstack", "sha256-hmac", "HmacSHA1"),
])  # fmt: skip
def test_a_key_that_does_not_compute_the_mac_of_its_dialect_does_not_stay(
    token, countersign_bin, dialect, key_type, method
):
    done = token.import_key(countersign_bin, document(), "object=main", "--dialect", dialect, "--key-type", key_type)
    assert done.returncode == 78 and f"does not compute {method}" in done.stderr, done.stderr
    assert "the object was removed again" in done.stderr
    assert "Secret Key" not in objects(token)


@pytest.fixture
def aws_v4(token, countersign_bin):
    done = token.import_key(countersign_bin, document(), "object=main", "--dialect", "aws-v4")
    assert done.returncode == 0, done.stderr
    return token


def table(token, label="main.aws-v4", more=""):
    return token.table(KEY_ID, f"object={label}", more=more)


def test_a_device_computes_one_mac_a_day_for_aws_v4_however_many_requests_there_are(aws_v4, proxy_to):
    with v4_endpoint(KEY_ID, SECRET, REGION, SERVICE) as endpoint:
        # a device that takes only short messages takes the day
        proxy = proxy_to(aws_v4, endpoint.url, AWS_V4, table(aws_v4, more='sessions = 1\nmax_message = "256 B"'))
        before = aws_v4.signs
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            form = "Action=ListUsers&Version=2010-05-08&Marker=M{}&Long=" + "x" * 2000
            answers = list(clients.map(lambda n: post(proxy, form.format(n)), range(200)))
    assert {status for status, _ in answers} == {200}, answers[0]
    assert endpoint.complaints == [] and len(endpoint.dates) == 200
    # midnight may come while they are made
    assert aws_v4.signs - before == len(set(endpoint.dates)) <= 2
    assert proxy.ready()[0] == 200


def test_a_device_that_is_taken_out_stops_signing_although_the_key_of_the_day_is_known(aws_v4, proxy_to):
    with v4_endpoint(KEY_ID, SECRET, REGION, SERVICE) as endpoint:
        proxy = proxy_to(aws_v4, endpoint.url, AWS_V4, table(aws_v4))
        assert post(proxy)[0] == 200
        aws_v4.tell_shim("absent")
        proxy.process.child.send_signal(signal.SIGHUP)  # as the check of every half minute
        eventually(lambda: proxy.ready()[0] == 503, "not ready")
        assert post(proxy)[0] == 503
        aws_v4.untell_shim("absent")
        eventually(lambda: post(proxy)[0] == 200, "signing again")
        assert endpoint.complaints == []


def test_a_key_for_alibaba_rpc_signs_in_the_device(token, countersign_bin, tmp_path):
    done = token.import_key(countersign_bin, document(), "object=main", "--dialect", "alibaba-rpc")
    assert done.returncode == 0, done.stderr
    configuration = tmp_path / "sign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://ecs.example/"
profile.dialect = "alibaba-rpc"
{table(token, "main.alibaba-rpc")}
""")
    signed = token.call([countersign_bin, "sign", "--config", configuration, "--route", "main"],
                        given="Action=DescribeRegions&Version=2014-05-26")
    assert signed.returncode == 0, signed.stderr
    form, _, signature = signed.stdout.strip().partition("&Signature=")
    text = "POST&%2F&" + urllib.parse.quote(form, safe="~")
    expected = hmac.new(f"{SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    assert base64.b64decode(urllib.parse.unquote(signature)) == expected


@pytest.mark.parametrize(("imported", "label", "route", "has", "needed"), [
    ("aws-v4", "main.aws-v4", "", "`AWS4` and the secret", "the secret itself"),
    ("aws-v2", "main", AWS_V4, "the secret itself", "`AWS4` and the secret"),
    ("aws-v2", "main", 'profile.dialect = "alibaba-rpc"', "the secret itself", "the secret and `&`"),
])  # fmt: skip
def test_a_key_imported_for_another_dialect_is_refused_by_run_and_check_in_the_same_words(
    token, countersign_bin, tmp_path, imported, label, route, has, needed
):
    done = token.import_key(countersign_bin, document(), "object=main;id=%01", "--dialect", imported)
    assert done.returncode == 0, done.stderr
    configuration = tmp_path / "countersign.toml"
    # by the id alone, the token tells the label
    for attributes in (f"object={label}", "id=%01"):
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://iam.amazonaws.com/"
{route}
{token.table(KEY_ID, attributes)}
""")
        check, run = (token.call([countersign_bin, command, "--config", configuration]) for command in ("check", "run"))
        assert (check.returncode, check.stderr) == (run.returncode, run.stderr)
        assert run.returncode == 78, run.stderr
        assert f"key.main: the token has {has}, and the dialect " in run.stderr, run.stderr
        assert f"of route.main is signed with {needed}: import the key once more" in run.stderr


def test_a_device_without_the_mac_of_the_dialect_is_refused(token, countersign_bin, tmp_path):
    done = token.import_key(countersign_bin, document(), "object=main", "--key-type", "sha256-hmac")
    assert done.returncode == 0, done.stderr
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://cloud.example/client/api"
profile.dialect = "cloudstack"
{table(token, "main")}
""")
    check, run = (token.call([countersign_bin, command, "--config", configuration]) for command in ("check", "run"))
    assert (check.returncode, check.stderr) == (run.returncode, run.stderr)
    words = "key.main: it does not compute HmacSHA1, with which the dialect cloudstack of route.main is signed"
    assert run.returncode == 78 and words in run.stderr, run.stderr


def test_the_keys_that_aws_v4_derives_are_in_the_memory_of_neither_process(token, countersign_bin, proxy_to):
    # never a secret before, so that nothing but this key can have left it
    secret = (uuid.uuid4().hex + uuid.uuid4().hex)[:40]
    done = token.import_key(countersign_bin, document(secret), "object=main", "--dialect", "aws-v4")
    assert done.returncode == 0, done.stderr
    with v4_endpoint(KEY_ID, secret, REGION, SERVICE) as endpoint:
        proxy = proxy_to(token, endpoint.url, AWS_V4, table(token))
        assert {post(proxy)[0] for _ in range(20)} == {200}
        assert endpoint.complaints == []
    derived = [(f"k{number} of {date}", key) for date in set(endpoint.dates)
               for number, key in enumerate(day_keys(secret, date, REGION, SERVICE), 1)]
    masked = {f"{name} xor {mask:#x}": bytes(byte ^ mask for byte in key) for name, key in derived
              for mask in (0, 0x36, 0x5C)}
    for pid, is_there in ((proxy.process.child.pid, KEY_ID), (proxy.agent, LABEL)):
        content = list(memory(pid))
        assert any(is_there.encode() in part for part in content), "the scan sees nothing"
        found = [needle for needle in traces(secret) if any(needle in part for part in content)]
        assert found == []
        assert [name for name, key in masked.items() if any(key in part for part in content)] == []
