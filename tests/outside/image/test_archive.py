"""The archive that packaging/image makes: what is in it, and that it is the same each time."""

import gzip
import io
import json
import os
import pathlib
import re
import sys
import tarfile
import tomllib

import pytest
from image_archive import PROCESSORS, TOP, make, run, variant_of
from private_keys import PRIVATE_KEY
from project_env import PROJECT

MEGABYTE = 1_000_000
PREFIX = "org.opencontainers.image."


@pytest.fixture
def layer(archive):
    """The files of the one layer."""
    (descriptor,) = archive.manifest()["layers"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.blob(descriptor)))) as files:
        yield files


@pytest.fixture
def names(layer):
    return {"/" + member.name.strip("/"): member for member in layer.getmembers()}


def test_the_image_is_the_same_byte_by_byte_when_another_user_builds_it_again(archive, countersign_bin, tmp_path):
    """Neither the umask, the environment, nor the directory it is made in is in it."""
    elsewhere = tmp_path / "a directory"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "out").mkdir()
    environment = {"SOURCE_DATE_EPOCH": str(archive.time()), "TMPDIR": str(elsewhere), "TZ": "Asia/Tokyo",
                   "AWS_SECRET_ACCESS_KEY": "a secret", "COUNTERSIGN__KEY__MAIN__FILE": "/a/setting/of/the/builder"}
    previous = os.umask(0o077)
    try:
        again = make(elsewhere / "out", countersign_bin, **environment)
    finally:
        os.umask(previous)
    assert again.name == archive.path.name
    assert again.read_bytes() == archive.path.read_bytes()


def test_the_archive_is_named_after_version_and_variant(archive, countersign_bin):
    version = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
    tag = version + {"plain": "", "aws": "-aws"}[variant_of(countersign_bin)]
    assert archive.path.name == f"countersign-{tag}.oci.tar"
    # the names under which podman, and containerd and Docker, know what they load from the archive
    name = f"{PROJECT['IMAGE_REPOSITORY']}:{tag}"
    assert archive.top["annotations"] == {PREFIX + "ref.name": name, "io.containerd.image.name": name}
    (row,) = json.loads(archive.files["manifest.json"])
    assert row["RepoTags"] == [name]


def test_labels_and_annotations_say_what_the_project_says(archive, countersign_bin):
    package = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]
    said = json.loads(run([countersign_bin, "--version", "--format", "json"]))
    labels = {name.removeprefix(PREFIX): text for name, text in archive.config()["config"]["Labels"].items()}
    assert package["description"].startswith(labels.pop("description"))
    assert labels == {
        "title": PROJECT["NAME"],
        "licenses": package["license"],
        "version": archive.path.name.removeprefix("countersign-").removesuffix(".oci.tar"),
        "revision": said["commit"],
        "created": archive.config()["created"],
        "source": PROJECT["REPOSITORY_URL"],
        "url": PROJECT["HOMEPAGE_URL"],
        "authors": PROJECT["MAINTAINER"],
    }
    assert archive.manifest()["annotations"] == archive.config()["config"]["Labels"]


def test_skopeo_reads_the_image(archive):
    seen = json.loads(run(["skopeo", "inspect", f"oci-archive:{archive.path}"]))
    assert (seen["Os"], seen["Architecture"]) == ("linux", PROCESSORS[os.uname().machine])
    assert seen["Digest"] == archive.top["digest"]
    assert seen["Layers"] == [layer["digest"] for layer in archive.manifest()["layers"]]
    assert seen["Labels"] == archive.config()["config"]["Labels"]
    assert seen["Created"] == seen["Labels"][PREFIX + "created"]
    # nothing of what made it
    assert not [name for name in seen["Labels"] if "buildah" in name]


