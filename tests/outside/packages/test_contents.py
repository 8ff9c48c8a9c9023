"""What is in the packages, by the tools of both families: fields, dependencies, paths, modes, lint."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from packaging_commands import TOP, run

SYSTEM = pathlib.Path("deploy/systemd")
ELSEWHERE = {"x86_64": (183, "aarch64", "arm64"), "aarch64": (62, "x86_64", "amd64")}
NAMES = ["countersign", "countersign-aws"]


@pytest.fixture(scope="module", params=["deb", "rpm"])
def tree(request, deb, rpm, tmp_path_factory):
    """The files of a package, as they would be installed."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "deb":
        run("dpkg-deb", "--extract", deb("countersign"), directory)
    else:
        with subprocess.Popen(["rpm2cpio", rpm("countersign")], stdout=subprocess.PIPE) as archive:
            run("cpio", "--extract", "--make-directories", "--quiet", cwd=directory, stdin=archive.stdout)
    return directory


def released(dist, suffix):
    """The package of the release that is made of the program under test."""
    found = sorted(dist.glob(f"*.{suffix}"))
    assert found, f"no {suffix} in {dist}"
    return found


def test_a_release_has_a_deb_and_an_rpm(dist, version):
    (deb,), (rpm,) = released(dist, "deb"), released(dist, "rpm")
    assert re.fullmatch(rf"countersign(-aws)?_{re.escape(version)}_(amd64|arm64)\.deb", deb.name)
    assert re.fullmatch(rf"countersign(-aws)?-{re.escape(version)}-1\.(x86_64|aarch64)\.rpm", rpm.name)


@pytest.mark.parametrize("name", NAMES)
def test_lintian_finds_nothing_that_is_not_explained(name, deb):
    done = subprocess.run(["lintian", "--profile", "debian", "--allow-root", "--fail-on", "error,warning",
                           "--tag-display-limit", "0", deb(name)], capture_output=True, text=True, timeout=300,
                          check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    # what is overridden is explained, and still there to be overridden
    assert "unused-override" not in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_rpmlint_finds_nothing_that_is_not_explained(name, rpm):
    said = run("rpmlint", "--config", TOP / "packaging/deb-rpm/rpmlint.toml", rpm(name))
    assert re.search(r"0 errors, 0 warnings", said), said


def test_each_exception_for_a_linter_has_its_reason():
    for name, comment in [("lintian-overrides", "# "), ("rpmlint.toml", "    # ")]:
        lines = (TOP / "packaging/deb-rpm" / name).read_text().splitlines()
        for before, line in zip(lines, lines[1:], strict=False):
            if line.startswith(("@PACKAGE@", "    '")):
                assert before.startswith((comment, "    '")), f"{name}: {line}"


def test_the_digests_of_an_rpm_are_right(rpm):
    assert "digests OK" in run("rpm", "-K", rpm("countersign"))


def test_the_generator_of_rpm_computes_the_same_dependencies(rpm, stage):
    theirs = run("/usr/lib/rpm/elfdeps", "--requires", stage / "usr/bin/countersign").split("\n")
    ours = [line for line in run("rpm", "-qp", "--requires", rpm("countersign")).split("\n") if "(" in line]
    # what rpm itself has to be able to do is added to each package
    assert {line for line in ours if not line.startswith("rpmlib(")} == {line for line in theirs if line}


@pytest.mark.parametrize(("name", "other"), [NAMES, NAMES[::-1]])
def test_one_of_the_two_variants_can_be_installed(name, other, deb, rpm, version):
    field = lambda key: run("dpkg-deb", "--field", deb(name), key).strip()  # noqa: E731
    assert field("Package") == name and field("Conflicts") == other and field("Replaces") == other
    assert run("rpm", "-qp", "--conflicts", rpm(name)).split() == [other]
    if name != "countersign":
        assert field("Provides") == f"countersign (= {version})"
        assert f"countersign = {version}-1" in run("rpm", "-qp", "--provides", rpm(name)).splitlines()


def test_a_package_has_the_program_the_units_pages_completions_samples_and_licences(tree):
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}
    for path in [
        "etc/countersign/countersign.toml", "usr/bin/countersign", "usr/lib/systemd/system/countersign.service",
        "usr/lib/systemd/system/countersign.socket", "usr/lib/tmpfiles.d/countersign.conf",
        "usr/share/man/man1/countersign.1.gz", "usr/share/man/man5/countersign.toml.5.gz",
        "usr/share/bash-completion/completions/countersign", "usr/share/fish/vendor_completions.d/countersign.fish",
        "usr/share/countersign/countersign.schema.json", "usr/share/doc/countersign/copyright",
        "usr/share/doc/countersign/examples/config/gateway.toml",
    ]:
        assert path in found, path
    assert [path for path in found if path.endswith("/_countersign")]
    assert not [path for path in found if "sysusers" in path], "the service has a user of its own only while it runs"


