"""boto3 through the proxy to the Import/Export sandbox, over TLS: every operation, every kind of error, every retry."""

import contextlib
import datetime
import socket
import threading

import pytest
from botocore.exceptions import ClientError
from importexport import EXPORT, IMPORT, KEY_ID, placeholder_client, placeholder_v2_client, unsigned_client
from verifying_upstream import Answer

RETRY_MODES = ["legacy", "standard", "adaptive"]


@pytest.fixture(scope="module")
def sandbox(start_countersign, tmp_path_factory):
    process = start_countersign(
        "sandbox", "--listen", "127.0.0.1:0", "--ca-out", tmp_path_factory.mktemp("sandbox") / "ca.pem"
    )
    process.url = process.wait_for(r'^endpoint = "(.*)"$')[1]
    process.ca_file = process.wait_for(r'^ca_file = "(.*)"$')[1]
    return process


@pytest.fixture(scope="module")
def to_sandbox(proxy, sandbox):
    return proxy(sandbox.url, sandbox.ca_file)


@pytest.fixture(scope="module")
def to_upstream(proxy, upstream):
    return proxy(upstream.url(), upstream.ca_file)


@pytest.fixture(params=[unsigned_client, placeholder_client, placeholder_v2_client], ids=lambda make: make.__name__)
def service(request, to_sandbox):
    """A client without keys, one that signs with Version 4, one with Version 2; nothing they sign is right."""
    return request.param(to_sandbox.url)


@pytest.fixture
def job(service):
    return service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False)["JobId"]


