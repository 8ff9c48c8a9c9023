"""The clouds' own SDKs as verifiers: for each dialect, the signature that its SDK computes of what arrived.

Each function takes a request as an endpoint has it, and the secret. It calls the SDK's function that signs; nothing is
signed here.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import threading
import types
import urllib.parse

import boto2
import cs
from aliyunsdkcore.auth.composer import rpc_signature_composer
from botocore.auth import SigV2Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from qingcloud.conn.auth import QuerySignatureAuthHandler
from tencentcloud.common import credential
from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.sign import Sign

HERE = pathlib.Path(__file__).resolve().parent
# where `make_nifcloud` of tests/run has put what nifcloud.txt names
PACKAGES = pathlib.Path(os.environ.get("COUNTERSIGN_NIFCLOUD", HERE.parents[2] / "target/nifcloud"))
STOP_TIMEOUT = 60  # seconds
# what the signer of aws-v4 writes; a server adds fields of its own, which are not signed
V4_FIELDS = ("content-type", "x-amz-date", "x-amz-security-token", "x-countersign-id")


@dataclasses.dataclass(frozen=True)
class Arrived:
    """A signed request as an endpoint has it: the URL that was called, the head's fields in lower case, the body."""

    url: str
    fields: dict
    body: bytes

    @property
    def host(self):
        """As the Host field has it: a port that is the scheme's own is left out."""
        return urllib.parse.urlsplit(self.url).netloc

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path or "/"

    @property
    def parameters(self):
        """The decoded parameters, each of which stands once."""
        pairs = urllib.parse.parse_qsl(
            self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
        assert len(dict(pairs)) == len(pairs), "a name stands twice"
        return dict(pairs)

    def unsigned(self, name):
        """The parameters without the signature, whose parameter is called `name`."""
        return {key: value for key, value in self.parameters.items() if key != name}


def aws_v2(arrived, secret):
    """boto 2's `QuerySignatureV2AuthHandler`, of which botocore's is the second opinion."""
    parameters = arrived.unsigned("Signature")
    key = types.SimpleNamespace(access_key="unused", secret_key=secret, security_token=None)
    handler = boto2.QuerySignatureV2AuthHandler(arrived.host, None, key)
    _, of_boto = handler._calc_signature(dict(parameters), "POST", arrived.path, arrived.host)
    request = AWSRequest(method="POST", url=arrived.url)
    _, of_botocore = SigV2Auth(Credentials("unused", secret)).calc_signature(request, dict(parameters))
    assert of_boto.decode() == of_botocore, "boto 2 and botocore disagree"
    return of_botocore


def aws_v4(arrived, secret):
    """botocore's `SigV4Auth`, for the scope that the request names."""
    signer, request, _, text = v4_texts(arrived, secret)
    return signer.signature(text, request)


def v4_texts(arrived, secret):
    """botocore's signer and request, with the canonical request and the string to sign that it makes of them."""
    scope = arrived.fields["authorization"].partition("Credential=")[2].partition(",")[0].split("/")
    key_id, region, service = scope[0], scope[2], scope[3]
    signer = SigV4Auth(Credentials(key_id, secret), service, region)
    fields = {name: value for name, value in arrived.fields.items() if name in V4_FIELDS}
    request = AWSRequest(method="POST", url=arrived.url, headers=fields, data=arrived.body)
    request.context["timestamp"] = arrived.fields["x-amz-date"]
    canonical = signer.canonical_request(request)
    return signer, request, canonical, signer.string_to_sign(request, canonical)


def v4_signature(arrived):
    """The signature that came."""
    written = arrived.fields["authorization"]
    return re.fullmatch(r"AWS4-HMAC-SHA256 Credential=\S+, SignedHeaders=\S+, Signature=([0-9a-f]{64})", written)[1]


def cloudstack(arrived, secret):
    """`cs`. It differs from the server in `~`, which it leaves as it is."""
    parameters = arrived.unsigned("signature")
    cs.CloudStack(arrived.url, "unused", secret)._sign(parameters)
    return parameters["signature"]


def alibaba_rpc(arrived, secret):
    """aliyun-python-sdk-core. It sorts names by code points, others by UTF-16 units: names are ASCII."""
    return vars(rpc_signature_composer)["__get_signature"](alibaba_text(arrived), secret)


def alibaba_text(arrived):
    """The string to sign that the SDK makes."""
    return vars(rpc_signature_composer)["__compose_string_to_sign"]("POST", arrived.unsigned("Signature"))


def qingcloud(arrived, secret):
    """qingcloud-sdk."""
    handler = QuerySignatureAuthHandler(arrived.host, "unused", secret)
    return handler._calc_signature(arrived.unsigned("signature"), "POST", arrived.path)[1].decode()


def tencent_v1(arrived, secret):
    """tencentcloud-sdk-python-common. It signs `_` of a name as `.`, and names may not have one."""
    parameters = arrived.unsigned("Signature")
    http = HttpProfile(endpoint=urllib.parse.urlsplit(arrived.url).hostname, reqMethod="POST")
    method = parameters["SignatureMethod"]
    client = AbstractClient(credential.Credential("unused", "unused"), "", ClientProfile(method, http))
    client._requestPath = arrived.path
    return Sign.sign(secret, client._format_sign_string(parameters), method)


class LineSigner:
    """A signer that is a program of its own: it reads a line and answers with one. May be called by several threads."""

    def __init__(self, command, signature, **variables):
        self._signature = signature
        self._lock = threading.Lock()
        self._child = subprocess.Popen(
            command, env={**os.environ, **variables}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, arrived, secret):
        form = urllib.parse.urlencode(arrived.unsigned(self._signature))
        with self._lock:
            self._child.stdin.write(f"{secret}\t{arrived.url}\t{form}\n")
            self._child.stdin.flush()
            return self._child.stdout.readline().rstrip("\n")

    def close(self):
        self._child.communicate(timeout=STOP_TIMEOUT)


def nifcloud():
    """nifcloud, which needs an older botocore than boto3 does."""
    assert (PACKAGES / "nifcloud").is_dir(), f"tests/run installs NIFCLOUD's SDK into {PACKAGES}"
    command = [sys.executable, HERE / "nifcloud_signer.py"]
    return LineSigner(command, "Signature", PYTHONPATH=str(PACKAGES))


def jdk():
    """The JDK's `URLEncoder`, with which CloudStack's server verifies."""
    return LineSigner(["java", HERE / "JdkSigner.java"], "signature")


PROGRAMS = (nifcloud, jdk)
