"""One request with curl, of which the status and the body are told."""

import subprocess

PATIENCE = 60  # seconds


def curl_status(*arguments):
    """Status and body; 0 when there was no answer."""
    done = subprocess.run(
        ["curl", "--silent", "--max-time", str(PATIENCE), "--write-out", "\n%{http_code}", *map(str, arguments)],
        capture_output=True, text=True, timeout=2 * PATIENCE, check=False,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body