def test_the_licences_in_a_package_are_those_of_the_archive(tree, stage):
    [packed] = tree.rglob("licences.txt.gz")
    # the test of the archive finds the licence of every crate in it
    assert packed.read_bytes() == (stage / "usr/share/doc/countersign/licences.txt.gz").read_bytes()


def test_the_units_of_a_package_are_those_of_the_repository(tree):
    for name in ["countersign.service", "countersign.socket"]:
        assert (tree / "usr/lib/systemd/system" / name).read_text() == (TOP / SYSTEM / name).read_text()


def test_the_schema_that_an_installed_file_names_is_installed(tree):
    """Of the configuration and of every sample, so that an editor completes them."""
    named = 0
    for path in sorted(tree.rglob("*.toml")):
        first = path.read_text().partition("\n")[0]
        if schema := first.removeprefix("#:schema ") if first.startswith("#:schema ") else None:
            place = pathlib.PurePath("/") / path.relative_to(tree).parent / schema
            target = tree / os.path.normpath(place)[1:]
            assert target.is_file(), f"{path}: {schema}"
            assert target.read_text() == (TOP / "config/countersign.schema.json").read_text()
            named += 1
    assert named >= 10


def test_nothing_but_the_configuration_is_closed_and_nothing_is_writable_by_others(tree):
    for path in tree.rglob("*"):
        mode = path.lstat().st_mode & 0o7777
        if path == tree / "etc/countersign":
            assert mode == 0o750
        elif not path.is_symlink():
            assert mode == (0o755 if path.is_dir() or path == tree / "usr/bin/countersign" else 0o644), path


def test_the_configuration_is_one_that_an_upgrade_keeps(deb, rpm, tmp_path):
    run("dpkg-deb", "--control", deb("countersign"), tmp_path / "control")
    kept = ["/etc/countersign/countersign.toml", "/etc/logrotate.d/countersign"]
    assert (tmp_path / "control/conffiles").read_text().splitlines() == kept
    flags = run("rpm", "-qp", "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", rpm("countersign"))
    # c: configuration, n: noreplace
    assert {f"{path} cn" for path in kept} <= set(flags.splitlines())


def test_the_shipped_configuration_needs_nothing_but_a_key(tree, stage, tmp_path):
    configuration = tree / "etc/countersign/countersign.toml"
    assert tomllib.loads(configuration.read_text())["key"]["main"]["credential"] == "countersign-key"
    (tmp_path / "countersign-key").write_text(
        '{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", '
        '"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}')
    (tmp_path / "countersign-key").chmod(0o400)
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    run(stage / "usr/bin/countersign", "check", "--config", configuration, env=environment)


@pytest.mark.parametrize("script", [
    TOP / "packaging/deb-rpm/restart-service", *sorted((TOP / "packaging/deb-rpm").glob("*/*")),
], ids=lambda path: path.parent.name)
def test_shellcheck_finds_nothing_in_the_scripts_of_the_packages(script):
    run(pathlib.Path(sys.executable).parent / "shellcheck", "--shell=dash", script)


def test_the_same_tree_makes_the_same_bytes(stage, made, tmp_path, version):
    """From another copy of the tree, at another time."""
    shutil.copytree(stage, tmp_path / "a copy", symlinks=True)
    for path in (tmp_path / "a copy").rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    environment = {**os.environ, "PACKAGE_COMPRESSION": "gzip", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    run("sh", "-c", 'umask 077; exec "$@"', "sh", TOP / "packaging/packages", tmp_path / "a copy", os.uname().machine,
        "plain", tmp_path / "out", env=environment)
    made_again = sorted((tmp_path / "out").iterdir())
    assert len(made_again) == 2
    for path in made_again:
        assert digest(path) == digest(made / path.name), path.name


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_packages_for_the_other_processor_say_so(stage, tmp_path, version):
    """The program's header is changed: nothing of it runs when packages are made."""
    machine, processor, debian = ELSEWHERE[os.uname().machine]
    shutil.copytree(stage, tmp_path / "tree", symlinks=True)
    program = tmp_path / "tree/usr/bin/countersign"
    content = bytearray(program.read_bytes())
    content[18:20] = machine.to_bytes(2, "little")
    program.write_bytes(content)
    environment = {**os.environ, "PACKAGE_COMPRESSION": "gzip"}
    run(TOP / "packaging/packages", tmp_path / "tree", processor, "plain", tmp_path / "out", env=environment)
    deb = tmp_path / f"out/countersign_{version}_{debian}.deb"
    rpm = tmp_path / f"out/countersign-{version}-1.{processor}.rpm"
    assert run("dpkg-deb", "--field", deb, "Architecture").strip() == debian
    assert run("rpm", "-qp", "--queryformat", "%{ARCH}", rpm) == processor


def test_a_program_of_the_wrong_processor_makes_no_package(stage, tmp_path):
    _, processor, _ = ELSEWHERE[os.uname().machine]
    done = subprocess.run([TOP / "packaging/packages", stage, processor, "plain", tmp_path], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 65 and os.uname().machine in done.stderr and not list(tmp_path.iterdir())
