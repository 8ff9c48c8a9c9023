"""The section of the manual on the archive, followed by a new user: from the archive to a signed call."""

import os
import signal
import socket
import subprocess

import documents
import pytest
from project_env import VERSION

PAGE = documents.TOP / "docs/guide/install.md"
SECTION = "Any Linux"
PROXY, SANDBOX = 8021, 8443
TIMEOUT = 120  # seconds


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def section():
    return [block for block in documents.blocks(PAGE) if SECTION in block.headings and block.is_for_the_shell]


def test_the_section_on_the_archive_ends_with_a_signed_call(dist, section, tmp_path):
    unpack, call = (block.text for block in section)
    # the archive of this processor and build stands for the one that is named
    (archive,) = dist.glob("*.tar.zst")
    named = next(word for word in unpack.split() if word.endswith(".tar.zst"))
    assert named == f"countersign-{VERSION}-x86_64-linux-gnu.tar.zst"
    unpack = unpack.replace(named.removesuffix(".tar.zst"), archive.name.removesuffix(".tar.zst"))
    prefix = tmp_path / "local"
    prefix.mkdir()
    text = unpack.replace("/usr/local/", f"{prefix}/")
    for name in (archive.name, "SHA256SUMS"):
        (tmp_path / name).symlink_to(dist / name)
    checked = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0 and f"{archive.name}: OK" in checked.stdout, checked
    assert (prefix / "share/man/man1/countersign.1.gz").is_file()

    ports = {PROXY: free_port(), SANDBOX: free_port()}
    # the default of the listener and of the sandbox may be taken here
    text = call.replace("countersign sandbox", f"countersign sandbox --listen 127.0.0.1:{ports[SANDBOX]}")
    text = text.replace(f":{PROXY}/", f":{ports[PROXY]}/").replace(f":{SANDBOX}/", f":{ports[SANDBOX]}/")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTERSIGN", "AWS_"))}
    environment = {**kept, "PATH": f"{prefix}/bin:{os.environ['PATH']}",
                   "COUNTERSIGN__LISTENER__LOCAL__ADDRESS": f"127.0.0.1:{ports[PROXY]}"}
    out = (tmp_path / "out").open("w+")
    shell = subprocess.Popen(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path, env=environment, stdout=out,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = shell.wait(TIMEOUT)
    finally:
        # what it started runs on; it is a session of its own
        os.killpg(shell.pid, signal.SIGTERM)
    out.seek(0)
    said = out.read()
    assert code == 0 and "<ListJobsResponse" in said, said
    assert b"wJalrXUtnFEMI" not in (tmp_path / "first-call/main.age").read_bytes()
