"""Endpoints that verify with their cloud's own signer, and refuse in the words and the shape of that cloud: most clouds
have no server that can be installed.

What is refused, and how, is what the clouds document. Where a cloud does not say how far a time may be off, 15 minutes
are taken.
"""

import contextlib
import dataclasses
import datetime
import json
import re
import threading
import typing

import random_forms
import sdk_signers
from sdk_signers import Arrived
from verifying_upstream import Answer, Handler, Server

JSON = {"Content-Type": "application/json;charset=UTF-8"}
MINUTE = datetime.timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Cloud:
    """A dialect as its endpoint has it. `refuses` makes the answer to a request whose "key", "time", "signature" or
    "nonce" is not accepted."""

    path: str
    signer: typing.Callable
    key_id: str
    signature: str
    time: str
    window: datetime.timedelta
    constants: dict
    refuses: typing.Callable
    call: dict
    names: tuple = ()
    # characters that no value may have
    without: str = ""
    # what no second request may have
    nonce: str = None
    profile: str = ""

    def credential(self, arrived):
        """The key id, the signature, and the time for which it was made."""
        if self.signature:
            return tuple(arrived.parameters.get(name) for name in (self.key_id, self.signature, self.time))
        written = arrived.fields["authorization"]
        return re.search(r"Credential=(.*?)/", written)[1], sdk_signers.v4_signature(arrived), arrived.fields[self.time]

    def is_timely(self, text):
        now = datetime.datetime.now(datetime.timezone.utc)
        moment = datetime.datetime.fromtimestamp(int(text), now.tzinfo) if text.isdecimal() else \
            datetime.datetime.fromisoformat(text)
        if self.time == "expires":
            return now < moment <= now + self.window
        return abs(now - moment) <= self.window


def aws_refuses(refusal, arrived):
    """The query services: a time is told by the message, and what should have been signed is repeated."""
    _, _, canonical, text = sdk_signers.v4_texts(arrived, "unused")
    code, message = {
        "key": ("InvalidClientTokenId", "The security token included in the request is invalid."),
        "signature": ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you "
                      "provided. Check your AWS Secret Access Key and signing method. Consult the service "
                      "documentation for details.\n\nThe Canonical String for this request should have been\n"
                      f"'{canonical}'\n\nThe String-to-Sign should have been\n'{text}'"),
        "time": ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z "
                 "(20260101T001500Z - 5 min.)"),
    }[refusal]
    return query_error(code, message)


def aws_v2_refuses(refusal, arrived):
    code = {"key": "InvalidClientTokenId", "signature": "SignatureDoesNotMatch", "time": "RequestExpired"}[refusal]
    return query_error(code, "refused")


def heat_refuses(refusal, arrived):
    """It does not say which of the three it is; tests/clouds has heat itself."""
    return query_error("AccessDenied", "User is not authorized to perform action")


def query_error(code, message):
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    return Answer(f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode(), 403)


def ec2_refuses(refusal, arrived):
    code = {"key": "AuthFailure", "signature": "AuthFailure", "time": "RequestExpired", "nonce": "AuthFailure"}[refusal]
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>refused</Message></Error></Errors></Response>"
    return Answer(body.encode(), 400 if refusal == "time" else 401)


def nifcloud_refuses(refusal, arrived):
    code = {"key": "AuthFailure", "signature": "SignatureDoesNotMatch", "time": "RequestExpired"}[refusal]
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>refused</Message></Error></Errors></Response>"
    return Answer(body.encode(), 403)


def cloudstack_refuses(refusal, arrived):
    """It does not say which of the three it is."""
    parameters, text = arrived.parameters, "unable to verify user credentials and/or request signature"
    name = parameters["command"].lower() + "response"
    if parameters.get("response") == "json":
        document = {name: {"uuidList": [], "errorcode": 401, "errortext": text}}
        return Answer(json.dumps(document, separators=(",", ":")).encode(), 401, JSON)
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} cloud-stack-version="4.20.0.0"><errorcode>401</errorcode>' \
           f"<errortext>{text}</errortext></{name}>"
    return Answer(body.encode(), 401)


