"""The stage on which one client attacks and others are served."""

import pytest
from clients.conftest import countersign_bin  # noqa: F401
from fair_stage import stage as start


@pytest.fixture
def stage(countersign_bin, tmp_path):  # noqa: F811
    """The program with two listeners, two routes and four clients."""
    with start(countersign_bin, tmp_path) as started:
        yield started
