"""The program under test, for pages that show what it prints."""

from clients.conftest import countersign_bin  # noqa: F401
