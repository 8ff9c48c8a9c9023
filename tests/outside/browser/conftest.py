"""A real browser, a hostile site, and a proxy that must not sign for it."""

import contextlib
import os

import pytest
from chromium import Chromium
from hostile_site import ATTACKER, SIDECAR, HostileSite
from tap import Tap

# the program, its keys, its log and its endpoint, as the other clients' tests have them
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    proxy,
    seal,
    start_countersign,
    upstream,
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    names = f"--host-resolver-rules=MAP {ATTACKER} 127.0.0.1, MAP {SIDECAR} 127.0.0.1"
    browser = Chromium(tmp_path_factory.mktemp("chromium"), names)
    with contextlib.closing(browser):
        yield browser


@pytest.fixture(scope="module")
def site():
    with contextlib.closing(HostileSite()) as site:
        yield site


@pytest.fixture(scope="module")
def tap(site, proxy, upstream):  # noqa: F811
    """The port that pages attack. Behind it is a proxy whose listener has the tap's names too: for the page, and for
    the check of Host, the tap is the proxy."""
    with contextlib.closing(Tap(site)) as tap:
        names = f'hosts = ["127.0.0.1:{tap.port}", "localhost:{tap.port}"]'
        behind = proxy(upstream.url(), upstream.ca_file, listener=names)
        tap.proxy = (behind.host, behind.port)
        tap.log = behind.process
        site.target = f"127.0.0.1:{tap.port}"
        yield tap


@pytest.fixture(scope="module")
def query_tap(site, proxy, upstream):  # noqa: F811
    """As `tap`, before a route that takes forms in query strings, and a listener that knows the browser's own user as a
    client: the browser has all that a program of its user has."""
    with contextlib.closing(Tap(site)) as tap:
        listener = f'hosts = ["127.0.0.1:{tap.port}", "{SIDECAR}:{tap.port}"]\nauthenticate = ["loopback-owner"]'
        route = f"""accept = ["post", "get", "post-query"]
[client.user]
uid = {os.getuid()}
allow = ["*:*"]
"""
        behind = proxy(upstream.url(), upstream.ca_file, listener=listener, route=route,
                       environment={"COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "false"})
        tap.proxy = (behind.host, behind.port)
        tap.log = behind.process
        yield tap
