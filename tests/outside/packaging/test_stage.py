"""packaging/stage and packaging/licences: the tree of what is installed, and the licences of what is in the program."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from project_env import PROJECT, TOP

PROCESSOR = os.uname().machine
# a crate without a licence text in its package, whose licence is in packaging/licence-texts
WITHOUT_TEXT = "cookie-factory"
CRATE = re.compile(r"^(\S+) (\S+)\n    licence: (.+)\n    sources: (\S+)\n    texts: ([0-9, ]+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def program():
    path = os.environ.get("COUNTERSIGN_BIN")
    if not path or not os.access(path, os.X_OK):
        pytest.fail(f"COUNTERSIGN_BIN ({path}) is not the countersign program; tests/run builds it and sets this")
    return pathlib.Path(path).resolve()


def stage(*words, **variables):
    return subprocess.run([TOP / "packaging/stage", *words], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **variables})


def tree(root):
    """Everything that an archive of a tree depends on."""
    return sorted((str(path.relative_to(root)), path.stat().st_mode, int(path.stat().st_mtime),
                   path.read_bytes() if path.is_file() else None) for path in root.rglob("*"))


@pytest.fixture(scope="module")
def staged(program, tmp_path_factory):
    root = tmp_path_factory.mktemp("stage") / "tree"
    done = stage(program, PROCESSOR, root, SOURCE_DATE_EPOCH="1000000000")
    assert done.returncode == 0, done
    return root


@pytest.fixture(scope="module")
def document(staged):
    return gzip.decompress((staged / "usr/share/doc/countersign/licences.txt.gz").read_bytes()).decode()


def test_the_same_program_makes_the_same_tree_whatever_the_user_has_set(program, staged, tmp_path):
    """umask, language and time zone are those of whoever builds."""
    command = 'umask 077; cd "$2" && exec "$1" "$3" "$4" tree'
    done = subprocess.run(["bash", "-c", command, "bash", TOP / "packaging/stage", tmp_path, program, PROCESSOR],
                          env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000", "LC_ALL": "C.UTF-8",
                               "TZ": "Asia/Tokyo", "COUNTERSIGN_CONFIG": "/nowhere"}, check=False)
    assert done.returncode == 0
    assert tree(tmp_path / "tree") == tree(staged)
    assert {time for _, _, time, _ in tree(staged)} == {1000000000}


def test_the_completions_are_those_of_the_program(program, staged):
    for shell, name in [("bash", "bash-completion/completions/countersign"), ("zsh", "zsh/site-functions/_countersign"),
                        ("fish", "fish/vendor_completions.d/countersign.fish")]:
        said = subprocess.run([program, "completions", shell], capture_output=True, check=True).stdout
        assert (staged / "usr/share" / name).read_bytes() == said


def test_a_program_for_another_processor_than_the_one_named_is_refused(program, tmp_path):
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[PROCESSOR]
    done = stage(program, other, tmp_path / "tree")
    assert (done.returncode, f"is for {PROCESSOR}, not for {other}" in done.stderr) == (65, True), done
    assert not (tmp_path / "tree").exists()


def test_a_tree_that_exists_is_left_alone(program, tmp_path):
    (tmp_path / "mine").write_text("")
    assert stage(program, PROCESSOR, tmp_path).returncode == 73
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_every_crate_in_the_program_has_its_licence_and_its_text(document):
    """cargo knows the crates; macros and tests are not in the program."""
    crates = {(match[1], match[2]): match for match in CRATE.finditer(document)}
    command = ["cargo", "tree", "--locked", "--offline", "--edges", "normal,no-proc-macro", "--target",
               f"{PROCESSOR}-unknown-linux-gnu", "--prefix", "none", "--format", "{p}"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    ours = {"countersign", "secret-memory"}
    wanted = {tuple(line.split()[:2]) for line in listed.splitlines() if line and line.split()[0] not in ours}
    assert {(name, "v" + version) for name, version in crates} == wanted
    assert not {"proptest", "criterion", "serde_derive", "cc"} & {name for name, _ in crates}
    headings = {int(number) for number in re.findall(r"^Text ([0-9]+), of:$", document, re.MULTILINE)}
    used = {int(number) for match in crates.values() for number in match[5].split(",")}
    assert used <= headings == set(range(1, len(headings) + 1))


def test_the_texts_are_those_of_the_packages(document):
    folded = " ".join(document.split())
    for words in ("Copyright (c) Tokio Contributors", "THE SOFTWARE IS PROVIDED", "the Rust standard library",
                  "Copyright (c) Geoffroy Couprie, Pierre Chifflier", "UNICODE LICENSE V3",
                  "The Rust Project Developers"):
        assert words in folded, words
    assert not re.search(r"/root/|/home/|\.cargo/registry", document)


def test_a_crate_without_a_licence_text_ends_the_release(tmp_path):
    """The same sources with a crate whose licence nobody has the text of."""
    fake = tmp_path / "cargo"
    fake.write_text(f"""#!{sys.executable}
import json, subprocess, sys
said = subprocess.run([{shutil.which("cargo")!r}, *sys.argv[1:]], stdout=subprocess.PIPE, text=True, check=True).stdout
if sys.argv[1] == "metadata":
    told = json.loads(said)
    for package in told["packages"]:
        if package["name"] == {WITHOUT_TEXT!r}:
            package["license"] = "Beerware"
    said = json.dumps(told)
print(said)
""")
    fake.chmod(0o755)
    command = [TOP / "packaging/licences", PROCESSOR, "plain", tmp_path / "papers"]
    done = subprocess.run(command, env={**os.environ, "CARGO": str(fake)}, capture_output=True, text=True, check=False)
    assert done.returncode == 69, done
    assert re.search(rf"{WITHOUT_TEXT} \S+ has no licence text, and none of its licences \(Beerware\)", done.stderr)
    assert not (tmp_path / "papers").exists()


def test_the_copyright_file_is_one_that_debian_can_read(staged):
    from debian.copyright import Copyright

    with (staged / "usr/share/doc/countersign/copyright").open() as file:
        read = Copyright(file, strict=True)
    assert read.header.upstream_name == PROJECT["NAME"]
    assert read.header.source == PROJECT["REPOSITORY_URL"]
    assert read.find_files_paragraph("src/main.rs").license.synopsis == "Apache-2.0"
    paragraphs = list(read.all_files_paragraphs())
    assert len(paragraphs) > 200
    known = {paragraph.license.synopsis for paragraph in read.all_license_paragraphs()}
    for paragraph in paragraphs:
        assert paragraph.copyright.strip()
        assert set(re.split(r" or | and ", paragraph.license.synopsis)) <= known, paragraph.license.synopsis
