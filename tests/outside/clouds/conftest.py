"""Verifiers that others wrote, before and behind countersign."""

# the program, its keys, its log and its configuration, as the clients' tests have them
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    proxy,
    seal,
    start_countersign,
)
