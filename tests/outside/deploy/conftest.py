"""What the tests of the deployment artefacts share: the files, the program, keys, and a place other users can reach."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]

# the user in the image, and the one systemd would make up
SERVICE_UID = 65532

# AWS's documentation example
ACCESS_KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


@pytest.fixture(scope="session")
def deploy():
    return TOP / "deploy"


@pytest.fixture(scope="session")
def countersign():
    """The program under test. Its absence is a failure: a skipped test would look like a passed one."""
    path = os.environ.get("COUNTERSIGN_BIN")
    if not path or not os.access(path, os.X_OK):
        pytest.fail(f"COUNTERSIGN_BIN ({path}) is not the countersign program; tests/run builds it and sets this")
    return pathlib.Path(path).resolve()


@pytest.fixture
def place():
    """An empty directory that every user can enter (pytest's own is closed to others). Needs root, as do its users."""
    if os.geteuid() != 0:
        pytest.fail("this test changes user and root directory: run it as root, in a container if need be")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="countersign-deploy-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def program(countersign, place):
    """A copy of the program where every user can run it: a checkout may lie in a closed home directory."""
    return pathlib.Path(shutil.copy(countersign, place / "countersign"))


@pytest.fixture(scope="session")
def keys(countersign, tmp_path_factory):
    """A sealed key and the identity that opens it, made as deploy/README.md says: `main.age`, `main.identity`."""
    directory = tmp_path_factory.mktemp("keys")
    identity, sealed = directory / "main.identity", directory / "main.age"
    run([countersign, "keys", "new-identity", "--out", identity])
    run([countersign, "keys", "seal", "--identity", identity, "--out", sealed], input=json.dumps(ACCESS_KEY))
    assert ACCESS_KEY["SecretAccessKey"] not in sealed.read_text(errors="replace")
    return {"main.age": sealed.read_bytes(), "identity": identity.read_bytes()}


def run(command, **options):
    """Runs a command that must succeed; its output is part of the failure."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session", name="run")
def run_fixture():
    return run


@pytest.fixture(scope="session")
def secret():
    return ACCESS_KEY["SecretAccessKey"]


@pytest.fixture(scope="session")
def access_key():
    return dict(ACCESS_KEY)


@pytest.fixture(scope="session")
def let_read():
    """Gives one user read access by an access control list, the way systemd hands out credentials on a tmpfs.

    The group bits then show the list's mask: `stat` says 0440 for a file whose group may read nothing.
    """

    def apply(path, uid, permissions):
        anyone = 0xFFFFFFFF
        entries = [(0x01, permissions, anyone), (0x02, permissions, uid), (0x04, 0, anyone),
                   (0x10, permissions, anyone), (0x20, 0, anyone)]
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        os.setxattr(path, "system.posix_acl_access", value)

    return apply