def alibaba_refuses(refusal, arrived):
    status, code, message = {
        "key": (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
        "signature": (400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation. server "
                      f"string to sign is:{sdk_signers.alibaba_text(arrived)}"),
        "time": (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
        "nonce": (400, "SignatureNonceUsed", "Specified signature nonce was used already."),
    }[refusal]
    fields = {"RequestId": "4C467B38-3910-447D-87BC-AC049166F216", "HostId": "ecs.aliyuncs.com", "Code": code,
              "Message": message}
    if arrived.parameters.get("Format") == "JSON":
        return Answer(json.dumps(fields).encode(), status, JSON)
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return Answer(f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>".encode(), status)


def qingcloud_refuses(refusal, arrived):
    code, message = (1300, "RequestHasExpired, request has expired") if refusal == "time" else \
                    (1200, "AuthFailure, signature not matched")
    return Answer(json.dumps({"message": message, "ret_code": code}).encode(), 200, JSON)


def tencent_refuses(refusal, arrived):
    code = {"key": "SecretIdNotFound", "signature": "SignatureFailure", "time": "SignatureExpire"}[refusal]
    error = {"Code": f"AuthFailure.{code}", "Message": "refused"}
    document = {"Response": {"Error": error, "RequestId": "3c140219-cfe9-470e-b241-907877d6fb03"}}
    return Answer(json.dumps(document).encode(), 200, JSON)


V2 = {"SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
AWS_V2 = Cloud(
    "/", sdk_signers.aws_v2, "AWSAccessKeyId", "Signature", "Timestamp", 15 * MINUTE, V2, aws_v2_refuses,
    {"Action": "ListDomains", "Version": "2009-04-15"},
)

CLOUDS = {
    "aws-v2": AWS_V2,
    "aws-v4": Cloud(
        "/", sdk_signers.aws_v4, None, None, "x-amz-date", 5 * MINUTE, {}, aws_refuses,
        {"Action": "ListUsers", "Version": "2010-05-08"}, profile=', region = "us-east-1", service = "iam"',
    ),
    "openstack": dataclasses.replace(
        AWS_V2, path="/v1/", refuses=heat_refuses, call={"Action": "ListStacks", "Version": "2010-05-15"},
    ),
    # it refuses a signature that it has seen
    "eucalyptus": dataclasses.replace(
        AWS_V2, path="/services/compute/", refuses=ec2_refuses, nonce="Signature",
        call={"Action": "DescribeInstances", "Version": "2016-11-15"},
    ),
    "nifcloud": Cloud(
        "/api/", sdk_signers.nifcloud, "AccessKeyId", "Signature", "Timestamp", 15 * MINUTE,
        V2, nifcloud_refuses,
        {"Action": "DescribeInstances", "Version": "3.0"},
    ),
    "cloudstack": Cloud(
        "/client/api", sdk_signers.jdk, "apiKey", "signature", "expires", 15 * MINUTE, {"signatureVersion": "3"},
        cloudstack_refuses, {"command": "listZones", "response": "json"}, tuple("abzAZ019._-[]:"),
        random_forms.CONTROLS,
    ),
    "alibaba-rpc": Cloud(
        "/", sdk_signers.alibaba_rpc, "AccessKeyId", "Signature", "Timestamp", 15 * MINUTE,
        {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}, alibaba_refuses,
        {"Action": "DescribeRegions", "Version": "2014-05-26", "Format": "JSON"}, nonce="SignatureNonce",
    ),
    "qingcloud": Cloud(
        "/iaas/", sdk_signers.qingcloud, "access_key_id", "signature", "time_stamp", 15 * MINUTE,
        {"signature_method": "HmacSHA256", "signature_version": "1", "version": "1"}, qingcloud_refuses,
        {"action": "DescribeInstances", "zone": "pek1"},
    ),
    "tencent-v1": Cloud(
        "/", sdk_signers.tencent_v1, "SecretId", "Signature", "Timestamp", 5 * MINUTE,
        {"SignatureMethod": "HmacSHA256"}, tencent_refuses,
        {"Action": "DescribeInstances", "Version": "2017-03-12", "Region": "ap-guangzhou"}, tuple("abzAZ019."),
        nonce="Nonce",
    ),
}


class VerifyingCloud:
    """An endpoint of one cloud, from construction until it is closed. `accepted` has the parameters of each request
    that verified, without those of the signer; `refusals` the reason of each that did not."""

    def __init__(self, cloud, signer, key_id, secret):
        self._cloud, self._signer, self._key_id, self._secret = cloud, signer, key_id, secret
        self._nonces = set()
        self.accepted, self.refusals, self.complaints, self.connections = [], [], [], 0
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.upstream = self
        self.url = f"http://127.0.0.1:{self._server.server_port}{cloud.path}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def respond(self, received):
        """What the server asks for an answer."""
        cloud = self._cloud
        arrived = Arrived(self.url, {name.lower(): value for name, value in received.headers.items()}, received.body)
        parameters = arrived.parameters
        refusal = self._refusal(arrived, parameters)
        if refusal:
            self.refusals.append(refusal)
            return cloud.refuses(refusal, arrived)
        ours = {cloud.key_id, cloud.signature, cloud.time, cloud.nonce, *cloud.constants}
        self.accepted.append({name: value for name, value in parameters.items() if name not in ours})
        return Answer(b'{"RequestId":"1","ret_code":0}', 200, JSON)

    def _refusal(self, arrived, parameters):
        cloud = self._cloud
        key_id, signature, time = cloud.credential(arrived)
        if key_id != self._key_id:
            return "key"
        constants = {name: parameters.get(name) for name in cloud.constants}
        if constants != cloud.constants or signature != self._signer(arrived, self._secret):
            return "signature"
        if not cloud.is_timely(time):
            return "time"
        if cloud.nonce and parameters[cloud.nonce] in self._nonces:
            return "nonce"
        self._nonces.add(parameters.get(cloud.nonce))
        return None


@contextlib.contextmanager
def verifying_cloud(dialect, signer, key_id, secret):
    cloud = VerifyingCloud(CLOUDS[dialect], signer, key_id, secret)
    try:
        yield cloud
    finally:
        cloud.close()
    assert cloud.complaints == []
