"""Starts a countersign that traces."""

import pytest
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    sandbox,
    seal,
    start_countersign,
)
from collector import Collector
from importexport import SECRET
from traced_proxy import Traced


@pytest.fixture
def endpoint():
    """An endpoint that answers everything with 200, and keeps what it gets."""
    with Collector() as obliging:
        yield obliging


@pytest.fixture
def trace(start_countersign, seal, endpoint, tmp_path):  # noqa: F811
    """Starts a proxy with these lines in [trace], in front of `endpoint` if no other is named. At the end nothing in
    its log is a secret or a value."""
    started, obliging = [], endpoint.url

    def start(lines, endpoint=obliging, listener="any_local = true", more="", route="", **environment):
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
{listener}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
level = "trace"
[trace]
{lines}
{seal()}
[route.main]
endpoint = "{endpoint}"
{route}
{more}
""")
        process = start_countersign("run", "--config", configuration, environment=environment)
        traced = Traced(process)
        traced.configuration = configuration
        started.append(traced)
        return traced

    yield start
    for traced in started:
        traced.process.ask_to_stop()
    for traced in started:
        traced.process.stop()
        log = "\n".join(traced.process.log)
        assert SECRET not in log and "marker-of-a-value" not in log
