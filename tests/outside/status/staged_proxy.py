"""A proxy whose admin listener is looked at: with clients, routes that work and fail, and keys that end."""

import http.client
import json
import pathlib
import urllib.parse

from waiting import eventually

SCHEMA = pathlib.Path(__file__).parents[3] / "docs/reference/schemas/status.schema.json"
TIMEOUT = 60  # seconds
FORM = "Action=ListJobs&Version=2010-06-03"
# of bearer tokens: the clients' names with "-token"
CLIENTS = """\
[client.reporting]
token_sha256 = "{reporting}"
allow = ["*:ListJobs", "*:GetStatus"]
rate = "1000/s"
[client.billing]
token_sha256 = "{billing}"
allow = ["*:*"]
share = "25%"
"""


def request(address, path="/", method="GET", body=None, headers=None):
    """Status, head and text of an answer."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


class StagedProxy:
    """A running proxy, and where its listeners are."""

    def __init__(self, process):
        self.process = process
        self.admin = json.loads(process.wait_for(r'"message":"admin listening').string)["address"]
        lines = [json.loads(line) for line in process.log + process.output if '"message":"listening' in line]
        self.listeners = {line["listener"]: line["address"] for line in lines}
        self.url = f"http://{self.admin}/"

    def report(self):
        """The document of /status."""
        status, _, text = request(self.admin, "/status")
        assert status == 200, text
        return json.loads(text)

    def route(self, name):
        """A route in the report."""
        return next(route for route in self.report()["routes"] if route["name"] == name)

    def call(self, route, client="reporting", form=FORM, listener="local", **headers):
        """The status of a call of a route by its path."""
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        if client:
            headers["Authorization"] = f"Bearer {client}-token"
        return request(self.listeners[listener], f"/{urllib.parse.quote(route)}", "POST", form, headers)[0]

    def await_state(self, state):
        """The report, once the process is in a state."""
        def probe():
            report = self.report()
            return report if report["state"] == state else None

        return eventually(probe, lambda: f"not {state}: {self.report()['reasons']}")
