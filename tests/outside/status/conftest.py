"""A proxy to look at, and a browser to look with."""

import contextlib
import hashlib
import socket

import pytest
from chromium import Chromium
from looked_at import ATTACKER, REBOUND
from staged_proxy import CLIENTS, StagedProxy

# the program, its keys and its endpoint, as the other clients' tests have them
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    seal,
    start_countersign,
    upstream,
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    names = f"--host-resolver-rules=MAP {ATTACKER} 127.0.0.1, MAP {REBOUND} 127.0.0.1"
    with contextlib.closing(Chromium(tmp_path_factory.mktemp("chromium"), names)) as browser:
        yield browser


@pytest.fixture
def dead_end():
    """An address that accepts no connection for as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def stage(start_countersign, seal, upstream, tmp_path):  # noqa: F811
    """Starts a proxy with a route `importexport` to the verifying endpoint, two clients, and `more` tables."""

    def start(more="", key=None, admin=""):
        digests = {name: hashlib.sha256(f"{name}-token".encode()).hexdigest() for name in ("reporting", "billing")}
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["token"]
[admin]
address = "127.0.0.1:0"
{admin}
[log]
format = "json"
{key or seal()}
{CLIENTS.format(**digests)}
[route.importexport]
endpoint = "{upstream.url()}"
ca_file = "{upstream.ca_file}"
key = "main"
path = "/importexport"
{more}
""")
        proxy = StagedProxy(start_countersign("run", "--config", configuration))
        proxy.configuration = configuration
        return proxy

    return start
