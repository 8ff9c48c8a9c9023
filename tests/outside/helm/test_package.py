"""`packaging/chart`: the packages of both charts, byte for byte the same from the same sources."""

import os
import shutil
import subprocess
import tarfile

import pytest
import yaml
from charts import GATEWAY, HELM, SIDECAR, TOP, helm, program

SCRIPT = TOP / "packaging/chart"


def make(out, script=SCRIPT, **environment):
    words = {"PATH": os.environ["PATH"], "HELM": str(program("helm")), "SOURCE_DATE_EPOCH": "1700000000", **environment}
    return subprocess.run([script, out], capture_output=True, text=True, timeout=120, check=False, env=words)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    out = tmp_path_factory.mktemp("charts")
    done = make(out)
    assert done.returncode == 0, done.stderr
    return {path.name.rpartition("-")[0]: path for path in map(type(out), done.stdout.splitlines())}


def test_the_same_sources_make_the_same_bytes(packages, tmp_path):
    # as in another checkout, whose files have other times and whose user has another mask
    done = make(tmp_path / "a folder", TZ="Asia/Tokyo")
    assert done.returncode == 0, done.stderr
    for path in packages.values():
        assert (tmp_path / "a folder" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("chart", [GATEWAY, SIDECAR], ids=lambda path: path.name)
def test_a_package_has_the_charts_files_and_nothing_else(packages, chart):
    with tarfile.open(packages[chart.name]) as packed:
        members = packed.getmembers()
        contents = {one.name: packed.extractfile(one).read() for one in members}
    expected = {f"{chart.name}/{path.relative_to(chart)}" for path in chart.rglob("*")
                if path.is_file() and path.parent.name != "ci"}
    assert set(contents) == expected
    assert members[0].name == f"{chart.name}/Chart.yaml"
    for one in members:
        assert (one.mtime, one.uid, one.gid, one.mode) == (1700000000, 0, 0, 0o644)
        source = HELM / one.name
        if source.name != "Chart.yaml":  # helm writes it anew, without its comments
            assert contents[one.name] == source.read_bytes()
    assert yaml.safe_load(contents[f"{chart.name}/Chart.yaml"]) == yaml.safe_load((chart / "Chart.yaml").read_text())


def test_what_git_does_not_track_is_in_no_package(tmp_path):
    """Values for a cluster of one's own, with what is secret there, may lie beside the chart."""
    top = tmp_path / "checkout"
    shutil.copytree(HELM, top / "deploy/helm")
    (top / "packaging").mkdir()
    shutil.copy2(SCRIPT, top / "packaging/chart")
    for words in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *words], cwd=top, check=True, timeout=60)
    (top / "deploy/helm/countersign/production-values.yaml").write_text("keys: {}\n")
    done = make(tmp_path / "out", script=top / "packaging/chart")
    assert done.returncode == 0, done.stderr
    with tarfile.open(done.stdout.splitlines()[0]) as packed:
        names = packed.getnames()
    assert "countersign/values.yaml" in names
    assert "countersign/production-values.yaml" not in names


def test_helm_takes_the_package_as_it_takes_the_folder(packages):
    values = ["--values", GATEWAY / "ci/secret-values.yaml"]
    package, folder = (helm("template", "x", chart, *values).stdout for chart in (packages["countersign"], GATEWAY))
    assert package == folder
    assert helm("lint", "--strict", packages["countersign"], *values).returncode == 0


def test_a_chart_takes_the_library_from_its_package(packages, tmp_path):
    (tmp_path / "charts").mkdir()
    for path in (TOP / "tests/outside/helm/consumer").rglob("*.yaml"):
        there = tmp_path / path.relative_to(TOP / "tests/outside/helm/consumer")
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(path.read_bytes())
    library = packages["countersign-sidecar"]
    (tmp_path / "charts" / library.name).write_bytes(library.read_bytes())
    assert "restartPolicy: Always" in helm("template", "x", tmp_path).stdout


def test_without_helm_and_with_wrong_arguments_the_script_says_what_it_needs(tmp_path):
    none = {"HELM": "", "PATH": "/usr/bin:/bin", "CARGO_TARGET_DIR": str(tmp_path)}
    done = make(tmp_path / "out", **none)
    assert done.returncode == 69 and "Helm is needed" in done.stderr
    done = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64 and "usage: packaging/chart OUT" in done.stderr
