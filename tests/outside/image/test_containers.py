"""The image in containers that runc starts, with the restrictions of the samples: read-only, no rights, user 65532."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from image_archive import run

PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def unpacked(archive):
    """The image as umoci unpacks it: a root file system, and the configuration of a container that it makes of it."""
    if os.geteuid() != 0:
        pytest.fail("containers need root: run this test as root, in a container if need be")
    with tempfile.TemporaryDirectory(prefix="countersign-image-") as directory:
        place = pathlib.Path(directory)
        run(["skopeo", "copy", "--quiet", f"oci-archive:{archive.path}", f"oci:{place}/layout:image"])
        run(["umoci", "unpack", "--image", f"{place}/layout:image", place / "bundle"])
        yield place / "bundle"


class Container:
    """A container of the image; runc is its engine."""

    def __init__(self, unpacked, place, name):
        self.place, self.name = place, name
        self.config = json.loads((unpacked / "config.json").read_text())
        self.config["root"] = {"path": str(unpacked / "rootfs"), "readonly": True}
        self.config["process"].update({"terminal": False, "capabilities": {}, "noNewPrivileges": True})
        # where cgroups cannot be made, runc then goes without
        self.config["linux"].pop("resources", None)
        self.config["mounts"] = [mount for mount in self.config["mounts"] if mount["type"] != "cgroup"]
        self.process = None

    def runc(self, *words):
        return ["runc", "--root", self.place / "state", "--rootless", "true", *words]

    def started(self, *words, **environment):
        """Starts the image's entry point with these words, or with its own; returns at once."""
        if words:
            self.config["process"]["args"][1:] = words
        self.config["process"]["env"] += [f"{name}={value}" for name, value in environment.items()]
        (self.place / "config.json").write_text(json.dumps(self.config))
        command = self.runc("run", "--bundle", self.place, self.name)
        with (self.place / "output").open("wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)
        return self

    def output(self):
        return (self.place / "output").read_text(errors="replace")

    def mount(self, path, kind, source, *options):
        self.config["mounts"].append({"destination": path, "type": kind, "source": str(source), "options": options})

    def executed(self, *words):
        """The end of another process in the container, as a health check is."""
        command = [str(word) for word in self.runc("exec", self.name, *words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def end(self, signal="TERM"):
        run(self.runc("kill", self.name, signal))
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def container(unpacked, tmp_path):
    made = Container(unpacked, tmp_path, f"countersign-{os.getpid()}")
    yield made
    if made.process and made.process.poll() is None:
        subprocess.run([str(word) for word in made.runc("kill", made.name, "KILL")], check=False, capture_output=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            made.process.wait(timeout=PATIENCE)


def test_the_demonstration_runs_in_the_image_with_a_tmpfs_for_its_keys(container):
    container.mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "mode=1777")
    container.started("demo", "--once")
    assert container.process.wait(timeout=PATIENCE) == 0, container.output()
    assert "<GetStatusResponse" in container.output()


def test_the_user_of_the_image_can_write_nowhere_without_a_tmpfs(container):
    container.started("demo", "--once")
    assert container.process.wait(timeout=PATIENCE) != 0
    assert "Read-only file system" in container.output()


def test_the_image_without_words_serves_what_the_environment_says_and_ends_on_sigterm(container, archive, tmp_path):
    """Nothing is mounted but a key. The health check is the image's own, run as an engine does."""
    secret = tmp_path / "key.json"
    secret.write_text(json.dumps({"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
                                  "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}))
    secret.chmod(0o400)
    shutil.chown(secret, 65532, 65532)
    container.mount("/run/secrets/key.json", "bind", secret, "bind", "ro")
    container.started(COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL="true",
                      COUNTERSIGN__ROUTE__IMPORTEXPORT__ENDPOINT="https://importexport.amazonaws.com",
                      COUNTERSIGN__ADMIN__ADDRESS="127.0.0.1:8022",
                      COUNTERSIGN__KEY__MAIN__KIND="file", COUNTERSIGN__KEY__MAIN__FILE="/run/secrets/key.json")
    deadline = time.monotonic() + PATIENCE
    while (ready := container.executed("/usr/bin/countersign", "health")).returncode != 0:
        assert container.process.poll() is None and time.monotonic() < deadline, f"{ready}\n{container.output()}"
        time.sleep(0.1)
    kind, *check = archive.config()["config"]["Healthcheck"]["Test"]
    alive = container.executed(*check)
    assert (kind, alive.returncode, alive.stdout) == ("CMD", 0, "alive: http://127.0.0.1:8022\n"), alive
    assert container.end() == 0, container.output()
