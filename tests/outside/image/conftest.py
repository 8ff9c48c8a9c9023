"""The image of the program under test, out of the release that all tests share."""

import pytest
from clients.conftest import countersign_bin  # noqa: F401
from image_archive import Archive


@pytest.fixture(scope="session")
def archive(dist):
    (path,) = dist.glob("*.oci.tar")
    return Archive(path)
