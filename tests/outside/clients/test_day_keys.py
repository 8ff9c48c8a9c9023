"""The day that a key of aws-v4 is derived for: an independent endpoint verifies, whose clock is on another day."""

import datetime
import http.client

import pytest
from importexport import KEY_ID, SECRET
from v4_endpoint import v4_endpoint

REGION, SERVICE = "eu-central-1", "iam"
ROUTE = f'profile = {{ dialect = "aws-v4", region = "{REGION}", service = "{SERVICE}" }}'
DAY = 86_340  # seconds, within the 24 hours that are followed
PATIENCE = 60  # seconds


def post(proxy, form="Action=ListUsers&Version=2010-05-08"):
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().status
    finally:
        connection.close()


def today(ahead):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead)
    return f"{now:%Y%m%d}"


@pytest.mark.parametrize("ahead", [DAY, -DAY, 0])
def test_the_day_of_the_key_is_that_of_the_endpoints_clock(proxy, ahead):
    with v4_endpoint(KEY_ID, SECRET, REGION, SERVICE, ahead) as endpoint:
        started = proxy(endpoint.url, route=ROUTE)
        before = today(ahead)
        # the first is refused for its time and signed once more; all others are right at once
        assert [post(started) for _ in range(5)] == [200] * 5
        assert endpoint.complaints == []
        assert len(endpoint.dates) == 5 and set(endpoint.dates) <= {before, today(ahead)}
