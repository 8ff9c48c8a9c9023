"""An endpoint that knows one request only: countersign's own head, byte for byte, and a canonical form, signed.

All else is a complaint: whatever a client made of its request, nothing of its head or its framing may be found here.
"""

import re
import urllib.parse

from acceptor import Acceptor
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from verifying_upstream import AUTHENTICATION

PATIENCE = 60  # seconds
LONGEST_LINE = 65536
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 11\r\n\r\n<Response/>"


class StrictRecorder(Acceptor):
    """Listens from construction until `close`. `calls` has the parameters of every good request, in the order of
    arrival and without what signing added; `complaints` all else."""

    def __init__(self, key_id, secret):
        self.calls, self.complaints = [], []
        self._signer = SigV2Auth(Credentials(key_id, secret))
        super().__init__(PATIENCE)
        self.authority = f"127.0.0.1:{self.port}"
        self._head = re.compile(
            rb"POST / HTTP/1\.1\r\n"
            rb"host: " + re.escape(self.authority.encode()) + rb"\r\n"
            rb"content-type: application/x-www-form-urlencoded; charset=utf-8\r\n"
            rb"content-length: ([1-9][0-9]*)\r\n"
            rb"via: 1\.1 countersign\r\n"
            rb"user-agent: countersign/[0-9.]+\r\n"
            rb"\r\n"
        )
        self.open()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while head := self._read_head(stream):
                    self.calls.append(self._parameters(head, stream))
                    connection.sendall(ANSWER)
            except (OSError, ValueError, AssertionError) as error:
                self.complaints.append(repr(error))

    @staticmethod
    def _read_head(stream):
        lines = [stream.readline(LONGEST_LINE)]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(stream.readline(LONGEST_LINE))
        return b"".join(lines)

    def _parameters(self, head, stream):
        """The parameters of one request; whatever is wrong with it is raised."""
        ours = self._head.fullmatch(head)
        assert ours, f"not countersign's head: {head[:2000]!r}"
        body = stream.read(int(ours[1])).decode("ascii")
        assert len(body) == int(ours[1]), f"a body cut short: {body[:2000]!r}"
        pairs = urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True, errors="strict")
        parameters = dict(pairs)
        assert len(parameters) == len(pairs), f"a name twice: {body[:2000]!r}"
        assert parameters.keys() >= AUTHENTICATION, f"not signed: {body[:2000]!r}"
        request = AWSRequest(method="POST", url=f"http://{self.authority}/")
        canonical, signature = self._signer.calc_signature(request, parameters)
        signed = f"{canonical}&Signature={urllib.parse.quote(signature, safe='')}"
        assert body == signed, f"not the canonical form: {body[:2000]!r}"
        return {name: value for name, value in parameters.items() if name not in AUTHENTICATION}
