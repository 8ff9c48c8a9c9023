"""The sizes that docs/operations/sizing.md recommends are enough for the worst case that the program computes from
them."""

import pathlib
import re
import resource
import subprocess

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/operations/sizing.md"
COLUMNS = ["expected", "workers", "connections", "in_flight", "bodies", "memory", "descriptors"]
# what the program takes beside what clients can make it use
PROGRAM = 32  # MiB

CONFIGURATION = """
[listener.local]
any_local = true
limits.connections = {connections}

[route.importexport]
endpoint = "https://importexport.amazonaws.com/"
limits.in_flight = {in_flight}

[key.main]
file = "main.age"
identity_file = "identity.txt"

[process]
bodies = "{bodies}"
"""


def rows():
    """The rows of the table whose first column says what is expected."""
    lines = PAGE.read_text().partition("| you expect |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells]


def mebibytes(text):
    number, unit = text.split()
    return int(number) * {"MiB": 1, "GiB": 1024}[unit]


def checked(countersign_bin, configuration, descriptors):
    """What `check` prints of a configuration when the system gives that many descriptors. The key is not there."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))  # noqa: E731
    done = subprocess.run([countersign_bin, "check", "--config", configuration], preexec_fn=limit, capture_output=True,
                          text=True, timeout=60, check=False)
    return done.stdout


def test_there_are_sizes_for_a_sidecar_a_daemon_and_a_gateway():
    assert len(rows()) == 3


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["expected"].split(":")[0])
def test_the_worst_case_fits_the_recommended_memory_and_descriptors(countersign_bin, tmp_path, row):
    file = tmp_path / "countersign.toml"
    file.write_text(CONFIGURATION.format(**row))
    printed = checked(countersign_bin, file, int(row["descriptors"]))
    worst = int(re.search(r"memory that clients can have used: at most (\d+) MiB", printed)[1])
    assert worst + PROGRAM <= mebibytes(row["memory"]), printed
    assert "this process may have" not in printed, "there are too few descriptors"


def test_too_few_descriptors_are_told(countersign_bin, tmp_path):
    row = rows()[-1]
    file = tmp_path / "countersign.toml"
    file.write_text(CONFIGURATION.format(**row))
    assert "this process may have 256 descriptors" in checked(countersign_bin, file, 256)
