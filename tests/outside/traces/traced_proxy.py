"""A countersign that traces, and what it says of itself."""

import json
import re
import urllib.error
import urllib.request

from clients.conftest import Proxy
from waiting import eventually

FORM = "Action=GetStatus&JobId=marker-of-a-value&Version=2010-06-03"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class Traced(Proxy):
    """A proxy with an admin listener. Calls go to its first listener."""

    def __init__(self, process):
        super().__init__(process)
        self.admin = json.loads(process.wait_for(r'"message":"admin listening"').string)["address"]

    def call(self, form=FORM, **headers):
        """The status of a call, its log line, and the response's body."""
        fields = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url, form.encode(), fields)
        try:
            with urllib.request.urlopen(request) as response:
                status, answered, body = response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            status, answered, body = error.code, error.headers, error.read()
        return status, self.exchange(answered["Countersign-Request-Id"]), body

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics") as response:
            return response.read().decode()

    def spans_exported(self):
        return int(re.search(r"^countersign_trace_spans_exported_total (\d+)$", self.metrics(), re.MULTILINE)[1])

    def spans_dropped(self, reason):
        line = rf'^countersign_trace_spans_dropped_total{{reason="{reason}"}} (\d+)$'
        return int(re.search(line, self.metrics(), re.MULTILINE)[1])

    def wait_for_dropped(self, reason, count):
        eventually(lambda: self.spans_dropped(reason) >= count, lambda: self.metrics() + self.process.transcript())
