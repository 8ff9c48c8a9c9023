"""OpenStack behind countersign."""

import contextlib

import pytest
from importexport import KEY_ID, SECRET
from live_openstack import OpenStack

# the program, its keys, its log and its configuration, as the clients' tests have them
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    proxy,
    seal,
    start_countersign,
)


@pytest.fixture(scope="session")
def heat(tmp_path_factory):
    """heat-api-cfn and its keystone, which know the key of `seal`."""
    with contextlib.closing(OpenStack(tmp_path_factory.mktemp("openstack"), KEY_ID, SECRET)) as started:
        yield started
