"""Waiting for what happens in another process."""

import time

PATIENCE = 60  # seconds; a debug build on a busy machine


def eventually(probe, why):
    """Calls `probe` until it returns something true, and returns that. `why` is the failure's text, or makes it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := probe()):
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(0.05)
    return found
