"""Three failures of a real countersign, played through: each a process of its own, with a client that keeps calling."""

import dataclasses
import datetime
import http.client
import re
import threading
import urllib.error
import urllib.request

from waiting import eventually
from wrong_clock import UNCONFINED, WrongClock

CALL = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds
# how long a key is good that is to expire while it is served; a debug build on a busy machine starts in less
GOOD_FOR = 20  # seconds
BEHIND = 3  # hours, by which the clock of a host is wrong


@dataclasses.dataclass(frozen=True)
class Failure:
    """What is wrong, and what must say so."""

    name: str
    alert: str
    # the beginnings of the log lines that tell, in the order in which they come
    log: tuple
    # the tiles of the dashboard's first row that are not green: title, and the word or colour that one sees
    tiles: dict
    # what says of one process that it is there
    sign: str


FAILURES = {
    failure.name: failure
    for failure in [
        Failure(
            "expired key", "CountersignKeyUnusable",
            (r"ERROR the key has expired, and its store has no newer one", r"WARN exchange .* reason=\"key\""),
            {"Alerts": "red", "Keys": "cannot be used, red", "Requests that fail": "red", "First to end": "red"},
            "countersign_key_usable == 0",
        ),
        Failure(
            "endpoint down", "CountersignEndpointDown",
            (r"WARN exchange .* reason=\"upstream.connect\"", r"WARN the endpoint is down",
             r"INFO exchange .* reason=\"upstream.down\""),
            {"Alerts": "red", "Endpoints": "down, red", "Requests that fail": "red"},
            "countersign_endpoint_down == 1",
        ),
        Failure(
            "skewed clock", "CountersignClockApart",
            (r"WARN the endpoint's clock is ahead of this host's by so many seconds",
             r"INFO exchange .* attempts=2"),
            {"Alerts": "red", "Clocks apart": "orange"},
            "abs(countersign_endpoint_clock_offset_seconds) >= 10",
        ),
    ]
}


class Played:
    """A countersign to which a failure happens."""

    def __init__(self, failure, process, endpoint):
        self.failure, self.process, self.endpoint = failure, process, endpoint
        self.admin = process.wait_for(r"admin listening address=(\S+)")[1]
        self.address = process.wait_for(r"listening listener=\S+ address=(\S+)")[1]
        self._ended = threading.Event()
        self._client = threading.Thread(target=self._call, daemon=True)
        self._client.start()

    def _call(self):
        host, _, port = self.address.rpartition(":")
        while not self._ended.wait(0.1):
            connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
            try:
                connection.request("POST", "/", CALL, {"content-type": "application/x-www-form-urlencoded"})
                connection.getresponse().read()
            finally:
                connection.close()

    def read(self, path):
        """The text at a path of the admin listener, whatever its status."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=TIMEOUT) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def log_line(self, pattern):
        """The first line of the log that matches."""
        def found():
            return [line for line in list(self.process.log) if re.search(pattern, line)]

        return eventually(found, lambda: f"no line is {pattern}:\n{self.process.transcript()}")[0]

    def end(self):
        self._ended.set()
        self._client.join(TIMEOUT)


def configuration(directory, endpoint, key, more=""):
    file = directory / "countersign.toml"
    file.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "{endpoint}/"
{key}
[admin]
address = "127.0.0.1:0"
{more}
""")
    return file


def play(start_countersign, seal, directory):
    """All three, until each has happened."""
    def sandbox():
        process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain")
        return process, process.wait_for(r"listening on (\S+)")[1]

    def start(name, endpoint, key, more="", environment=None):
        (directory / name.replace(" ", "-")).mkdir()
        file = configuration(directory / name.replace(" ", "-"), endpoint, key, more)
        process = start_countersign("run", "--config", file, environment=environment)
        return Played(FAILURES[name], process, endpoint)

    _, endpoint = sandbox()
    mortal, lost = sandbox()
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=GOOD_FOR)
    (directory / "clock").mkdir()
    clock = WrongClock(directory / "clock", -BEHIND * 3600)
    played = [
        start("expired key", endpoint, seal(expires=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))),
        start("endpoint down", lost, seal()),
        start("skewed clock", endpoint, seal(), UNCONFINED, clock.environment),
    ]
    for each in played:
        each.log_line(r"exchange .* status=200")
    mortal.stop()
    return {each.failure.name: each for each in played}
