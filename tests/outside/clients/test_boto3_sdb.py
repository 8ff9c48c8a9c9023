"""boto3's SimpleDB client, which signs with Version 2 by itself, through the proxy to an endpoint that verifies."""

import urllib.parse
from xml.sax.saxutils import escape

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from importexport import KEY_ID, PLACEHOLDER, PLACEHOLDER_ID, PLACEHOLDER_SECRET, SECRET
from verifying_upstream import AUTHENTICATION, SECURITY_TOKEN, Answer, verifying_upstream

NAMESPACE = "http://sdb.amazonaws.com/doc/2009-04-15/"
TOKEN = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+CvwqnKwRcOIfrRh3c/LTo6UDdyJwOOvEVPvLXCrrrUtdnniCEXAMPLE=="

# every character below is one that an URL, XML or HTTP implementation has been known to lose
AWKWARD = {
    "spaces": "  two before, one after ",
    "plus and percent": "1+1=2 100% %20 %2B %zz",
    "unreserved": "-_.~",
    "not so reserved": "*'();:@&=$,/?#[]!",
    "quotes": "\"'`\\|^{}<>",
    "newlines": "a\nb\r\nc\td",
    "latin": "Ünïcödé ß",
    "decomposed": "e\u0301 is not \u00e9",
    "east": "漢字 かな 한글",
    "right to left": "שלום \u202eabc",
    "beyond the BMP": "😀 \U0001f468\u200d\U0001f469\u200d\U0001f467 𝔘",
    "noncharacters": "\ufffd \u2028\u2029 \u00a0\u200b\ufeff",
    "empty": "",
    "&name=value": "a name that looks like a pair",
}


def document(operation, result="", wrapped=True):
    result = f"<{operation}Result>{result}</{operation}Result>" if wrapped else ""
    return Answer(
        f'<?xml version="1.0"?><{operation}Response xmlns="{NAMESPACE}">{result}<ResponseMetadata>'
        f"<RequestId>b1e8f1f7-42e9-494c-ad09-2674e557526d</RequestId><BoxUsage>0.0000219907</BoxUsage>"
        f"</ResponseMetadata></{operation}Response>".encode()
    )


def attributes(parameters, prefix="Attribute"):
    """The numbered attributes of a form, `Attribute.1.Name` and so on."""
    found = []
    while (name := parameters.get(f"{prefix}.{len(found) + 1}.Name")) is not None:
        found.append((name, parameters[f"{prefix}.{len(found) + 1}.Value"]))
    return found


def as_xml(pairs):
    # a carriage return would be read as a newline: XML 1.0 section 2.11
    text = [tuple(escape(part, {"\r": "&#13;"}) for part in pair) for pair in pairs]
    return "".join(f"<Attribute><Name>{name}</Name><Value>{value}</Value></Attribute>" for name, value in text)


class Domain:
    """As much of SimpleDB as these tests need: items that are put and got back."""

    def __init__(self):
        self.items = {}

    def answer(self, received):
        parameters = received.parameters
        match parameters["Action"]:
            case "PutAttributes":
                self.items[parameters["ItemName"]] = attributes(parameters)
                return document("PutAttributes", wrapped=False)
            case "BatchPutAttributes":
                for number in range(1, 26):
                    if name := parameters.get(f"Item.{number}.ItemName"):
                        self.items[name] = attributes(parameters, f"Item.{number}.Attribute")
                return document("BatchPutAttributes", wrapped=False)
            case "GetAttributes":
                return document("GetAttributes", as_xml(self.items.get(parameters["ItemName"], [])))
            case "Select":
                found = "".join(
                    f"<Item><Name>{escape(name)}</Name>{as_xml(pairs)}</Item>" for name, pairs in self.items.items()
                )
                return document("Select", f"{found}<NextToken>{escape(parameters['SelectExpression'])}</NextToken>")
            case other:
                return Answer(
                    f"<Response><Errors><Error><Code>InvalidAction</Code><Message>The action {other} is not valid."
                    "</Message></Error></Errors><RequestID>1</RequestID></Response>".encode(),
                    status=400,
                )


@pytest.fixture
def domain(upstream):
    domain = Domain()
    with upstream.answering(domain.answer):
        yield domain


@pytest.fixture(scope="module")
def to_upstream(proxy, upstream):
    return proxy(upstream.url(), upstream.ca_file, route='profile = { errors = "ec2" }')


def unsigned(url):
    config = Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1})
    return boto3.client("sdb", region_name="us-east-1", endpoint_url=url, config=config)


def placeholder(url):
    """Signs every form, with a key that opens nothing."""
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("sdb", region_name="us-east-1", endpoint_url=url, config=config, **PLACEHOLDER)


@pytest.fixture(params=[unsigned, placeholder], ids=lambda make: make.__name__)
def service(request, to_upstream):
    return request.param(to_upstream.url)


def named(pairs):
    return [{"Name": name, "Value": value} for name, value in pairs]


