"""packaging/publish, with a registry that others wrote (Debian's docker-registry) and images that skopeo made."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest
from registry import Registry
from release_tree import ReleaseTree

CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def release(tmp_path, registry):
    """A tree and its dist/: two images and two charts, whose contents do not matter here."""
    tree = ReleaseTree(tmp_path / "tree", registry=registry.address)
    dist = tmp_path / "the dist"
    dist.mkdir()
    for name, text in (("countersign-1.2.3.oci.tar", "plain"), ("countersign-1.2.3-aws.oci.tar", "aws")):
        make_image(tmp_path / text, dist / name, text)
    (dist / "countersign-1.2.3.tgz").write_text("a chart")
    (dist / "countersign-sidecar-1.2.3.tgz").write_text("a library")
    (dist / "BUILD.txt").write_text(f"countersign 1.2.3\ncommit: {tree.commit()}\n")
    write_sums(dist)
    return tree, dist


def make_image(work, archive, text, *layers):
    """An OCI archive of an image with these layers; `text` makes it another than the others."""
    blobs = work / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(document):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    no_layers = {"type": "layers", "diff_ids": []}
    config = blob({"architecture": "amd64", "os": "linux", "author": text, "rootfs": no_layers})
    of_image = "application/vnd.oci.image."
    manifest = blob({
        "schemaVersion": 2,
        "mediaType": of_image + "manifest.v1+json",
        "config": {"mediaType": of_image + "config.v1+json", **config},
        "layers": [{"mediaType": CHART, **blob(layer)} for layer in layers],
    })
    index = {"schemaVersion": 2, "manifests": [{"mediaType": of_image + "manifest.v1+json", **manifest}]}
    (work / "index.json").write_text(json.dumps(index))
    (work / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    subprocess.run(["tar", "-C", work, "-cf", archive, "."], check=True)


def write_sums(dist):
    files = sorted(path.name for path in dist.iterdir() if path.name != "SHA256SUMS")
    sums = subprocess.run(["sha256sum", *files], cwd=dist, capture_output=True, text=True, check=True).stdout
    (dist / "SHA256SUMS").write_text(sums)


def publish(release, registry, tmp_path, path=None):
    tree, dist = release
    stub = tmp_path / "bin"
    stub.mkdir(exist_ok=True)
    (stub / "helm").write_text('#!/bin/sh\necho "$@" >>"$HELM_CALLS"\n')
    (stub / "helm").chmod(0o755)
    environment = {
        "PATH": path or f"{stub}:{os.environ['PATH']}",
        "HOME": str(registry.home),
        "HELM_CALLS": str(tmp_path / "helm-calls"),
    }
    return tree.run("publish", dist, env=environment)


def test_both_images_and_both_charts_are_pushed_and_the_digests_are_those_of_the_registry(release, registry, tmp_path):
    done = publish(release, registry, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.rpartition("@")[0] for line in lines] == [
        f"{registry.address}/countersign:1.2.3", f"{registry.address}/countersign:1.2.3-aws"
    ]
    for line, tag in zip(lines, ("1.2.3", "1.2.3-aws"), strict=True):
        assert registry.digest("countersign", tag) == line.rpartition("@")[2]
    assert (tmp_path / "helm-calls").read_text() == (
        f"push {release[1]}/countersign-1.2.3.tgz oci://{registry.address}/charts\n"
        f"push {release[1]}/countersign-sidecar-1.2.3.tgz oci://{registry.address}/charts\n"
    )


def test_it_can_be_run_again_after_it_was_interrupted(release, registry, tmp_path):
    first = publish(release, registry, tmp_path)
    again = publish(release, registry, tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout


def test_a_version_that_the_registry_has_with_other_bytes_is_never_replaced(release, registry, tmp_path):
    assert publish(release, registry, tmp_path).returncode == 0
    before = registry.digest("countersign", "1.2.3-aws")
    make_image(tmp_path / "other", release[1] / "countersign-1.2.3-aws.oci.tar", "other")
    write_sums(release[1])
    done = publish(release, registry, tmp_path)
    assert (done.returncode, done.stdout) == (73, "")
    assert "countersign:1.2.3-aws is sha256:" in done.stderr
    assert "raise the version" in done.stderr
    assert registry.digest("countersign", "1.2.3-aws") == before


@pytest.mark.parametrize("published", [b"a chart", b"another chart"])
def test_a_chart_that_the_registry_has_is_never_replaced(release, registry, tmp_path, published):
    make_image(tmp_path / "chart", tmp_path / "chart.tar", "chart", published)
    target = f"docker://{registry.address}/charts/countersign:1.2.3"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci-archive:{tmp_path}/chart.tar", target],
        env={**os.environ, "HOME": str(registry.home)}, check=True, timeout=60,
    )
    done = publish(release, registry, tmp_path)
    assert done.returncode == (0 if published == b"a chart" else 73), done.stderr
    if done.returncode == 0:
        # the other one is pushed
        [call] = (tmp_path / "helm-calls").read_text().splitlines()
        assert "countersign-sidecar-1.2.3.tgz" in call
    else:
        assert not (tmp_path / "helm-calls").exists()
        assert "raise the version" in done.stderr
        assert registry.repositories() == ["charts/countersign"]


@pytest.mark.parametrize("damage", ["changed", "missing", "unlisted"])
def test_nothing_is_pushed_when_a_file_is_not_the_one_that_was_built(release, registry, tmp_path, damage):
    dist = release[1]
    chart = dist / "countersign-1.2.3.tgz"
    if damage == "changed":
        chart.write_text("another chart")
    else:
        chart.unlink()
    if damage == "unlisted":
        write_sums(dist)
    done = publish(release, registry, tmp_path)
    assert (done.returncode, done.stdout) == (65, ""), done.stderr
    assert registry.repositories() == []


@pytest.mark.parametrize("commit", ["{head}-dirty", "0123456789012345678901234567890123456789", "unknown"])
def test_what_was_built_of_other_sources_than_this_commit_is_not_pushed(release, registry, tmp_path, commit):
    """Of files that were changed and not committed, for example: nobody could build it again, or read it."""
    build = release[1] / "BUILD.txt"
    head = build.read_text().split()[-1]
    build.write_text(f"countersign 1.2.3\ncommit: {commit.format(head=head)}\n")
    write_sums(release[1])
    done = publish(release, registry, tmp_path)
    assert (done.returncode, done.stdout) == (65, ""), done.stderr
    assert f"was built of {commit.format(head=head)}, and this is {head}" in done.stderr
    assert registry.repositories() == []


@pytest.mark.parametrize("of", ["countersign:1.2.3-aws", "charts/countersign-sidecar:1.2.3"])
def test_nothing_is_pushed_while_the_registry_does_not_say_what_it_has(release, registry, tmp_path, of):
    """A failure is not the absence of the tag: pushing would give a published version to other bytes."""
    (tmp_path / "bin").mkdir()
    skopeo = tmp_path / "bin/skopeo"
    skopeo.write_text(f'''#!/bin/sh
case "$*" in "inspect --raw docker://"*/{of}) echo "toomanyrequests: slow down" >&2; exit 1 ;; esac
exec {shutil.which("skopeo")} "$@"
''')
    skopeo.chmod(0o755)
    done = publish(release, registry, tmp_path)
    assert (done.returncode, done.stdout) == (69, ""), done.stderr
    assert of in done.stderr and "toomanyrequests: slow down" in done.stderr
    assert registry.repositories() == []
    assert not (tmp_path / "helm-calls").exists()


def test_a_tree_with_the_hosts_of_examples_publishes_nothing(release, registry, tmp_path):
    release[0].replace("packaging/project.env", registry.address, "registry.reserved.example")
    done = publish(release, registry, tmp_path)
    assert (done.returncode, done.stdout) == (78, "")


def test_without_helm_it_says_so_before_anything_is_pushed(release, registry, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    for tool in ("skopeo", "env", "bash", "sed", "grep", "sha256sum", "date", "realpath", "dirname", "cut", "git"):
        (only / tool).symlink_to(shutil.which(tool))
    done = publish(release, registry, tmp_path, path=str(only))
    assert (done.returncode, done.stdout) == (69, "")
    assert "helm is needed" in done.stderr
    assert registry.repositories() == []


def test_a_wrong_command_line_shows_the_usage(tmp_path):
    tree = ReleaseTree(tmp_path)
    for arguments in ((), ("dist", "more"), ("--help",)):
        done = tree.run("publish", *arguments)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr.startswith("usage: packaging/publish")
