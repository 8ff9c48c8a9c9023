"""The sandbox against boto3, which signs by itself: an implementation of Signature Version 2 that we did not write."""

import base64
import datetime
import hashlib
import hmac
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import botocore.auth
import pytest
from botocore.exceptions import ClientError
from importexport import EXPORT, IMPORT, KEY_ID, SECRET, signing_client as client

@pytest.fixture(scope="module")
def sandbox(start_countersign):
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain")
    process.url = process.wait_for(r"listening on (\S+)")[1]
    return process


@pytest.fixture
def service(sandbox):
    return client(sandbox.url)


@pytest.fixture
def job(service):
    return service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False)["JobId"]


def signature(manifest):
    return base64.b64encode(hmac.new(SECRET.encode(), manifest.encode(), hashlib.sha1).digest()).decode()


def test_create_job_gives_an_id_and_the_signature_file(service):
    answer = service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False)
    assert len(answer["JobId"]) == 5
    assert answer["JobType"] == "Import"
    assert answer["Signature"] == signature(IMPORT)
    assert answer["SignatureFileContents"] == (
        f"version:2.0\nsigningMethod:HmacSHA1\njobId:{answer['JobId']}\nsignature:{signature(IMPORT)}\n"
    )
    assert answer["ArtifactList"][0]["URL"].endswith(f"{answer['JobId']}.pdf")
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]


def test_validate_only_creates_nothing(service):
    before = service.list_jobs()["Jobs"]
    answer = service.create_job(JobType="Export", Manifest=EXPORT, ValidateOnly=True)
    assert "JobId" not in answer and "valid" in answer["WarningMessage"]
    assert service.list_jobs()["Jobs"] == before


def test_get_status_returns_the_manifest_as_it_was_sent(service, job):
    status = service.get_status(JobId=job)
    assert status["CurrentManifest"] == IMPORT
    assert (status["LogBucket"], status["LogKey"]) == ("amzn-s3-demo-bucket", f"logs/import-log-{job}")
    assert (status["LocationCode"], status["ProgressCode"], status["ErrorCount"]) == ("NotReceived", "Pending", 0)
    age = datetime.datetime.now(datetime.timezone.utc) - status["CreationDate"]
    assert abs(age) < datetime.timedelta(minutes=1)


def test_update_job_replaces_the_manifest(service, job):
    changed = IMPORT.replace("HD-0001", "HD-0002").replace("\n", "\r\n")
    assert service.update_job(JobId=job, JobType="Import", Manifest=changed, ValidateOnly=False)["Success"] is True
    status = service.get_status(JobId=job)
    assert status["CurrentManifest"] == changed
    assert status["Signature"] == signature(changed)


def test_cancel_job_ends_a_job_that_stays_listed(service, job):
    assert service.cancel_job(JobId=job)["Success"] is True
    with pytest.raises(service.exceptions.CanceledJobIdException):
        service.update_job(JobId=job, JobType="Import", Manifest=IMPORT, ValidateOnly=False)
    with pytest.raises(service.exceptions.CanceledJobIdException):
        service.get_status(JobId=job)
    listed = {entry["JobId"]: entry["IsCanceled"] for entry in service.list_jobs()["Jobs"]}
    assert listed[job] is True


def test_list_jobs_is_paged_newest_first(service):
    created = [
        service.create_job(JobType="Export", Manifest=EXPORT, ValidateOnly=False)["JobId"] for _ in range(5)
    ]
    first = service.list_jobs(MaxJobs=2)
    assert [entry["JobId"] for entry in first["Jobs"]] == [created[4], created[3]]
    assert first["IsTruncated"] is True
    pages = service.get_paginator("list_jobs").paginate(PaginationConfig={"PageSize": 2})
    everything = [entry["JobId"] for page in pages for entry in page["Jobs"]]
    assert everything[:5] == created[::-1]
    assert everything == [entry["JobId"] for entry in service.list_jobs()["Jobs"]]


def test_get_shipping_label_for_several_jobs(service, job):
    second = service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False)["JobId"]
    label = service.get_shipping_label(
        jobIds=[job, second],
        name="Jane Roe",
        street1="123 Any Street",
        city="Anytown",
        stateOrProvince="WA",
        postalCode="91011",
        country="USA",
        phoneNumber="206-555-1111",
    )
    assert label["ShippingLabelURL"].startswith("https://") and label["Warning"]
    assert service.get_status(JobId=second)["Carrier"] == "UPS"
    with pytest.raises(service.exceptions.InvalidAddressException):
        service.get_shipping_label(jobIds=[job], city="Anytown")


@pytest.mark.parametrize(
    ("manifest", "exception"),
    [
        ("no colon", "MalformedManifestException"),
        (IMPORT.replace("deviceId: HD-0001\n", ""), "MissingManifestFieldException"),
        (IMPORT.replace("2.0", "1.0"), "InvalidManifestFieldException"),
        (IMPORT.replace(KEY_ID, "AKIAI44QH8DHBEXAMPLE"), "InvalidAccessKeyIdException"),
        (IMPORT.replace("206-555-1111", "none"), "InvalidAddressException"),
    ],
)
def test_manifests_are_checked(service, manifest, exception):
    with pytest.raises(getattr(service.exceptions, exception)):
        service.create_job(JobType="Import", Manifest=manifest, ValidateOnly=True)


