"""`countersign sandbox --any-action` with clients of other services: directly, and through the proxy."""

import base64
import hashlib
import hmac
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from importexport import KEY_ID, ONE_ATTEMPT, SECRET

NAMESPACE = {"e": "urn:countersign:sandbox:echo"}
TOKEN = "AQoDYXdzEJrEXAMPLETOKEN"
# the endpoint of Heat has a path, which is signed
PATHS = {"sdb": "/", "cloudformation": "/v1/"}
VERSIONS = {"sdb": "2009-04-15", "cloudformation": "2010-05-15"}


@pytest.fixture(scope="module")
def sandbox(start_countersign):
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain", "--any-action")
    process.url = process.wait_for(r"listening on (\S+)")[1]
    yield process
    assert not [line for line in process.output[1:] + process.log if "Signature=" in line]


def documents(client):
    """The bodies of the responses that the client gets."""
    seen = []
    client.meta.events.register("after-call.*.*", lambda http_response, **_: seen.append(http_response.content))
    return seen


def echoed(document):
    root = ElementTree.fromstring(document)
    assert root.tag.startswith("{" + NAMESPACE["e"] + "}"), root.tag
    members = root.findall(".//e:EchoedParameters/e:member", NAMESPACE)
    name, value = "e:Name", "e:Value"
    return {member.findtext(name, None, NAMESPACE): member.findtext(value, None, NAMESPACE) for member in members}


def signing_client(service, url, secret=SECRET, key_id=KEY_ID, token=None):
    """Signs with Version 2, by botocore's own signer."""
    client = boto3.client(
        service, region_name="us-east-1", endpoint_url=url.rstrip("/") + PATHS[service], aws_access_key_id=key_id,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(signature_version="v2", retries=ONE_ATTEMPT),
    )
    name = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"choose-signer.{name}", lambda **_: "v2")
    return client


def unsigned_client(service, url):
    config = Config(signature_version=botocore.UNSIGNED, retries=ONE_ATTEMPT)
    return boto3.client(service, region_name="us-east-1", endpoint_url=url, config=config)


