"""Starts stores and replicas."""

import pytest
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    seal,
    start_countersign,
)
from rate_replicas import Endpoint, Replica, configuration
from shared_store import running


@pytest.fixture
def store(tmp_path):
    """A real server, which listens."""
    with running(tmp_path) as server:
        yield server


@pytest.fixture
def endpoint():
    server = Endpoint()
    yield server
    server.close()


@pytest.fixture
def gateway(start_countersign, seal, endpoint, tmp_path):  # noqa: F811
    """Starts so many replicas with these limits of the one client and these lines of [rates]."""

    def start(count, limits, rates):
        file = tmp_path / "countersign.toml"
        file.write_text(configuration(endpoint.port, seal(), limits, rates))
        processes = [start_countersign("run", "--config", file) for _ in range(count)]
        return [Replica(process) for process in processes]

    return start
