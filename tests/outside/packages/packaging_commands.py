"""Commands around packages, and where they are."""

import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT = 900  # seconds

# a version that this one is an upgrade of
OLDER = "0.1.9"


def run(*command, **options):
    """Runs a command that must succeed; its output is part of the failure."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT,
                          check=False, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
