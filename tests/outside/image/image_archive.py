"""Makes the image of a program with packaging/image, and reads what is in its archive."""

import datetime
import json
import os
import pathlib
import subprocess
import tarfile

TOP = pathlib.Path(__file__).resolve().parents[3]
# the Go names of the processors that the image is made for
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}


def run(command, **options):
    """Runs a command that must succeed; its output is part of the failure."""
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def variant_of(program):
    """Which variant of the image a program is for."""
    features = json.loads(run([program, "--version", "--format", "json"]))["features"]
    return "aws" if "aws" in features else "plain"


def make(out, program, **environment):
    """packaging/image; what it wrote."""
    words = [TOP / "packaging/image", out, variant_of(program), f"{os.uname().machine}={program}"]
    run(words, env={**os.environ, **environment})
    (archive,) = out.iterdir()
    return archive


class Archive:
    """An OCI archive, read by Python alone: what is in it, not what a tool makes of it."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as archive:
            self.members = archive.getmembers()
            files = [member for member in self.members if member.isreg()]
            self.files = {member.name: archive.extractfile(member).read() for member in files}

    def blob(self, descriptor):
        return self.files["blobs/" + descriptor["digest"].replace(":", "/")]

    @property
    def top(self):
        """The descriptor of the image, or of the index of two."""
        (descriptor,) = json.loads(self.files["index.json"])["manifests"]
        return descriptor

    def manifest(self, descriptor=None):
        return json.loads(self.blob(descriptor or self.top))

    def config(self):
        return json.loads(self.blob(self.manifest()["config"]))

    def time(self):
        """When the image was made, by its own account, in seconds since 1970."""
        created = self.config()["created"]
        return int(datetime.datetime.fromisoformat(created).timestamp())