def refused(call, **parameters):
    """The status, the code and the whole of the error that botocore makes of an answer."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response


def test_create_job_returns_the_signature_file(service, to_sandbox, sandbox):
    answer = service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False, ManifestAddendum="a & ü + %41")
    assert len(answer["JobId"]) == 5 and answer["JobType"] == "Import"
    lines = answer["SignatureFileContents"].splitlines()
    assert lines[1:] == ["signingMethod:HmacSHA1", f"jobId:{answer['JobId']}", f"signature:{answer['Signature']}"]
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]

    record = to_sandbox.exchange(metadata["HTTPHeaders"]["countersign-request-id"])
    assert (record["action"], record["key_id"], record["status"]) == ("CreateJob", KEY_ID, 200)
    assert record["outcome"] == "answered_2xx"
    sandbox.wait_for(rf"Z CreateJob {KEY_ID} 200$")


def test_validate_only_creates_nothing(service):
    before = service.list_jobs()["Jobs"]
    answer = service.create_job(JobType="Export", Manifest=EXPORT, ValidateOnly=True)
    assert "JobId" not in answer and answer["WarningMessage"]
    assert service.list_jobs()["Jobs"] == before


def test_get_status_returns_the_manifest_as_it_was_sent(service, job):
    status = service.get_status(JobId=job)
    assert status["CurrentManifest"] == IMPORT
    assert (status["JobId"], status["JobType"], status["ErrorCount"]) == (job, "Import", 0)
    assert (status["LocationCode"], status["ProgressCode"]) == ("NotReceived", "Pending")
    assert (status["LogBucket"], status["LogKey"]) == ("amzn-s3-demo-bucket", f"logs/import-log-{job}")
    age = datetime.datetime.now(datetime.timezone.utc) - status["CreationDate"]
    assert abs(age) < datetime.timedelta(minutes=1)


def test_update_job_replaces_the_manifest(service, job):
    changed = IMPORT.replace("HD-0001", "HD 00+02 %7E").replace("\n", "\r\n")
    answer = service.update_job(JobId=job, JobType="Import", Manifest=changed, ValidateOnly=False)
    assert answer["Success"] is True
    assert service.get_status(JobId=job)["CurrentManifest"] == changed


def test_cancel_job_ends_a_job(service, job):
    assert service.cancel_job(JobId=job)["Success"] is True
    assert {entry["JobId"]: entry["IsCanceled"] for entry in service.list_jobs()["Jobs"]}[job] is True
    with pytest.raises(service.exceptions.CanceledJobIdException):
        service.get_status(JobId=job)


def test_list_jobs_is_paged(service):
    made = [service.create_job(JobType="Export", Manifest=EXPORT, ValidateOnly=False)["JobId"] for _ in range(3)]
    first = service.list_jobs(MaxJobs=2)
    assert [entry["JobId"] for entry in first["Jobs"]] == [made[2], made[1]]
    assert first["IsTruncated"] is True and first["Jobs"][0]["JobType"] == "Export"
    second = service.list_jobs(MaxJobs=2, Marker=made[1])
    assert second["Jobs"][0]["JobId"] == made[0]
    pages = service.get_paginator("list_jobs").paginate(PaginationConfig={"PageSize": 2})
    assert [entry["JobId"] for page in pages for entry in page["Jobs"]][:3] == made[::-1]


def test_get_shipping_label_takes_a_list_of_jobs(service, job):
    second = service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False)["JobId"]
    label = service.get_shipping_label(
        jobIds=[job, second], name="Jané Roe", company="Example & Sons", phoneNumber="206-555-1111", country="USA",
        stateOrProvince="WA", city="Anytown", postalCode="91011", street1="123 Any Street", street2="c/o", street3="+1",
    )
    assert label["ShippingLabelURL"].startswith("https://") and label["Warning"]
    assert service.get_status(JobId=second)["Carrier"] == "UPS"


def test_errors_of_the_endpoint_arrive_as_they_are(service, to_sandbox):
    with pytest.raises(service.exceptions.InvalidJobIdException) as caught:
        service.get_status(JobId="NOPES")
    response = caught.value.response
    assert (response["Error"]["Code"], response["Error"]["Type"]) == ("InvalidJobIdException", "Sender")
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    # nobody but the endpoint said so
    assert response["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]
    assert "proxy-status" not in headers and "x-proxy-sent" not in headers
    assert to_sandbox.exchange(headers["countersign-request-id"])["outcome"] == "answered_4xx"

    with pytest.raises(service.exceptions.MalformedManifestException):
        service.create_job(JobType="Import", Manifest="no colon", ValidateOnly=True)


def test_a_request_from_a_web_page_is_denied(service, to_sandbox):
    service.meta.events.register(
        "before-call.importexport", lambda params, **_: params["headers"].update(Origin="https://example.com")
    )
    status, code, response = refused(service.list_jobs)
    assert (status, code, response["Error"]["Type"]) == (403, "AccessDenied", "Sender")
    assert "web page" in response["Error"]["Message"]
    metadata = response["ResponseMetadata"]
    assert metadata["HTTPHeaders"]["proxy-status"].startswith("countersign;")
    assert metadata["HTTPHeaders"]["x-proxy-sent"] == "no"
    assert to_sandbox.exchange(metadata["RequestId"])["outcome"] == "refused"


@pytest.mark.parametrize("length", [300_000, 1_000_000])
def test_a_manifest_that_is_too_large_is_refused(service, to_sandbox, length):
    # urllib3 writes all of it before it reads; the refusal must survive that
    status, code, response = refused(service.create_job, JobType="Import", Manifest="x" * length, ValidateOnly=False)
    assert (status, code) == (413, "ProxyRequestTooLarge")
    metadata = response["ResponseMetadata"]
    assert metadata["HTTPHeaders"]["x-proxy-sent"] == "no"
    assert to_sandbox.exchange(metadata["RequestId"])["code"] == "ProxyRequestTooLarge"


def test_an_expired_key_is_service_unavailable(proxy, upstream, seal):
    expired = proxy(upstream.url(), upstream.ca_file, key=seal(expires="2020-01-01T00:00:00Z"))
    before = len(upstream.received)
    status, code, response = refused(unsigned_client(expired.url).list_jobs)
    assert (status, code, response["Error"]["Type"]) == (503, "ServiceUnavailable", "Receiver")
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert 1 <= int(headers["retry-after"]) <= 10
    assert headers["x-proxy-sent"] == "no" and len(upstream.received) == before


def test_an_endpoint_that_cannot_be_reached_is_tried_again_by_the_sdk(proxy):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
        to_nobody = proxy(f"https://127.0.0.1:{deaf.getsockname()[1]}")
        service = unsigned_client(to_nobody.url, retries={"mode": "standard", "total_max_attempts": 2})
        status, code, response = refused(service.create_job, JobType="Import", Manifest=IMPORT, ValidateOnly=False)
    assert (status, code) == (502, "ProxyUpstreamUnreachable")
    assert response["ResponseMetadata"]["RetryAttempts"] == 1
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-proxy-sent"] == "no"


def test_an_authority_that_is_not_trusted_is_not_sent_anything(proxy, upstream, sandbox):
    before = len(upstream.received)
    status, code, _ = refused(unsigned_client(proxy(upstream.url(), sandbox.ca_file).url).list_jobs)
    assert (status, code) == (502, "ProxyUpstreamUntrusted")
    assert len(upstream.received) == before


@contextlib.contextmanager
def answers(upstream, *given):
    """The upstream gives these answers one by one, then again the last; yields the Actions that it received."""
    left = list(given)
    before = len(upstream.received)
    seen = []

    def answer(received):
        seen.append(received.parameters["Action"])
        return left.pop(0) if len(left) > 1 else left[0]

    with upstream.answering(answer):
        yield seen
    # nothing came that did not verify
    assert len(upstream.received) - before == len(seen)


STATUS = Answer(b"""<GetStatusResponse xmlns="http://importexport.amazonaws.com/"><GetStatusResult><JobId>TEST1</JobId>
</GetStatusResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetStatusResponse>""")
NO_ANSWER = None


@pytest.mark.parametrize("mode", RETRY_MODES)
def test_a_create_job_of_unknown_outcome_is_sent_exactly_once(to_upstream, upstream, mode):
    service = unsigned_client(to_upstream.url, retries={"mode": mode, "max_attempts": 5})
    # the first time on a connection of its own, the second on one that the proxy has kept
    for ahead in ([], [STATUS]):
        with answers(upstream, *ahead, NO_ANSWER) as seen:
            for _ in ahead:
                assert service.get_status(JobId="TEST1")["JobId"] == "TEST1"
            status, code, response = refused(service.create_job, JobType="Import", Manifest=IMPORT, ValidateOnly=False)
        assert (status, code) == (409, "ProxyOutcomeUnknown")
        assert seen.count("CreateJob") == 1
        metadata = response["ResponseMetadata"]
        assert metadata["RetryAttempts"] == 0 and metadata["HTTPHeaders"]["x-proxy-sent"] == "yes"
        assert to_upstream.exchange(metadata["RequestId"])["outcome"] == "unknown"


@pytest.mark.parametrize("mode", RETRY_MODES)
def test_a_get_status_of_unknown_outcome_is_repeated_until_it_is_answered(to_upstream, upstream, mode):
    service = unsigned_client(to_upstream.url, retries={"mode": mode, "max_attempts": 5})
    # the proxy sends what only reads once more itself; when that is in vain too, the SDK sends it again
    for unanswered, sdk_attempts in [(1, 0), (2, 1)]:
        with answers(upstream, *[NO_ANSWER] * unanswered, STATUS) as seen:
            answer = service.get_status(JobId="TEST1")
        assert (answer["JobId"], answer["ResponseMetadata"]["RetryAttempts"]) == ("TEST1", sdk_attempts)
        assert seen == ["GetStatus"] * (unanswered + 1)


@pytest.mark.parametrize("mode", RETRY_MODES)
def test_an_endpoint_that_is_down_is_service_unavailable_and_tried_again_by_the_sdk(proxy, mode):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
        down = proxy(f"https://127.0.0.1:{deaf.getsockname()[1]}", route="[route.main.limits]\nfailures = 1")
        service = unsigned_client(down.url, retries={"mode": mode, "total_max_attempts": 2})
        for _ in range(20):
            status, code, response = refused(service.create_job, JobType="Import", Manifest=IMPORT, ValidateOnly=False)
            if status == 503:
                break
    assert (status, code, response["Error"]["Type"]) == (503, "ServiceUnavailable", "Receiver")
    assert response["ResponseMetadata"]["RetryAttempts"] == 1
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-proxy-sent"] == "no" and 1 <= int(headers["retry-after"]) <= 3


def test_an_answer_that_does_not_come_in_time_is_an_unknown_outcome(proxy, upstream):
    impatient = proxy(upstream.url(), upstream.ca_file, route='[route.main.timeouts]\nfirst_byte = "200ms"')
    service = unsigned_client(impatient.url)
    over = threading.Event()

    def answer(received):
        over.wait(20)
        return NO_ANSWER

    with upstream.answering(answer):
        create = refused(service.create_job, JobType="Import", Manifest=IMPORT, ValidateOnly=False)
        status = refused(service.get_status, JobId="TEST1")
        over.set()
    assert create[:2] == (409, "ProxyOutcomeUnknown")
    assert status[:2] == (504, "ProxyOutcomeUnknown")