def call(service, client):
    """A call with awkward values, the result, and what is to be echoed."""
    if service == "sdb":
        attributes = [{"Name": "a&b", "Value": "1 < 2\r\n+%"}, {"Name": "漢", "Value": "é 😀"}]
        result = client.put_attributes(DomainName="d", ItemName="i", Attributes=attributes)
        sent = {"Action": "PutAttributes", "DomainName": "d", "ItemName": "i"}
        for number, attribute in enumerate(attributes, 1):
            sent |= {f"Attribute.{number}.{part}": value for part, value in attribute.items()}
    else:
        template = '{"Resources": {"a": "b & <c>"}}\n'
        result = client.create_stack(StackName="s", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        sent = {"Action": "CreateStack", "StackName": "s", "TemplateBody": template,
                "Capabilities.member.1": "CAPABILITY_IAM"}
    return result, sent | {"Version": VERSIONS[service]}


@pytest.mark.parametrize("service", VERSIONS)
def test_a_signed_call_of_another_service_is_verified_and_echoed(sandbox, service):
    client = signing_client(service, sandbox.url)
    seen = documents(client)
    result, sent = call(service, client)
    assert result["ResponseMetadata"]["HTTPStatusCode"] == 200 and result["ResponseMetadata"]["RequestId"]
    assert echoed(seen[0]) == sent
    sandbox.wait_for(rf"Z {sent['Action']} {KEY_ID} 200$")


@pytest.mark.parametrize("service", VERSIONS)
def test_an_unsigned_call_is_signed_by_the_proxy_and_echoed(sandbox, proxy, service):
    errors = "ec2" if service == "sdb" else "query"
    to_sandbox = proxy(sandbox.url + PATHS[service], route=f'profile = {{ errors = "{errors}" }}')
    client = unsigned_client(service, to_sandbox.url)
    seen = documents(client)
    _, sent = call(service, client)
    assert echoed(seen[0]) == sent
    assert KEY_ID.encode() not in seen[0]


def test_a_route_chosen_by_its_path_is_called_with_that_path_and_signs_the_endpoints(sandbox, proxy):
    """As config/gateway.toml has it: no client needs a name that resolves."""
    to_sandbox = proxy(sandbox.url + "/", route='path = "/sdb"\nprofile = { errors = "ec2" }')
    client = unsigned_client("sdb", to_sandbox.url + "/sdb")
    seen = documents(client)
    client.list_domains(MaxNumberOfDomains=5)
    assert echoed(seen[0]) == {"Action": "ListDomains", "MaxNumberOfDomains": "5", "Version": VERSIONS["sdb"]}
    # what the sandbox verified was signed for `/`, the endpoint's own path
    assert refused(unsigned_client("sdb", to_sandbox.url).list_domains)[0] == 404


def test_a_batch_of_the_greatest_size_passes(sandbox):
    client = signing_client("sdb", sandbox.url)
    seen = documents(client)
    # 25 items of 256 attributes; 1 MB, every byte of which is escaped
    items = [{"Name": f"item {n}", "Attributes": [{"Name": f"a{a}", "Value": "漢" * 52, "Replace": True}
                                                  for a in range(256)]} for n in range(25)]
    client.batch_put_attributes(DomainName="d", Items=items)
    parameters = echoed(seen[0])
    assert len(parameters) == 25 * 256 * 3 + 25 + 3
    assert parameters["Item.25.Attribute.256.Value"] == "漢" * 52


def refused(make):
    with pytest.raises(ClientError) as caught:
        make()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize("service", VERSIONS)
def test_a_wrong_signature_is_refused_as_by_aws_and_nothing_is_echoed(sandbox, service):
    for client, code in [
        (signing_client(service, sandbox.url, secret="wrong"), "SignatureDoesNotMatch"),
        (signing_client(service, sandbox.url, key_id="AKIAI44QH8DHBEXAMPLE"), "InvalidClientTokenId"),
        (signing_client(service, sandbox.url, token="foreign"), "InvalidClientTokenId"),
        (unsigned_client(service, sandbox.url), "MissingAuthenticationToken"),
    ]:
        seen = documents(client)
        assert refused(lambda client=client: call(service, client)) == (403, code)
        assert b"Echoed" not in seen[0]


def test_neither_a_signature_nor_a_token_comes_back(start_countersign, tmp_path):
    credentials = tmp_path / "key.json"
    credentials.write_text(f'{{"Version": 1, "AccessKeyId": "{KEY_ID}", "SecretAccessKey": "{SECRET}", '
                           f'"SessionToken": "{TOKEN}"}}')
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain", "--any-action", "--credentials",
                                credentials)
    url = process.wait_for(r"listening on (\S+)")[1]
    client = signing_client("sdb", url, token=TOKEN)
    seen, sent = documents(client), []
    client.meta.events.register("before-send.simpledb", lambda request, **_: sent.append(request.body))
    client.list_domains()
    body = sent[0].decode() if isinstance(sent[0], bytes) else sent[0]
    form = dict(urllib.parse.parse_qsl(body))
    document = seen[0].decode()
    for name in ["AWSAccessKeyId", "Signature", "SecurityToken", "Timestamp"]:
        assert name not in document and form[name] not in document
    assert echoed(seen[0]) == {"Action": "ListDomains", "Version": "2009-04-15"}
    assert not [line for line in process.output + process.log if TOKEN in line or form["Signature"] in line]


@pytest.mark.parametrize(
    ("action", "code"), [("", "MissingAction"), ("List%20It", "InvalidAction"), ("2Go", "InvalidAction")]
)
def test_an_action_that_is_none_is_refused(sandbox, action, code):
    """Signed by hand: neither SDK nor `countersign sign` sends such a form."""
    timestamp = urllib.parse.quote(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), safe="")
    form = (f"AWSAccessKeyId={KEY_ID}&Action={action}&SignatureMethod=HmacSHA256&SignatureVersion=2"
            f"&Timestamp={timestamp}")
    host = sandbox.url.removeprefix("http://")
    mac = hmac.new(SECRET.encode(), f"POST\n{host}\n/\n{form}".encode(), hashlib.sha256).digest()
    body = f"{form}&Signature={urllib.parse.quote(base64.b64encode(mac).decode(), safe='')}"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(sandbox.url, body.encode())
    document = caught.value.read().decode()
    assert (caught.value.code, re.search("<Code>(.*)</Code>", document)[1]) == (400, code)
