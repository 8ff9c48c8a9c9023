"""Hosts and endpoints whose clock is wrong, made so by libfaketime: boto3 through the proxy to the sandbox, which
refuses what is 15 minutes off."""

import json

import pytest
from importexport import IMPORT, unsigned_client
from wrong_clock import UNCONFINED, WrongClock

HOURS = 3600


@pytest.fixture
def wrong_clock(tmp_path):
    return lambda seconds: WrongClock(tmp_path, seconds)


@pytest.fixture
def sandbox(start_countersign):
    """Starts a sandbox, which verifies and keeps jobs."""

    def start(environment=None):
        process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain", environment=environment)
        return process.wait_for(r"listening on (\S+)")[1]

    return start


class Caller:
    """A client of the proxy, and how often each of its requests was sent."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.service = unsigned_client(proxy.url)
        self.ids = []

    def _noted(self, answer):
        self.ids.append(answer["ResponseMetadata"]["HTTPHeaders"]["countersign-request-id"])
        return answer

    def create(self):
        return self._noted(self.service.create_job(JobType="Import", Manifest=IMPORT, ValidateOnly=False))["JobId"]

    def jobs(self):
        return {job["JobId"] for job in self._noted(self.service.list_jobs())["Jobs"]}

    def attempts(self):
        return [self.proxy.exchange(request_id).get("attempts", 1) for request_id in self.ids]


def warnings(proxy):
    lines = [json.loads(line) for line in proxy.process.log]
    return [line for line in lines if line["target"] == "countersign::clock" and line["level"] == "WARN"]


@pytest.mark.parametrize("seconds", [-3 * HOURS, 3 * HOURS, 23 * HOURS])
def test_a_host_whose_clock_is_wrong_creates_each_job_once(proxy, sandbox, wrong_clock, seconds):
    endpoint = proxy(sandbox(), environment=wrong_clock(seconds).environment, listener=UNCONFINED)
    caller = Caller(endpoint)
    created = {caller.create() for _ in range(5)}
    assert len(created) == 5 and caller.jobs() == created
    assert caller.attempts() == [2, 1, 1, 1, 1, 1]
    (warning,) = warnings(endpoint)
    assert abs(warning["skew_seconds"] + seconds) < 5 and "set this host's clock" in warning["message"]


def test_an_endpoint_whose_clock_is_wrong_is_signed_for(proxy, sandbox, wrong_clock):
    endpoint = proxy(sandbox(wrong_clock(5 * HOURS).environment))
    caller = Caller(endpoint)
    created = {caller.create(), caller.create()}
    assert caller.jobs() == created
    assert caller.attempts() == [2, 1, 1]


def test_a_clock_that_is_set_while_the_proxy_runs_costs_one_attempt(proxy, sandbox, wrong_clock):
    clock = wrong_clock(0)
    endpoint = proxy(sandbox(), environment=clock.environment, listener=UNCONFINED.replace("2", "1"))
    caller = Caller(endpoint)
    created = {caller.create()}
    for seconds in [-6 * HOURS, 0]:
        clock.set(seconds)
        created |= {caller.create(), caller.create()}
    assert caller.jobs() == created and len(created) == 5
    # set wrong: refused once. Set right again: what was learnt is forgotten, and the first signature is accepted
    assert caller.attempts() == [1, 2, 1, 1, 1, 1]
    told = [warning["message"] for warning in warnings(endpoint)]
    assert len([message for message in told if "clock was set" in message]) == 2, told
