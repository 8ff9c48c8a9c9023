"""The five minutes of the README: the blocks are run as a reader would run them, one after the other in an empty
directory.

They are written for the usual ports. Here these may be taken, so free ones stand in for them, in the blocks' text and,
where the blocks rely on a default, on the sandbox's command line and in the proxy's environment.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import documents
import pytest
from free_ports import free_port
from importexport import SECRET

HEADING = "five minutes"
PROXY, ADMIN, SANDBOX = 8021, 8022, 8443
TIMEOUT = 60  # seconds
STOP_TIMEOUT = 60

BLOCK_ENDS = "--- block {} ends ---"

# What a reader does by reading on: the next block is pasted when what the last one started is there.
WAIT = """
for _ in $(seq 400); do
    if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then break; fi
    sleep 0.05
done
"""
STARTS = {"countersign sandbox": SANDBOX, "countersign run": PROXY}

# The block of Python shows no imports.
PYTHON_BEFORE = "import boto3, botocore, botocore.config\n"


def blocks(*languages):
    """The blocks of the section, in whichever document it is."""
    return [block.text for block in documents.section(HEADING) if block.language in languages]


class Walk:
    """The blocks of the shell, run; what they started runs on until `end`."""

    def __init__(self, countersign, directory):
        self.directory = directory / "empty"
        self.directory.mkdir()
        programs = directory / "bin"
        programs.mkdir()
        (programs / "countersign").symlink_to(countersign)
        self.ports = {name: free_port() for name in (PROXY, ADMIN, SANDBOX)}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "COUNTERSIGN__LISTENER__LOCAL__ADDRESS": f"127.0.0.1:{self.ports[PROXY]}",
            "COUNTERSIGN__ADMIN__ADDRESS": f"127.0.0.1:{self.ports[ADMIN]}",
        }
        self._out, self._err = directory / "out", directory / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            # a session of its own, whose processes can be ended together
            self.shell = subprocess.Popen(
                ["bash", "-c", self.script()], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True,
            )
        try:
            self.code = self.shell.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.code = None

    def script(self):
        parts = ["set -euo pipefail"]
        for number, block in enumerate(blocks(*documents.SHELL)):
            block = re.sub(r"countersign sandbox\b(?!.*--listen)", f"\\g<0> --listen 127.0.0.1:{SANDBOX}", block)
            parts.append(self.moved(block))
            parts += [WAIT.format(port=self.ports[port]) for command, port in STARTS.items() if command in block]
            parts.append(f"echo '{BLOCK_ENDS.format(number)}'")
        return "\n".join(parts)

    def moved(self, text):
        for usual, port in self.ports.items():
            text = re.sub(rf"\b{usual}\b", str(port), text)
        return text

    @property
    def output(self):
        return self._out.read_text()

    @property
    def log(self):
        return self._err.read_text()

    def output_of(self, number):
        """What a block printed, by its place; negative ones count from the end."""
        names = [BLOCK_ENDS.format(number) for number in range(len(blocks(*documents.SHELL)))]
        parts = re.split("|".join(map(re.escape, names)), self.output)
        return parts[:-1][number]

    def wait_for_log(self, pattern):
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.log)):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return found

    def end(self):
        """Ends whatever is left of the session, and waits until nothing is."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + STOP_TIMEOUT
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.shell.pid, number)
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.02)
        self.shell.wait()

    def alive(self):
        """Whether a process of the session runs. Zombies do not, and in some containers nobody reaps them."""
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, group = path.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.shell.pid and state != "Z":
                    return True
        return False


@pytest.fixture(scope="module")
def walk(countersign_bin, tmp_path_factory):
    walk = Walk(pathlib.Path(countersign_bin).resolve(), tmp_path_factory.mktemp("five-minutes"))
    try:
        assert walk.code == 0, f"the blocks ended with {walk.code}\n{walk.output}\n{walk.log}"
        yield walk
    finally:
        walk.end()


def test_the_section_starts_an_endpoint_and_the_proxy_and_asks_with_curl():
    text = "\n".join(blocks(*documents.SHELL))
    assert re.search(r"(?m)^countersign sandbox.*&$", text) and re.search(r"(?m)^countersign run.*&$", text)
    assert "curl" in blocks(*documents.SHELL)[-1]
    urls = re.findall(r"https?://[^/\s\"']+", text.replace("https://importexport.amazonaws.com", ""))
    assert urls and all(re.fullmatch(r"https?://(127\.0\.0\.1|localhost):\d+", url) for url in urls), urls


def test_the_last_block_is_answered_with_a_job(walk):
    assert re.search(r"<JobId>\w{5}</JobId>", walk.output_of(-1)), walk.output


def test_the_log_has_one_line_for_it_without_a_value_or_a_secret(walk):
    line = walk.wait_for_log(r"(?m)^.* exchange\b.*CreateJob.*$")[0]
    assert "200" in line and "AKIAIOSFODNN7EXAMPLE" in line
    assert "Jane Roe" not in walk.log and SECRET not in walk.log


def test_the_files_that_open_the_key_are_for_their_owner_only(walk):
    for name in ("identity.txt", "main.age"):
        assert (walk.directory / name).stat().st_mode & 0o077 == 0, name
    assert SECRET not in (walk.directory / "main.age").read_text(errors="replace")


def test_the_python_lists_the_job(walk):
    (job,) = re.findall(r"<JobId>(\w+)</JobId>", walk.output_of(-1))
    found = blocks("python")
    assert found, "the section has no block of Python"
    for block in found:
        # what the last line gives is what a reader would look at
        *before, last = walk.moved(block).rstrip().splitlines()
        program = PYTHON_BEFORE + "\n".join(before) + f"\nprint({last})\n"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=walk.directory, env=walk.environment, capture_output=True, text=True,
            timeout=TIMEOUT, check=False,
        )
        assert done.returncode == 0, done.stderr
        assert job in done.stdout
