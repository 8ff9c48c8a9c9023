"""boto 2, for which a route accepts GETs: all of its calls that take a text or two, and the others as one writes them,
through the proxy to an endpoint that verifies."""

import json
import os

import boto2
import pytest
from boto2 import AutoScaleConnection, CloudFormationConnection, EmrConnection, SDBConnection
from importexport import KEY_ID, PLACEHOLDER_ID, PLACEHOLDER_SECRET
from verifying_upstream import AUTHENTICATION, SECURITY_TOKEN, Answer

OWN = AUTHENTICATION | {SECURITY_TOKEN}
# the proxy knows its clients by the user that runs them: boto 2 can send neither a token nor a header of one's own
LISTENER = 'authenticate = ["loopback-owner"]'
CLIENT = f"""
[client.tests]
uid = {os.getuid()}
allow = ["*:*"]
"""


def empty(received):
    """What boto 2 can read, in the format that it asks for."""
    return Answer(b"{}" if received.parameters.get("ContentType") == "JSON" else b"<Response/>")


@pytest.fixture(scope="module")
def to_upstream(proxy, upstream):
    route = f'accept = ["post", "get"]\npath = "/v1"\n{CLIENT}'
    either = {"COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "false"}
    with upstream.answering(empty):
        yield proxy(upstream.url(), upstream.ca_file, route=route, listener=LISTENER, environment=either)


def connected(service, to_upstream):
    key = (PLACEHOLDER_ID, PLACEHOLDER_SECRET)
    return boto2.connect(service, to_upstream.host, to_upstream.port, key, path="/v1")


def assert_all_calls_arrive(connection, service, upstream):
    sent, actions, methods = boto2.Sent(), set(), set()
    connection.set_request_hook(sent)
    for name, call in boto2.calls(service):
        before = len(upstream.received)
        requests = boto2.run(connection, call, sent)
        arrived = upstream.received[before:]
        assert len(arrived) == len(requests), name
        assert requests or name not in boto2.CALLS[service], f"{name} sent nothing"
        for (method, parameters, status), received in zip(requests, arrived, strict=True):
            unsigned = {key: value for key, value in parameters.items() if key not in OWN and not
                        key.startswith("X-Amz-")}
            assert (received.unsigned, status, received.method) == (unsigned, 200, "POST"), name
            assert received.parameters["AWSAccessKeyId"] == KEY_ID
            actions.add(unsigned["Action"])
            methods.add(method)
    assert len(actions) >= boto2.LEAST[service], sorted(actions)
    assert "GET" in methods
    assert boto2.CALLS[service].keys() <= {name for name, _ in boto2.calls(service)}


@pytest.mark.parametrize("service", boto2.CALLS, ids=lambda service: service.__name__)
def test_all_calls_of_boto_2_arrive_signed_with_all_their_parameters(to_upstream, upstream, service):
    connection = connected(service, to_upstream)
    boto2.sign_with_version_2(connection)
    assert_all_calls_arrive(connection, service, upstream)


@pytest.mark.parametrize("service", [EmrConnection, AutoScaleConnection], ids=lambda service: service.__name__)
def test_calls_that_boto_2_signs_with_version_4_arrive_signed_with_version_2(to_upstream, upstream, service):
    assert_all_calls_arrive(connected(service, to_upstream), service, upstream)


def test_awkward_values_of_simpledb_come_back_through_boto_2(to_upstream, upstream):
    xml = ('<GetAttributesResponse xmlns="http://sdb.amazonaws.com/doc/2009-04-15/"><GetAttributesResult><Attribute>'
           "<Name>n</Name><Value>é &amp; 漢 😀</Value></Attribute></GetAttributesResult></GetAttributesResponse>")
    with upstream.answering(lambda received: Answer(xml.encode())):
        attributes = connected(SDBConnection, to_upstream).get_attributes("d", "item", consistent_read=True)
    assert attributes == {"n": "é & 漢 😀"}
    assert upstream.received[-1].unsigned["ConsistentRead"] == "true"


def test_a_stack_as_heat_answers_it_is_read_by_boto_2(to_upstream, upstream):
    """heat-cfntools calls so, with a path before the query string."""
    resource = {"LogicalResourceId": "Topic", "Metadata": "{}"}
    answered = {"DescribeStackResourceResponse": {"DescribeStackResourceResult": {"StackResourceDetail": resource}}}
    with upstream.answering(lambda received: Answer(json.dumps(answered).encode())):
        connection = connected(CloudFormationConnection, to_upstream)
        boto2.sign_with_version_2(connection)
        assert connection.describe_stack_resource("stack", "Topic") == answered


def test_a_refusal_is_an_error_that_boto_2_understands(to_upstream, upstream):
    before = len(upstream.received)
    connection = connected(SDBConnection, to_upstream)
    with pytest.raises(boto2.BotoServerError) as caught:
        connection.get_object("List Domains", {}, dict)
    assert (caught.value.status, caught.value.error_code) == (400, "InvalidAction")
    assert to_upstream.exchange(caught.value.request_id)["code"] == "InvalidAction"
    assert len(upstream.received) == before


def test_what_a_query_string_holds_is_in_no_log(to_upstream):
    connected(SDBConnection, to_upstream).get_attributes("d", "MARKERITEM")
    logged = to_upstream.process.wait_for(r'"message":"exchange".*"action":"(GetAttributes|other)"').string
    assert "MARKER" not in logged and not [line for line in to_upstream.process.log if "MARKER" in line]
