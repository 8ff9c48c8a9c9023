"""Clients that identify themselves as stock SDKs do: they sign with a key that countersign issued, and it verifies.

The signatures are made by botocore, by hand from AWS's description, and by the SDKs themselves.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import boto2
import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from importexport import KEY_ID
from verifying_upstream import Answer

FORM = "Action=ListUsers&Version=2010-05-08&PathPrefix=%2Fa%20b%2F"
FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
TOP = pathlib.Path(__file__).resolve().parents[3]
MINUTES = datetime.timedelta(minutes=1)
EMPTY = Answer(b"<Response><ListUsersResult/></Response>")


class Issued:
    """A key as `countersign clients issue` prints it, and the tables for the configuration."""

    def __init__(self, countersign_bin, directory, client, name):
        sealed = directory / f"{name}.age"
        identity = directory / "identity"
        if not identity.exists():
            new_identity = [countersign_bin, "keys", "new-identity", "--out", identity]
            subprocess.run(new_identity, check=True, capture_output=True)
        done = subprocess.run(
            [countersign_bin, "clients", "issue", "--client", client, "--identity", identity, "--out", sealed],
            check=True, capture_output=True, text=True,
        )
        environment = dict(line.split("=", 1) for line in done.stdout.splitlines() if not line.startswith("#"))
        self.printed = done.stdout
        self.id = environment["AWS_ACCESS_KEY_ID"]
        self.secret = environment["AWS_SECRET_ACCESS_KEY"]
        self.table = f'[key.{name}]\nfile = "{sealed}"\nidentity_file = "{identity}"\n'
        self.sealed = sealed

    @property
    def arguments(self):
        return {"aws_access_key_id": self.id, "aws_secret_access_key": self.secret}


@pytest.fixture(scope="module")
def issued(countersign_bin, tmp_path_factory):
    directory = tmp_path_factory.mktemp("issued")
    return [Issued(countersign_bin, directory, "agent", name) for name in ["agent-1", "agent-2"]]


CLIENTS = """
[client.agent]
issued_keys = ["agent-1", "agent-2"]
allow = ["main:List*", "main:Describe*", "main:Get*", "main:Create*", "main:Select", "main:Publish"]
"""
EITHER = {"COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "false"}


@pytest.fixture(scope="module")
def guarded(proxy, upstream, seal, issued):
    """A proxy that knows its client by two issued keys."""
    route = f'accept = ["post", "get"]\n{CLIENTS}{"".join(key.table for key in issued)}'
    with upstream.answering(lambda _received: EMPTY):
        started = proxy(
            upstream.url(), upstream.ca_file, route=route, key=seal(), listener='authenticate = ["issued-key"]',
            environment=EITHER,
        )
        yield started
        secrets = [key.secret for key in issued]
        started.process.stop()
        assert not [line for line in started.process.log if any(secret in line for secret in secrets)]


class Signed:
    """A request that botocore signs, and what is changed of it afterwards."""

    def __init__(self, proxy, key, form=FORM, at=None, service="iam", region="us-east-1", headers=None, url=None):
        self.target, self.form, self.method = "/", form, "POST"
        headers = {"Content-Type": FORM_TYPE, "Host": proxy.address} | (headers or {})
        request = AWSRequest("POST", url or f"{proxy.url}/", data=form, headers=headers)
        auth = SigV4Auth(Credentials(key.id, key.secret), service, region)
        # what `add_auth` does, at a time of one's own
        time = at or datetime.datetime.now(datetime.timezone.utc)
        request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ")
        auth._modify_request_before_signing(request)
        canonical = auth.canonical_request(request)
        signature = auth.signature(auth.string_to_sign(request, canonical), request)
        auth._inject_signature_to_request(request, signature)
        self.fields = [(name, str(value)) for name, value in request.headers.items()]

    def field(self, name):
        return next(value for field, value in self.fields if field.lower() == name.lower())

    def set(self, name, value):
        self.fields = [(field, value if field.lower() == name.lower() else old) for field, old in self.fields]

    def send(self, proxy):
        connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
        connection.putrequest(self.method, self.target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.fields:
            connection.putheader(name, value)
        body = self.form.encode()
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        code = re.search("<Code>(.*?)</Code>", text)
        return response.status, code and code[1], text, response


def test_a_form_that_botocore_signs_is_verified_dropped_and_signed_with_the_real_key(guarded, upstream, issued):
    for key in issued:
        before = len(upstream.received)
        status, _, text, response = Signed(guarded, key).send(guarded)
        assert status == 200, text
        [received] = upstream.received[before:]
        assert received.parameters["AWSAccessKeyId"] == KEY_ID
        assert received.unsigned == {"Action": "ListUsers", "Version": "2010-05-08", "PathPrefix": "/a b/"}
        assert not [name for name in received.headers if name.lower().startswith(("authorization", "x-amz"))]
        line = guarded.exchange(response.headers["countersign-request-id"])
        assert (line["client"], line["identified_by"]) == ("agent", "issued-key")


def test_a_signature_may_be_five_minutes_old_or_early_and_not_more(guarded, issued):
    now = datetime.datetime.now(datetime.timezone.utc)
    for near in [now - 4 * MINUTES, now + 4 * MINUTES]:
        assert Signed(guarded, issued[0], at=near).send(guarded)[0] == 200
    for far, words in [(now - 6 * MINUTES, "Signature expired: "), (now + 6 * MINUTES, "Signature not yet current: ")]:
        status, code, text, response = Signed(guarded, issued[0], at=far).send(guarded)
        assert (status, code) == (403, "SignatureDoesNotMatch")
        assert words in text
        assert "Date" in response.headers, "SDKs correct their clocks by it"


def change(name, value):
    return lambda request: request.set(name, value)


def in_authorization(old, new):
    return lambda request: request.set("Authorization", request.field("Authorization").replace(old, new))


def add(name, value):
    return lambda request: request.fields.append((name, value))


def attribute(name, value):
    return lambda request: setattr(request, name, value)


def other_digit(request):
    value = request.field("Authorization")
    request.set("Authorization", value[:-1] + ("0" if value[-1] != "0" else "1"))


def another_day(request):
    value = request.field("Authorization")
    day = re.search(r"/(\d{8})/", value)[1]
    request.set("Authorization", value.replace(f"/{day}/", "/20200101/"))


ATTACKS = {
    "another host": (change("Host", "localhost:1"), 403, "SignatureDoesNotMatch"),
    "another path": (attribute("target", "//"), 404, "ProxyRouteNotFound"),
    "a query is added": (attribute("target", "/?Action=DeleteUser"), 400, "InvalidQueryParameter"),
    "another method": (attribute("method", "GET"), 400, "InvalidQueryParameter"),
    "a header is changed": (change("Content-Type", "application/x-www-form-urlencoded"), 403, "SignatureDoesNotMatch"),
    "the body is changed": (attribute("form", FORM.replace("ListUsers", "GetUser")), 403, "SignatureDoesNotMatch"),
    "the body is longer": (attribute("form", FORM + "&A=1"), 403, "SignatureDoesNotMatch"),
    "the body is empty": (attribute("form", ""), 403, "SignatureDoesNotMatch"),
    "another region": (in_authorization("us-east-1", "eu-central-1"), 403, "SignatureDoesNotMatch"),
    "another service": (in_authorization("/iam/", "/sts/"), 403, "SignatureDoesNotMatch"),
    "another day": (another_day, 400, "IncompleteSignature"),
    "one digit of the signature": (other_digit, 403, "SignatureDoesNotMatch"),
    "half a signature": (lambda request: request.set("Authorization", request.field("Authorization")[:-32]), 400,
                         "IncompleteSignature"),
    "no signature": (in_authorization("Signature=", "Other="), 400, "IncompleteSignature"),
    "an unknown id": (in_authorization("CSGN", "CSGM"), 403, "InvalidClientTokenId"),
    "an id of AWS": (in_authorization("Credential=CSGN", "Credential=AKIA"), 403, "InvalidClientTokenId"),
    "a second Authorization": (add("Authorization", "Bearer x"), 400, "IncompleteSignature"),
    "a name signed twice": (in_authorization(";host;", ";host;host;"), 400, "IncompleteSignature"),
    "names in another order": (in_authorization("content-type;host", "host;content-type"), 400, "IncompleteSignature"),
    "the host is not signed": (in_authorization(";host;", ";"), 400, "IncompleteSignature"),
    "an x-amz field is added": (add("X-Amz-Target", "IAM.DeleteUser"), 400, "IncompleteSignature"),
    "a second time": (add("X-Amz-Date", "20200101T000000Z"), 400, "IncompleteSignature"),
    "a session token": (add("X-Amz-Security-Token", "x"), 400, "IncompleteSignature"),
    "no payload": (add("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), 400, "IncompleteSignature"),
    "a signed form too": (attribute("form", FORM + "&AWSAccessKeyId=y&Signature=x"), 400, "IncompleteSignature"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_an_attacker_changes_of_a_signed_request_is_refused(guarded, upstream, issued, attack):
    changed, status, code = ATTACKS[attack]
    request = Signed(guarded, issued[0])
    changed(request)
    before = len(upstream.received)
    got = request.send(guarded)
    assert got[:2] == (status, code), got[2]
    assert upstream.received[before:] == []
    expected = hashlib.sha256(request.form.encode()).hexdigest()
    assert expected not in got[2], "what was expected is in the log alone"


def test_what_was_expected_is_in_the_log_at_debug_and_not_in_the_answer(guarded, issued):
    request = Signed(guarded, issued[0])
    request.form = FORM + "&Marker=of-the-form"
    text = request.send(guarded)[2]
    hashed = hashlib.sha256(request.form.encode()).hexdigest()
    line = guarded.process.wait_for(hashed).string
    assert json.loads(line)["level"].lower() == "debug"
    assert "POST\\n/\\n\\ncontent-type:" in line and issued[0].id in line
    assert hashed not in text
    assert not [line for line in guarded.process.log if "of-the-form" in line]


def test_a_body_in_chunks_is_verified_as_the_form_that_it_is(guarded, issued):
    request = Signed(guarded, issued[0])
    connection = http.client.HTTPConnection(guarded.host, guarded.port, timeout=60)
    halves = [FORM[:10].encode(), FORM[10:].encode()]
    headers = dict(request.fields) | {"Transfer-Encoding": "chunked"}
    connection.request("POST", "/", body=iter(halves), headers=headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    halves[1] += b"x"
    connection.request("POST", "/", body=iter(halves), headers=headers, encode_chunked=True)
    assert connection.getresponse().status == 403
    connection.close()


def test_a_hash_of_the_body_that_is_signed_must_be_right(guarded, issued):
    right = hashlib.sha256(FORM.encode()).hexdigest()
    assert Signed(guarded, issued[0], headers={"X-Amz-Content-SHA256": right}).send(guarded)[0] == 200
    for wrong in ["0" * 64, "UNSIGNED-PAYLOAD"]:
        got = Signed(guarded, issued[0], headers={"X-Amz-Content-SHA256": wrong}).send(guarded)
        assert got[:2] == (403, "SignatureDoesNotMatch")


def test_a_form_without_a_signature_is_refused(guarded, upstream):
    before = len(upstream.received)
    for authorization in [None, "Bearer x", "AWS4-ECDSA-P256-SHA256 Credential=x"]:
        connection = http.client.HTTPConnection(guarded.host, guarded.port, timeout=60)
        headers = {"Content-Type": FORM_TYPE} | ({"Authorization": authorization} if authorization else {})
        connection.request("POST", "/", body=FORM, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert (response.status, "MissingAuthenticationToken" in text) == (403, True), text
        assert "a signature with an access key that countersign issued" in text
    assert upstream.received[before:] == []


def test_a_stranger_is_refused_before_its_body_is_read(guarded, issued):
    """The head announces a body that never comes."""
    request = Signed(guarded, issued[0])
    in_authorization("CSGN", "CSGM")(request)
    connection = http.client.HTTPConnection(guarded.host, guarded.port, timeout=60)
    connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
    for name, value in [*request.fields, ("Content-Length", "100000")]:
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


# --- Signature Version 2, in the form


def signed_v2(key, host, form, method="POST", at=None, algorithm="HmacSHA256", expires=None, path="/"):
    """A form with its signature, by AWS's description of 2009."""
    time = (expires or at or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")
    parameters = dict(urllib.parse.parse_qsl(form)) | {
        "AWSAccessKeyId": key.id,
        "SignatureMethod": algorithm,
        "SignatureVersion": "2",
        "Expires" if expires else "Timestamp": time,
    }
    quoted = "&".join(
        f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )
    digest = {"HmacSHA256": hashlib.sha256, "HmacSHA1": hashlib.sha1}[algorithm]
    mac = hmac.new(key.secret.encode(), f"{method}\n{host}\n{path}\n{quoted}".encode(), digest).digest()
    return f"{quoted}&Signature={urllib.parse.quote(base64.b64encode(mac).decode(), safe='')}"


def send_form(proxy, form, method="POST"):
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
    if method == "GET":
        connection.request("GET", f"/?{form}")
    else:
        connection.request("POST", "/", body=form, headers={"Content-Type": FORM_TYPE})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    code = re.search("<Code>(.*?)</Code>", text)
    return response.status, code and code[1], text


def test_a_signed_form_of_version_2_is_verified_dropped_and_signed_with_the_real_key(guarded, upstream, issued):
    now = datetime.datetime.now(datetime.timezone.utc)
    for signed in [
        {},
        {"algorithm": "HmacSHA1"},
        {"at": now - 4 * MINUTES},
        {"expires": now + 4 * MINUTES},
        {"method": "GET"},
    ]:
        before = len(upstream.received)
        form = signed_v2(issued[1], guarded.address, FORM, **signed)
        status, _, text = send_form(guarded, form, signed.get("method", "POST"))
        assert status == 200, (signed, text)
        [received] = upstream.received[before:]
        assert received.parameters["AWSAccessKeyId"] == KEY_ID
        assert received.unsigned == {"Action": "ListUsers", "Version": "2010-05-08", "PathPrefix": "/a b/"}


def test_what_an_attacker_changes_of_a_signed_form_is_refused(guarded, upstream, issued):
    now = datetime.datetime.now(datetime.timezone.utc)
    key, host = issued[0], guarded.address
    good = signed_v2(key, host, FORM)
    before = len(upstream.received)
    for form, status, code in [
        (good.replace("ListUsers", "GetUser"), 403, "SignatureDoesNotMatch"),
        (f"{good}&More=1", 403, "SignatureDoesNotMatch"),
        (good.replace("HmacSHA256", "HmacSHA1"), 403, "SignatureDoesNotMatch"),
        (good.replace(key.id, issued[1].id), 403, "SignatureDoesNotMatch"),
        (good.replace("CSGN", "CSGM"), 403, "InvalidClientTokenId"),
        (good.replace("AWSAccessKeyId", "AccessKeyId"), 400, "IncompleteSignature"),
        (good.replace("SignatureVersion=2", "SignatureVersion=1"), 400, "IncompleteSignature"),
        (f"{good}&SecurityToken=x", 403, "InvalidClientTokenId"),
        (f"{good}&AWSAccessKeyId={key.id}", 400, "InvalidQueryParameter"),
        (signed_v2(key, "localhost:1", FORM), 403, "SignatureDoesNotMatch"),
        (signed_v2(key, host, FORM, path="/x"), 403, "SignatureDoesNotMatch"),
        (signed_v2(key, host, FORM, method="GET"), 403, "SignatureDoesNotMatch"),
        (signed_v2(key, host, FORM, at=now - 6 * MINUTES), 400, "RequestExpired"),
        (signed_v2(key, host, FORM, at=now + 6 * MINUTES), 400, "RequestExpired"),
        (signed_v2(key, host, FORM, expires=now + 60 * MINUTES), 400, "RequestExpired"),
        (signed_v2(key, host, FORM, expires=now - MINUTES), 400, "RequestExpired"),
    ]:
        got = send_form(guarded, form)
        assert got[:2] == (status, code), (form, got[2])
    assert upstream.received[before:] == []


# --- the SDKs, with an endpoint URL and keys alone


def client(service, proxy, key, region="us-east-1", **more):
    config = Config(retries={"total_max_attempts": 1}, **more)
    return boto3.client(service, region_name=region, endpoint_url=proxy.url, config=config, **key.arguments)


def answer(document):
    return lambda _received: Answer(document.encode())


def test_stock_boto3_clients_identify_themselves_by_their_signatures(guarded, upstream, issued):
    calls = {
        "ec2": ("describe_regions", {}, "<DescribeRegionsResponse><regionInfo/></DescribeRegionsResponse>"),
        "iam": ("list_users", {"PathPrefix": "/a b/"},
                "<ListUsersResponse><ListUsersResult><Users/></ListUsersResult></ListUsersResponse>"),
        "sts": ("get_caller_identity", {},
                "<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"),
        "sns": ("publish", {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": "ünï + %&="},
                "<PublishResponse><PublishResult/></PublishResponse>"),
        "cloudformation": ("describe_stacks", {"StackName": "s *"},
                           "<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>"),
        "sdb": ("list_domains", {}, "<ListDomainsResponse><ListDomainsResult/></ListDomainsResponse>"),
    }
    for service, (call, arguments, document) in calls.items():
        before = len(upstream.received)
        with upstream.answering(answer(document)):
            response = getattr(client(service, guarded, issued[0]), call)(**arguments)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 200, service
        assert upstream.received[before:][0].parameters["AWSAccessKeyId"] == KEY_ID


def test_boto3_is_told_in_its_own_words_that_its_secret_is_wrong(guarded, issued):
    wrong = Issued.__new__(Issued)
    wrong.id, wrong.secret = issued[0].id, "wrong"
    with pytest.raises(ClientError) as refused:
        client("iam", guarded, wrong).list_users()
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    with pytest.raises(ClientError) as denied:
        client("iam", guarded, issued[0]).delete_user(UserName="a")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"


def test_issuing_prints_the_key_once_and_seals_it(countersign_bin, issued):
    printed = issued[0].printed
    assert re.search(r"^AWS_ACCESS_KEY_ID=CSGN[A-Z2-7]{16}$", printed, re.M)
    assert re.search(r"^AWS_SECRET_ACCESS_KEY=[A-Za-z0-9_-]{40}$", printed, re.M)
    assert '# issued_keys = ["agent-1"]' in printed and "# [client.agent]" in printed
    assert issued[0].sealed.stat().st_mode & 0o777 == 0o600
    assert issued[0].secret not in issued[0].sealed.read_text()
    again = subprocess.run(
        [countersign_bin, "clients", "issue", "--client", "agent", "--identity", issued[0].sealed.parent / "identity",
         "--out", issued[0].sealed],
        capture_output=True, text=True, check=False,
    )
    assert again.returncode != 0 and "exists" in again.stderr and again.stdout == ""


# --- other SDKs

NODE_MODULES = pathlib.Path(os.environ.get("COUNTERSIGN_NODE_MODULES", TOP / "target/npm/node_modules"))
SCRIPT = """
import { CloudFormationClient, ListStacksCommand } from "@aws-sdk/client-cloudformation";
import { EC2Client, DescribeRegionsCommand } from "@aws-sdk/client-ec2";
const settings = { maxAttempts: 1 };
await new EC2Client(settings).send(new DescribeRegionsCommand({ RegionNames: ["a b", "é*~+"] }));
await new CloudFormationClient(settings).send(new ListStacksCommand({ NextToken: "a=b&c" }));
console.log("done");
"""


def in_full(received):
    """A result without content, as the SDK for JavaScript reads it."""
    action = received.parameters["Action"]
    return Answer(f"<{action}Response><{action}Result></{action}Result></{action}Response>".encode())


def test_the_sdk_for_javascript_needs_only_its_environment(guarded, upstream, issued, tmp_path):
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "calls.mjs").write_text(SCRIPT)
    environment = os.environ | {
        "AWS_ENDPOINT_URL": guarded.url,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": issued[0].id,
        "AWS_SECRET_ACCESS_KEY": issued[0].secret,
    }
    before = len(upstream.received)
    with upstream.answering(in_full):
        done = subprocess.run(
            ["node", "calls.mjs"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    first, second = (received.parameters for received in upstream.received[before:])
    assert (first["Action"], first["RegionName.1"], first["RegionName.2"]) == ("DescribeRegions", "a b", "é*~+")
    assert (second["Action"], second["NextToken"]) == ("ListStacks", "a=b&c")


@pytest.mark.parametrize(("service", "call"), [
    (boto2.SDBConnection, "get_all_domains"),
    (boto2.CloudFormationConnection, "list_stacks"),
])
def test_boto_2_signs_its_gets_and_posts(guarded, upstream, issued, service, call):
    connection = boto2.connect(service, guarded.host, guarded.port, (issued[0].id, issued[0].secret))
    before = len(upstream.received)
    with upstream.answering(answer("<Response/>")):
        getattr(connection, call)()
    [received] = upstream.received[before:]
    assert received.parameters["AWSAccessKeyId"] == KEY_ID
