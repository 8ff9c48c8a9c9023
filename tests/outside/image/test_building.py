"""packaging/image with programs of a few bytes: two processors, and what it refuses."""

import hashlib
import json
import os
import subprocess
import tomllib

import pytest
from image_archive import PROCESSORS, TOP, Archive, run
from project_env import PROJECT
from tiny_programs import tiny

VERSION = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
OWN = os.uname().machine
(OTHER,) = set(PROCESSORS) - {OWN}
# that of no commit and of no file of this machine
EPOCH = 1764547200


def program(place, processor, version=VERSION, commit="0123abc", features=()):
    """A program that says of itself what countersign does."""
    said = {"schema": 1, "version": version, "commit": commit, "features": list(features)}
    path = place / f"{processor}-{len(list(place.iterdir()))}"
    return tiny(path, processor, json.dumps(said, indent=2) + "\n")


def image(out, variant, *words):
    command = [TOP / "packaging/image", out, variant, *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)})


def test_the_programs_of_the_tests_run(tmp_path):
    assert json.loads(run([program(tmp_path, OWN)]))["version"] == VERSION
    assert json.loads(run([f"qemu-{OTHER}-static", program(tmp_path, OTHER)]))["version"] == VERSION


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The archive of a program for each processor."""
    place = tmp_path_factory.mktemp("two")
    words = [f"{processor}={program(place, processor)}" for processor in ("aarch64", "x86_64")]
    done = image(place / "out", "plain", *words)
    assert done.returncode == 0, done
    (path,) = (place / "out").iterdir()
    return Archive(path)


def test_two_programs_make_an_index_of_two_platforms(two):
    assert two.path.name == f"countersign-{VERSION}.oci.tar"
    index = two.manifest()
    assert index["mediaType"] == two.top["mediaType"] == "application/vnd.oci.image.index.v1+json"
    # in this order, whatever that of the command line was
    platforms = [(part["platform"]["os"], part["platform"]["architecture"]) for part in index["manifests"]]
    assert platforms == [("linux", "amd64"), ("linux", "arm64")]
    assert index["annotations"]["org.opencontainers.image.created"] == "2025-12-01T00:00:00Z"
    assert {member.mtime for member in two.members} == {EPOCH}
    assert index["annotations"]["org.opencontainers.image.revision"] == "0123abc"
    assert json.loads(run(["skopeo", "inspect", "--raw", f"oci-archive:{two.path}"])) == index
    for (_, architecture), descriptor in zip(platforms, index["manifests"], strict=True):
        manifest = json.loads(two.blob(descriptor))
        assert json.loads(two.blob(manifest["config"]))["architecture"] == architecture
        seen = json.loads(run(["skopeo", "--override-arch", architecture, "inspect", f"oci-archive:{two.path}"]))
        assert seen["Architecture"] == architecture
        assert seen["Layers"] == [layer["digest"] for layer in manifest["layers"]]
    # an engine that knows no index has a tag for each
    tags = [row["RepoTags"] for row in json.loads(two.files["manifest.json"])]
    assert tags == [[f"{PROJECT['IMAGE_REPOSITORY']}:{VERSION}-{architecture}"] for _, architecture in platforms]


def test_a_copy_of_the_whole_index_keeps_its_digest(two, tmp_path):
    """As `skopeo copy --all` to a registry does: what was signed is what is pulled."""
    run(["skopeo", "copy", "--quiet", "--all", "--preserve-digests", f"oci-archive:{two.path}", f"dir:{tmp_path}/copy"])
    manifest = (tmp_path / "copy/manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == two.top["digest"]


@pytest.mark.parametrize("said, variant, message", [
    ({"version": "0.0.1"}, "plain", f"is version 0.0.1, and Cargo.toml says {VERSION}"),
    ({"features": ["aws", "pkcs11"]}, "plain", "is of the variant aws, not plain: its features are aws,pkcs11"),
    ({"features": ["pkcs11"]}, "aws", "is of the variant plain, not aws"),
])
def test_a_program_that_is_not_what_the_tag_would_say_makes_no_image(tmp_path, said, variant, message):
    done = image(tmp_path / "out", variant, f"{OWN}={program(tmp_path, OWN, **said)}")
    assert done.returncode == 65 and message in done.stderr, done
    assert not (tmp_path / "out").exists()


def test_programs_of_two_commits_make_no_image(tmp_path):
    words = [f"{OWN}={program(tmp_path, OWN)}", f"{OTHER}={program(tmp_path, OTHER, commit='fedc987')}"]
    done = image(tmp_path / "out", "plain", *words)
    assert done.returncode == 65 and "of two commits" in done.stderr, done


def test_a_program_of_another_processor_makes_no_image(tmp_path):
    done = image(tmp_path / "out", "plain", f"{OWN}={program(tmp_path, OTHER)}")
    assert done.returncode == 65 and f"is for {OTHER}, not for {OWN}" in done.stderr, done


@pytest.mark.parametrize("words", [
    [], ["plain"], ["other", "x86_64=/bin/true"], ["plain", "riscv64=/bin/true"], ["plain", "x86_64"],
    ["plain", "x86_64=a", "x86_64=b"], ["plain", "x86_64=a", "aarch64=b", "x86_64=c"],
])
def test_a_wrong_command_line_is_told_the_usage(tmp_path, words):
    done = image(tmp_path / "out", *words) if words else image(tmp_path / "out", "")
    assert (done.returncode, done.stderr) == (64, "usage: packaging/image OUT VARIANT ARCH=BINARY [ARCH=BINARY]\n")


def test_a_missing_program_is_named(tmp_path):
    done = image(tmp_path / "out", "plain", f"{OWN}={tmp_path}/absent")
    assert done.returncode == 66 and "absent is missing" in done.stderr
