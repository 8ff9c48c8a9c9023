"""The program under test and what it needs, as the clients' tests have them, and terminals to run it in."""

import os

import pytest
from clients.conftest import countersign_bin, no_settings_of_this_machine, seal, start_countersign  # noqa: F401
from emulator import Terminal


@pytest.fixture
def terminal(countersign_bin):  # noqa: F811
    """Runs `countersign ARGUMENT...` in a terminal of its own; all are closed at the end."""
    opened = []

    def run(*arguments, columns=80, lines=24, environment=None, program=None, **options):
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "COUNTERSIGN_")) and name not in ("NO_COLOR", "CI", "TERM", "COLUMNS")
        }
        environment = {**kept, "TERM": "xterm-256color", **(environment or {})}
        command = [*(program or [countersign_bin]), *map(str, arguments)]
        opened.append(Terminal(command, environment, columns, lines, **options))
        return opened[-1]

    yield run
    for one in opened:
        one.close()
