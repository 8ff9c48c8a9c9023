"""Rules and dashboard before a real Prometheus, which scrapes a real countersign."""

# the program, its keys and its log, as the clients' tests have them
from clients.conftest import (  # noqa: F401
    countersign_bin,
    no_settings_of_this_machine,
    proxy,
    sandbox,
    seal,
    start_countersign,
)
