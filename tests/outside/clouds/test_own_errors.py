"""countersign's own errors, as the clouds' own SDKs parse them: code, message and whether the call is repeated."""

import http.server
import json
import threading
import urllib.parse

import boto3
import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from cs import CloudStack, CloudStackApiException
from qingcloud.iaas.connection import APIConnection
from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.common.retry import StandardRetryer

PLACEHOLDER = "placeholder"
TOO_MANY = "limits.parameters = 1"  # a limit that every call of an SDK exceeds


class CuttingEndpoint(http.server.BaseHTTPRequestHandler):
    """Reads a request and closes the connection: nobody knows whether the call was carried out."""

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def cutting():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CuttingEndpoint) as server:
        server.calls = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def aws(service, url):
    once = Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": PLACEHOLDER, "aws_secret_access_key": PLACEHOLDER}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=once, **keys)


def call_aws(service, operation):
    def call(gateway):
        with pytest.raises(ClientError) as raised:
            getattr(aws(service, gateway.url), operation)()
        response = raised.value.response
        return response["Error"]["Code"], response["Error"]["Message"]

    return call


def call_cloudstack(gateway):
    client = CloudStack(gateway.url, PLACEHOLDER, PLACEHOLDER, method="post", timeout=60, retry=2)
    with pytest.raises(CloudStackApiException) as raised:
        client.deployVirtualMachine(name="a")
    return raised.value.error["errorcode"], raised.value.error["errortext"]


def call_alibaba(gateway):
    client = AcsClient(PLACEHOLDER, PLACEHOLDER, "cn-hangzhou", timeout=60, port=gateway.port)
    request = CommonRequest(domain=gateway.host, version="2014-05-26", action_name="RunInstances")
    request.set_protocol_type("http")
    request.set_method("POST")
    with pytest.raises(ServerException) as raised:
        client.do_action_with_exception(request)
    assert raised.value.get_request_id()
    return raised.value.get_error_code(), raised.value.get_error_msg()


def call_qingcloud(gateway):
    client = APIConnection(
        PLACEHOLDER, PLACEHOLDER, "pek1", host=gateway.host, port=gateway.port, protocol="http", retry_time=2
    )
    answer = client.send_request("RunInstances", {"image_id": "a"}, verb="POST")
    assert answer, "the SDK has read no document"
    return answer["ret_code"], answer["message"]


def call_tencent(gateway):
    url = urllib.parse.urlsplit(gateway.url)
    profile = ClientProfile(signMethod="HmacSHA256", retryer=StandardRetryer(max_attempts=3, backoff_fn=lambda n: 0))
    profile.httpProfile = HttpProfile(protocol="http", endpoint=url.netloc, reqMethod="POST", reqTimeout=60)
    client = CommonClient("cvm", "2017-03-12", credential.Credential(PLACEHOLDER, PLACEHOLDER), "ap-a", profile)
    with pytest.raises(TencentCloudSDKException) as raised:
        client.call_json("RunInstances", {"ImageId": "a"})
    assert raised.value.get_request_id()
    return raised.value.get_code(), raised.value.get_message()


V4 = 'profile = {{ dialect = "aws-v4", region = "us-east-1", service = "{}" }}'
# how it is called, the lines of its route and listener, the codes of too many parameters and of an unknown outcome
CLOUDS = {
    "query": (call_aws("iam", "list_users"), V4.format("iam"), "", "InvalidQueryParameter", "ProxyOutcomeUnknown"),
    "ec2": (call_aws("ec2", "describe_vpcs"), V4.format("ec2"), "", "InvalidQueryParameter", "ProxyOutcomeUnknown"),
    "cloudstack": (call_cloudstack, 'profile.dialect = "cloudstack"', "", 431, 530),
    # its SDK has the parameters of a POST in the query string
    "alibaba": (
        call_alibaba,
        'profile.dialect = "alibaba-rpc"\naccept = ["post", "post-query"]',
        'required_header = "x-sdk-client"',
        "InvalidParameter",
        "ProxyOutcomeUnknown",
    ),
    "qingcloud": (call_qingcloud, 'path = "/iaas"\nprofile.dialect = "qingcloud"', "", 1100, 5900),
    "tencent": (call_tencent, 'profile.dialect = "tencent-v1"', "", "InvalidParameter", "ProxyOutcomeUnknown"),
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_own_errors_are_parsed_by_the_clouds_own_sdks(cloud, proxy):
    call, route, listener, too_many, _ = CLOUDS[cloud]
    gateway = proxy("http://127.0.0.1:9/", route=f"{route}\n{TOO_MANY}", listener=listener)
    code, message = call(gateway)
    assert code == too_many
    assert "parameters" in message
    # the SDK has not asked twice; a process that has ended has written all of its log
    assert gateway.process.stop() == 0
    refusals = [json.loads(line) for line in gateway.process.log if '"code":"InvalidQueryParameter"' in line]
    assert len(refusals) == 1


@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_sdk_repeats_a_call_that_may_have_been_carried_out(cloud, proxy, cutting):
    call, route, listener, _, unknown = CLOUDS[cloud]
    gateway = proxy(
        f"http://127.0.0.1:{cutting.server_port}/", route=f"{route}\nsafe_to_repeat = []", listener=listener
    )
    code, message = call(gateway)
    assert code == unknown
    assert "may have been carried out" in message
    assert cutting.calls == 1
