"""What the tests of upgrades share."""

import pytest
from kept import program


@pytest.fixture(scope="session")
def countersign():
    """The program under test. Its absence is a failure: a skipped test would look like a passed one."""
    return program()
