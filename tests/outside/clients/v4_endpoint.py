"""An endpoint on this machine that verifies AWS Signature Version 4 on forms by the IAM user guide's steps, with
Python's standard library alone."""

import contextlib
import email.utils
import hashlib
import hmac
import http.server
import re
import threading
import time

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def day_keys(secret, date, region, service):
    """The keys that a secret is turned into, one after the other: the last one signs."""
    keys = [mac(b"AWS4" + secret.encode(), date)]
    for word in (region, service, "aws4_request"):
        keys.append(mac(keys[-1], word))
    return keys


class V4Endpoint:
    """Verifies every request, and keeps the scope of each; what was wrong with others is in `complaints`. Its clock is
    `ahead` seconds ahead."""

    def __init__(self, key_id, secret, region, service, ahead=0):
        self.key_id, self.secret, self.region, self.service, self.ahead = key_id, secret, region, service, ahead
        self.dates, self.complaints = [], []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refusal = endpoint.refusal(self.path, self.headers, body)
                code = refusal and refusal.partition(":")[0]
                answer = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>" if code else "<Response/>"
                self.send_response_only(403 if code else 200)
                self.send_header("Date", email.utils.formatdate(endpoint.now(), usegmt=True))
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def now(self):
        return time.time() + self.ahead

    def refusal(self, path, headers, body):
        found = AUTHORIZATION.fullmatch(headers["Authorization"] or "")
        if not found:
            return self._complain("IncompleteSignature: " + str(headers["Authorization"]))
        key_id, date, region, service, names, signature = found.groups()
        if (key_id, region, service) != (self.key_id, self.region, self.service):
            return self._complain(f"InvalidClientTokenId: {found[0]}")
        stamp = headers["X-Amz-Date"]
        made = time.strptime(stamp, "%Y%m%dT%H%M%SZ")
        if abs(email.utils.mktime_tz((*made[:9], 0)) - self.now()) > 300:
            return "RequestExpired: " + stamp  # how an endpoint tells its time, and no fault
        signed = "".join(f"{name}:{headers[name]}\n" for name in names.split(";"))
        request = f"POST\n{path}\n\n{signed}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{date}/{region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        if not stamp.startswith(date) or mac(day_keys(self.secret, date, region, service)[-1], text).hex() != signature:
            return self._complain(f"SignatureDoesNotMatch: {request!r}")
        self.dates.append(date)
        return None

    def _complain(self, text):
        self.complaints.append(text)
        return text

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def v4_endpoint(*arguments, **options):
    endpoint = V4Endpoint(*arguments, **options)
    try:
        yield endpoint
    finally:
        endpoint.close()
