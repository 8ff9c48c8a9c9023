"""Replicas of the real program before one endpoint, and a client that calls all of them at once."""

import hashlib
import http.client
import http.server
import json
import re
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

FORM = b"Action=GetStatus&JobId=marker-of-a-value&Version=2010-06-03"
TOKEN = "token-of-reporting"  # gitleaks:allow, not a secret of anybody
HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {TOKEN}"}
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["token"]
rate_limit_fields = "draft"
[client.reporting]
token_sha256 = "{digest}"
share = "100%"
allow = ["*:*"]
{limits}
[rates]
{rates}
{key}
[route.main]
endpoint = "http://127.0.0.1:{port}/"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
level = "info,countersign::exchange=off"
[process]
workers = 1
"""


class Endpoint:
    """An endpoint that answers every call with 200."""

    def __init__(self):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def configuration(port, key, limits, rates):
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    return CONFIGURATION.format(digest=digest, limits=limits, rates=rates, key=key, port=port)


class Replica:
    def __init__(self, process):
        self.process = process
        address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]
        self.address = address
        self.admin = json.loads(process.wait_for(r'"message":"admin listening"').string)["address"]
        self._local = threading.local()
        self.told = None

    def call(self, path="/"):
        """The status, and the code of an error."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request("POST", path, FORM, HEADERS)
            response = connection.getresponse()
            body = response.read().decode()
        except (http.client.HTTPException, OSError):
            connection.close()
            self._local.connection = None
            return self.call(path)
        if response.getheader("Connection") == "close":
            connection.close()
            self._local.connection = None
        code = re.search(r"<Code>(.*?)</Code>", body)
        # of the last call, for tests with one thread
        self.told = response.headers.get_all("RateLimit")
        return response.status, code and code[1], response.getheader("Retry-After")

    def get(self, path):
        try:
            with DIRECT.open(f"http://{self.admin}{path}", timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        found = re.search(rf"^{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return found and float(found[1])

    def log(self, text):
        return [line for line in self.process.log if text in line]


def hammer(replicas, until, threads=2):
    """Calls every replica without a pause until `until()`; how often each status and code came."""
    def work(replica):
        counts = {}
        while not until():
            status, code, _ = replica.call()
            counts[status, code] = counts.get((status, code), 0) + 1
        return counts

    total = {}
    with ThreadPoolExecutor(len(replicas) * threads) as pool:
        for counts in pool.map(work, [replica for replica in replicas for _ in range(threads)]):
            for answer, count in counts.items():
                total[answer] = total.get(answer, 0) + count
    return total