@pytest.mark.usefixtures("domain")
def test_the_placeholder_client_really_signs_and_nothing_it_says_of_itself_arrives(to_upstream, upstream):
    service = placeholder(to_upstream.url)
    sent = []
    service.meta.events.register("before-send.simpledb", lambda request, **_: sent.append(request.body))
    service.put_attributes(DomainName="d", ItemName="i", Attributes=named([("a", "b")]))
    (body,) = sent
    client = dict(urllib.parse.parse_qsl(body.decode() if isinstance(body, bytes) else body))
    assert AUTHENTICATION | {SECURITY_TOKEN} < client.keys() and client["AWSAccessKeyId"] == PLACEHOLDER_ID
    arrived = upstream.received[-1]
    assert arrived.parameters["AWSAccessKeyId"] == KEY_ID and SECURITY_TOKEN not in arrived.parameters
    assert arrived.parameters["Signature"] != client["Signature"]
    whole = arrived.body.decode() + str(arrived.headers)
    assert PLACEHOLDER_ID not in whole and "placeholder" not in whole and PLACEHOLDER_SECRET not in whole


def test_awkward_values_arrive_and_come_back_as_they_were(service, domain, upstream):
    pairs = list(AWKWARD.items())
    service.put_attributes(DomainName="d", ItemName="ïtem/1 & <2>", Attributes=named(pairs))
    assert domain.items == {"ïtem/1 & <2>": pairs}
    assert upstream.received[-1].unsigned == {
        "Action": "PutAttributes", "Version": "2009-04-15", "DomainName": "d", "ItemName": "ïtem/1 & <2>",
        **{f"Attribute.{n}.Name": name for n, name in enumerate(AWKWARD, 1)},
        **{f"Attribute.{n}.Value": value for n, value in enumerate(AWKWARD.values(), 1)},
    }
    answer = service.get_attributes(DomainName="d", ItemName="ïtem/1 & <2>", ConsistentRead=True)
    assert answer["Attributes"] == named(pairs)
    assert upstream.received[-1].parameters["ConsistentRead"] == "true"


def test_a_batch_of_many_parameters_arrives_whole(service, domain):
    # the most that SimpleDB takes: 25 items, 256 attributes in all
    items = {
        f"item {number} 漢": [(f"a{n} +%", list(AWKWARD.values())[n] * number) for n in range(10)]
        for number in range(1, 26)
    }
    service.batch_put_attributes(
        DomainName="d", Items=[{"Name": name, "Attributes": named(pairs)} for name, pairs in items.items()]
    )
    assert domain.items == items


def test_a_select_is_paged_with_tokens_that_need_escaping(service, domain, upstream):
    domain.items = {"i": [("a", "b")]}
    expression = "select * from `d` where a like '%25+%' and b = 'O''Brien; \"é\"'"
    pages = iter(service.get_paginator("select").paginate(SelectExpression=expression, ConsistentRead=False))
    assert next(pages)["Items"] == [{"Name": "i", "Attributes": named([("a", "b")])}]
    next(pages)
    assert upstream.received[-1].parameters["NextToken"] == expression


@pytest.mark.usefixtures("domain")
def test_errors_of_the_endpoint_arrive_as_they_are(service):
    with pytest.raises(ClientError) as caught:
        service.list_domains()
    response = caught.value.response
    assert response["Error"] == {"Code": "InvalidAction", "Message": "The action ListDomains is not valid."}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_errors_of_the_proxy_have_the_form_of_the_endpoints(service, to_upstream, upstream):
    service.meta.events.register("before-call.simpledb", lambda params, **_: params["headers"].update(Origin="null"))
    before = len(upstream.received)
    with pytest.raises(ClientError) as caught:
        service.list_domains()
    response = caught.value.response
    # what EC2 and SimpleDB say has no Type
    assert response["Error"].keys() == {"Code", "Message"} and response["Error"]["Code"] == "AccessDenied"
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert response["RequestID"] == headers["countersign-request-id"]
    assert to_upstream.exchange(response["RequestID"])["code"] == "AccessDenied"
    assert len(upstream.received) == before


def test_an_upstream_that_says_nothing_is_told_in_the_endpoints_form_too(service, upstream):
    with upstream.answering(lambda received: None), pytest.raises(ClientError) as caught:
        service.put_attributes(DomainName="d", ItemName="i", Attributes=named([("a", "b")]))
    response = caught.value.response
    assert response["Error"].keys() == {"Code", "Message"} and response["Error"]["Code"] == "ProxyOutcomeUnknown"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_temporary_credentials_are_signed_with_their_token(proxy, seal, tmp_path):
    domain = Domain()
    with verifying_upstream(tmp_path, KEY_ID, SECRET, TOKEN) as upstream, upstream.answering(domain.answer):
        to_upstream = proxy(upstream.url(), upstream.ca_file, key=seal(token=TOKEN))
        for make in (unsigned, placeholder):
            make(to_upstream.url).put_attributes(
                DomainName="d", ItemName=make.__name__, Attributes=named(list(AWKWARD.items()))
            )
        assert upstream.complaints == []
    assert domain.items == {"unsigned": list(AWKWARD.items()), "placeholder": list(AWKWARD.items())}
    assert not [line for line in to_upstream.process.log if TOKEN in line]
