"""The shell scripts, and what every artefact keeps to."""

import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]


def shell_scripts():
    """The files that are committed, or are about to be, and whose first line names a shell."""
    command = ["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    for name in sorted(filter(None, listed)):
        path = TOP / name
        if path.is_file() and re.match(rb"#!.*[/ ](ba|da)?sh\b", path.read_bytes()[:64]):
            yield name


SCRIPTS = list(shell_scripts())
ARTEFACTS = sorted(path for path in (TOP / "deploy").rglob("*") if path.is_file())


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script, run):
    run([pathlib.Path(sys.executable).parent / "shellcheck", "--enable=quote-safe-variables", TOP / script])


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_can_be_started(script):
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "--stage", script], capture_output=True, text=True)
    assert (TOP / script).stat().st_mode & 0o111 == 0o111
    assert listed.stdout.startswith("100755"), f"{script} is not committed as executable: {listed.stdout}"


@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: str(path.relative_to(TOP)))
def test_an_artefact_names_no_registry_host_and_holds_no_key(path):
    text = path.read_text()
    images = re.findall(r"(?:image:|FROM)\s+(\S+)", text)
    hosts = {image.split("/")[0] for image in images if "/" in image}
    # a name below .example is reserved: nobody can have it
    assert not [host for host in hosts if "." in host and not host.endswith(".example")]
    assert not re.search(r"AGE-SECRET-KEY-1[0-9A-Z]{20}|AKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}|age1[0-9a-z]{58}", text)