def test_the_health_check_is_where_docker_reads_it(archive):
    """OCI's configuration has none. Docker and BuildKit keep it there in a field of their own."""
    check = archive.config()["config"]["Healthcheck"]
    assert check["Test"] == ["CMD", "/usr/bin/countersign", "health", "--live", "--if-configured"]
    assert [check[name] / 1e9 for name in ("Interval", "Timeout", "StartPeriod")] == [30, 10, 60]
    assert archive.manifest()["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_container_structure_test_finds_what_the_image_promises(archive):
    tool = pathlib.Path(sys.executable).parent / "container-structure-test"
    config = pathlib.Path(__file__).with_name("structure.yaml")
    report = run([tool, "test", "--driver", "tar", "--image", archive.path, "--config", config, "--output", "json"])
    report = json.loads(report)
    assert (report["Fail"], report["Pass"]) == (0, report["Total"])
    assert report["Total"] > 10


def test_every_file_in_the_image_is_roots_and_of_the_time_of_the_release(archive, names):
    assert {(member.uid, member.gid) for member in names.values()} == {(0, 0)}
    assert {member.mtime for member in names.values()} == {archive.time()}
    written = {(member.mtime, member.uid, member.gid, member.mode, member.isdir()) for member in archive.members}
    assert written == {(archive.time(), 0, 0, 0o644, False), (archive.time(), 0, 0, 0o755, True)}


def test_the_image_has_nothing_to_write_to_but_tmp_and_nothing_that_gives_rights(names):
    """`demo` keeps its throw-away keys in /tmp, a tmpfs where the root is read-only. `run` writes nowhere."""
    assert [name for name, member in names.items() if member.mode & 0o022] == ["/tmp"]
    assert names["/tmp"].mode & 0o7777 == 0o1777
    assert not [name for name, member in names.items() if member.mode & 0o6000]
    assert all(member.isdir() or member.isreg() for member in names.values()), "a link or a device is in the image"
    assert not [name for name, member in names.items() if "SCHILY.xattr.security.capability" in member.pax_headers]


def test_one_program_is_in_the_image_and_the_rest_are_libraries_and_papers(names):
    executable = {name for name, member in names.items() if member.isreg() and member.mode & 0o111}
    libraries = {name for name in executable if re.search(r"/(ld-linux-[^/]*|lib[^/]*)\.so\.\d+$", name)}
    assert executable - libraries == {"/usr/bin/countersign"}
    others = {name for name, member in names.items() if member.isreg()} - executable
    assert not {name for name in others if not name.startswith(("/usr/share/doc/", "/var/lib/dpkg/status.d/"))} - {
        "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt", "/usr/lib/os-release"}
    papers = "/usr/share/doc/countersign/"
    assert {papers + "LICENSE", papers + "licences.txt.gz", papers + "copyright"} <= others


def test_no_secret_and_nothing_of_the_machine_that_built_it_is_in_the_image(layer, archive):
    """What is in the program is a matter of packaging/release, and what is in the libraries one of the distribution."""
    members = [member for member in layer.getmembers() if member.isreg()]
    files = {member.name: (layer.extractfile(member).read(), member.mode) for member in members}
    documents = {name: (content, 0) for name, content in archive.files.items() if len(content) < 100_000}
    for name, (content, mode) in {**files, **documents}.items():
        assert not PRIVATE_KEY.search(content), name
        if not mode & 0o111:
            assert str(TOP).encode() not in content and b"/tmp/" not in content, name
    host = re.compile(rf"\b{re.escape(os.uname().nodename)}\b".encode())
    assert not [name for name, (content, _) in documents.items() if host.search(content)]


def test_a_scanner_finds_which_c_library_is_in_the_image(archive, layer):
    """Without a record of its package a scanner reports nothing of a library, whatever faults it has."""
    record = layer.extractfile("var/lib/dpkg/status.d/libc6").read().decode()
    own = run(["dpkg", "--print-architecture"]).strip()
    version = run(["dpkg-query", "--show", "--showformat=${Version}", f"libc6:{own}"])
    assert f"\nVersion: {version}\n" in record
    assert layer.extractfile("usr/lib/os-release").read() == pathlib.Path("/usr/lib/os-release").read_bytes()
    syft = pathlib.Path(sys.executable).parent / "syft"
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    found = json.loads(run([syft, "scan", "--quiet", "--output", "syft-json", f"oci-archive:{archive.path}"],
                           env=environment))
    packages = {part["name"]: part for part in found["artifacts"] if part["type"] == "deb"}
    # a program that zig has linked has the unwinder inside
    shared = [name for name in layer.getnames() if name.endswith("/libgcc_s.so.1")]
    assert packages["libc6"]["version"] == version and packages.keys() >= {"libc6", *(["libgcc-s1"] if shared else [])}
    assert f"&distro={found['distro']['id']}" in packages["libc6"]["purl"]


def test_a_pull_of_the_image_is_at_most_14_megabytes(archive):
    manifest = archive.manifest()
    pulled = sum(part["size"] for part in [archive.top, manifest["config"], *manifest["layers"]])
    assert pulled <= 14 * MEGABYTE
    # and unpacked, which nodes keep; most of it is the program
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.blob(manifest["layers"][0])))) as files:
        sizes = {member.name: member.size for member in files.getmembers()}
    assert sum(sizes.values()) - sizes["usr/bin/countersign"] < 4 * MEGABYTE, sizes
