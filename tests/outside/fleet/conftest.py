"""The program under test, as the clients' tests have it."""

from clients.conftest import countersign_bin  # noqa: F401
