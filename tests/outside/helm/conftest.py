"""What the tests of the charts share."""

import shutil

import charts
import pytest
from clients.conftest import countersign_bin  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def _consumer_is_removed():
    yield
    if charts.consumer_chart.cache_info().currsize:
        shutil.rmtree(charts.consumer_chart().parent, ignore_errors=True)


@pytest.fixture(params=charts.SAMPLES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def sample(request):
    """Each of the chart's sample values."""
    return request.param