def test_a_job_that_is_not_there_and_a_bad_page_size_are_refused(service):
    with pytest.raises(service.exceptions.InvalidJobIdException):
        service.get_status(JobId="NOPES")
    with pytest.raises(service.exceptions.InvalidParameterException):
        service.list_jobs(MaxJobs=0)


def refused(call):
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_a_wrong_secret_an_unknown_key_and_a_foreign_token_are_refused(sandbox):
    assert refused(client(sandbox.url, secret="wrong").list_jobs) == (403, "SignatureDoesNotMatch")
    assert refused(client(sandbox.url, key_id="AKIAI44QH8DHBEXAMPLE").list_jobs) == (403, "InvalidClientTokenId")
    assert refused(client(sandbox.url, token="foreign").list_jobs) == (403, "InvalidClientTokenId")


@pytest.mark.parametrize(("minutes", "accepted"), [(-16, False), (-14, True), (14, True), (16, False), (180, False)])
def test_the_clock_may_be_off_by_fifteen_minutes(sandbox, monkeypatch, minutes, accepted):
    class Clock:
        """What botocore's signer uses of `time`."""

        strftime = staticmethod(time.strftime)

        @staticmethod
        def gmtime():
            return time.gmtime(time.time() + minutes * 60)

    monkeypatch.setattr(botocore.auth, "time", Clock)
    service = client(sandbox.url)
    if accepted:
        assert "Jobs" in service.list_jobs()
    else:
        assert refused(service.list_jobs) == (400, "RequestExpired")


def post(url, parameters):
    """Sends a form as it is, and returns the status and the error code."""
    body = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(url, body) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, ElementTree.fromstring(error.read()).findtext("Error/Code")


def complete():
    return {
        "Action": "ListJobs",
        "Version": "2010-06-03",
        "AWSAccessKeyId": KEY_ID,
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Signature": base64.b64encode(bytes(32)).decode(),
    }


def test_an_unsigned_form_is_told_so(sandbox):
    assert post(sandbox.url, {"Action": "ListJobs", "Version": "2010-06-03"}) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize(
    "part", ["AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod", "Timestamp"]
)
def test_a_form_that_lacks_a_part_of_the_signature_is_incomplete(sandbox, part):
    parameters = complete()
    assert post(sandbox.url, parameters) == (403, "SignatureDoesNotMatch")
    del parameters[part]
    assert post(sandbox.url, parameters) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    ("name", "value"), [("SignatureVersion", "4"), ("SignatureMethod", "HmacMD5"), ("Timestamp", "now")]
)
def test_a_part_of_the_signature_that_cannot_be_is_incomplete(sandbox, name, value):
    assert post(sandbox.url, {**complete(), name: value}) == (400, "IncompleteSignature")


def test_every_request_has_a_line_in_the_log_and_no_secret_does(sandbox, service, job):
    post(sandbox.url, {**complete(), "Action": "List\r\nJobs \x1b[31m"})
    sandbox.wait_for(rf"Z CreateJob {KEY_ID} 200$")
    sandbox.wait_for(rf"^\S+ List\\r\\nJobs_\\u{{1b}}\[31m {KEY_ID} 403 SignatureDoesNotMatch: ")
    assert not any(SECRET in line or "Signature=" in line for line in sandbox.log)


def test_tls_under_the_printed_authority(start_countersign, tmp_path):
    ca_file = tmp_path / "ca.pem"
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--ca-out", ca_file)
    url = process.wait_for(r"listening on (https://\S+)")[1]
    assert process.wait_for(r'^endpoint = "(.*)"$')[1] == url
    assert process.wait_for(r'^ca_file = "(.*)"$')[1] == str(ca_file)
    assert "Jobs" in client(url, verify=str(ca_file)).list_jobs()
    assert process.stop() == 0


def test_keys_come_from_the_environment_and_from_files(start_countersign, tmp_path):
    credentials = tmp_path / "credentials.json"
    credentials.write_text(
        '{"Version": 1, "AccessKeyId": "AKIAI44QH8DHBEXAMPLE", "SecretAccessKey": "from-file", "SessionToken": "t"}'
    )
    process = start_countersign(
        "sandbox", "--listen", "127.0.0.1:0", "--plain", "--access-key-id", "AKIDEXAMPLE", "--credentials", credentials,
        environment={"AWS_SECRET_ACCESS_KEY": "from-environment"},
    )
    url = process.wait_for(r"listening on (\S+)")[1]
    assert "Jobs" in client(url, key_id="AKIDEXAMPLE", secret="from-environment").list_jobs()
    assert "Jobs" in client(url, key_id="AKIAI44QH8DHBEXAMPLE", secret="from-file", token="t").list_jobs()
    assert refused(client(url).list_jobs) == (403, "InvalidClientTokenId")
