"""Keystone's own verifier, behind heat-api-cfn, accepts what countersign signs; what it refuses is named rightly."""

import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest
import random_forms
from wrong_clock import UNCONFINED, WrongClock

FORMS = 20
HOUR = 3600
TIMEOUT = 120  # seconds; keystone on a busy machine
LIST = {"Action": "ListStacks", "Version": "2010-05-15"}
AWKWARD = {"Spaces": " a b ", "Plus": "1+1=2", "Unicode": "é ß 漢 😀 e\u0301", "Empty": "", "Tilde": "~/~", "Star": "*",
           "Percent": "%20 %2B 100%", "Item.10": "b", "Item.2": "a"}
ROUTES = {
    "openstack": 'profile = { dialect = "openstack" }',
    "aws-v4": 'profile = { dialect = "aws-v4", region = "RegionOne", service = "cloudformation" }',
}
DIALECTS = pytest.mark.parametrize("dialect", ROUTES)
ADMIN = '\n[admin]\naddress = "127.0.0.1:0"\n'


def call(proxy, pairs):
    """The status, the document, and countersign's record of the exchange."""
    request = urllib.request.Request(proxy.url, urllib.parse.urlencode(pairs).encode())
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as refused:
        response = refused
    with response:
        body = response.read()
    return response.status, body, proxy.exchange(response.headers["countersign-request-id"])


def code_in(body):
    return ElementTree.fromstring(body).findtext("Error/Code")


def refusals(proxy):
    """What countersign logs of refused signatures, and what it counts of them, by cause."""
    lines = [json.loads(line) for line in proxy.process.log]
    logged = [line["cause"] for line in lines if line["target"] == "countersign::signature"]
    address = json.loads(proxy.process.wait_for(r'"message":"admin listening').string)["address"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=TIMEOUT) as response:
        text = response.read().decode()
    counted = {}
    for line in text.splitlines():
        if line.startswith("countersign_signature_refusals_total{"):
            labels, _, count = line.partition("} ")
            counted[labels.partition('cause="')[2].partition('"')[0]] = float(count)
    return logged, {cause: count for cause, count in counted.items() if count}


@DIALECTS
def test_keystone_accepts_20_forms_each_through_the_proxy(dialect, heat, proxy):
    route = proxy(heat.url, route=ROUTES[dialect])
    forms = [[*LIST.items(), *AWKWARD.items()], *random_forms.forms(FORMS - 1, LIST)]
    for pairs in forms:
        status, body, record = call(route, pairs)
        assert (status, record.get("attempts", 1)) == (200, 1), (pairs, body)
        assert ElementTree.fromstring(body).tag == "ListStacksResponse"


@DIALECTS
def test_a_wrong_key_is_a_refused_signature_of_unknown_cause(dialect, heat, proxy, seal):
    """Heat says the same of a wrong key, a wrong signature and a wrong time."""
    route = proxy(heat.url, route=ROUTES[dialect], key=seal(secret="of-another-key"), listener=ADMIN)
    status, body, record = call(route, LIST)
    assert (status, code_in(body), record.get("attempts", 1)) == (403, "AccessDenied", 1)
    assert refusals(route) == (["unknown"], {"unknown": 1})


@DIALECTS
def test_an_old_time_is_named_when_the_hosts_clock_is_to_be_used(dialect, heat, proxy, tmp_path):
    route = proxy(
        heat.url,
        route=ROUTES[dialect] + '\nclock = "host"',
        listener=ADMIN + UNCONFINED,
        environment=WrongClock(tmp_path, -HOUR).environment,
    )
    status, body, record = call(route, LIST)
    assert (status, code_in(body), record.get("attempts", 1)) == (403, "AccessDenied", 1)
    assert refusals(route) == (["clock"], {"clock": 1})


@DIALECTS
def test_an_old_time_is_refused_once_and_the_call_is_signed_again_with_heats(dialect, heat, proxy, tmp_path):
    environment = WrongClock(tmp_path, -HOUR).environment
    route = proxy(heat.url, route=ROUTES[dialect], listener=ADMIN + UNCONFINED, environment=environment)
    attempts = []
    for _ in range(2):
        status, body, record = call(route, LIST)
        assert status == 200, body
        attempts.append(record.get("attempts", 1))
    assert attempts == [2, 1]


@DIALECTS
def test_a_time_ahead_is_accepted(dialect, heat, proxy, tmp_path):
    """Keystone refuses only what is old."""
    environment = WrongClock(tmp_path, 20 * HOUR).environment
    route = proxy(heat.url, route=ROUTES[dialect] + '\nclock = "host"', listener=ADMIN + UNCONFINED,
                  environment=environment)
    status, body, record = call(route, LIST)
    assert (status, record.get("attempts", 1)) == (200, 1), body
    assert refusals(route) == ([], {})


@DIALECTS
def test_an_action_that_heats_policy_refuses_is_no_refused_signature(dialect, heat, proxy):
    route = proxy(heat.url, route=ROUTES[dialect], listener=ADMIN)
    status, body, record = call(route, {**LIST, "Action": "DescribeStacks"})
    assert (status, code_in(body), record.get("attempts", 1)) == (403, "AccessDenied", 1)
    assert refusals(route) == ([], {})


@DIALECTS
def test_an_unknown_key_is_passed_on_as_heat_answers_it(dialect, heat, proxy, seal):
    """Keystone says 404, which heat does not expect: its answer is a failure of its own, in plain text."""
    route = proxy(heat.url, route=ROUTES[dialect], key=seal(key_id="AKIAI44QH8DHBEXAMPLE"), listener=ADMIN)
    status, body, record = call(route, LIST)
    assert status == 500 and b"Internal Server Error" in body
    assert refusals(route) == ([], {})
