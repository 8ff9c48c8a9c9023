"""The largest documented calls of the services that have a page pass with the settings that the page names, and are
refused by the defaults with the name of the setting."""

import contextlib
import http.client
import pathlib
import re
import socket
import urllib.parse

import pytest

HOW_TO = pathlib.Path(__file__).resolve().parents[3] / "docs/how-to"
TIMEOUT = 120  # seconds; a debug build on a busy machine
MEGABYTE = 1024 * 1024  # SimpleDB's largest request
TEMPLATE = 512 * 1024  # Heat's largest template (max_template_size)


def limits(page):
    """The line of the page that sets the limits of its route."""
    (line,) = re.findall(r"(?m)^limits = .*$", (HOW_TO / page).read_text())
    return line


def simpledb_call():
    """25 items of 256 attributes in one megabyte, whose values have to be escaped."""
    parameters = {"Action": "BatchPutAttributes", "Version": "2009-04-15", "DomainName": "jobs"}
    names = [(item, attribute) for item in range(1, 26) for attribute in range(1, 257)]
    for item in range(1, 26):
        parameters[f"Item.{item}.ItemName"] = f"item {item}"
    for item, attribute in names:
        place = f"Item.{item}.Attribute.{attribute}"
        parameters |= {f"{place}.Name": f"größe/{attribute}", f"{place}.Value": "", f"{place}.Replace": "true"}
    length = sum(len(name) + len(value.encode()) + 2 for name, value in parameters.items())
    # what is left of the megabyte is shared by the values: two bytes a letter, six once it is encoded
    letters = (MEGABYTE - length) // len(names) // 2
    assert letters > 20
    for item, attribute in names:
        parameters[f"Item.{item}.Attribute.{attribute}.Value"] = "ü" * letters
    return parameters


def heat_call():
    """A template of which every byte has to be escaped."""
    template = '{"}":[\n"}]{' * (TEMPLATE // 11)
    return {"Action": "CreateStack", "Version": "2010-05-15", "StackName": "jobs",
            "TemplateBody": template + "\n" * (TEMPLATE - len(template))}


def post(proxy, parameters):
    """The status of the response, and its text. A refusal may come while the form is still being sent."""
    body = urllib.parse.urlencode(parameters).encode()
    head = (f"POST / HTTP/1.1\r\nHost: {proxy.address}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n")
    with socket.create_connection((proxy.host, proxy.port), timeout=TIMEOUT) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head.encode() + body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read().decode()


def passes(proxy, upstream, page, parameters):
    before = len(upstream.received)
    started = proxy(upstream.url(), upstream.ca_file, route=limits(page))
    status, text = post(started, parameters)
    assert status == 200, text
    (received,) = upstream.received[before:]
    assert received.unsigned == parameters


def test_the_largest_call_of_simpledb_passes_with_the_settings_of_its_page(proxy, upstream):
    parameters = simpledb_call()
    assert len(parameters) > 19_200
    passes(proxy, upstream, "simpledb.md", parameters)


def test_the_largest_template_of_heat_passes_with_the_settings_of_its_page(proxy, upstream):
    parameters = heat_call()
    assert len(parameters["TemplateBody"]) == TEMPLATE
    passes(proxy, upstream, "openstack.md", parameters)


@pytest.mark.parametrize(("call", "setting"), [
    (dict.fromkeys((f"Item.{n}" for n in range(1100)), "") | {"Action": "PutAttributes"}, "limits.parameters"),
    ({"Action": "CreateStack", "TemplateBody": "x" * (256 * 1024)}, "limits.body"),
], ids=["parameters", "body"])
def test_the_defaults_refuse_more_with_the_name_of_the_setting(proxy, upstream, call, setting):
    status, text = post(proxy(upstream.url(), upstream.ca_file), call)
    assert status in (400, 413), text
    assert setting in text
