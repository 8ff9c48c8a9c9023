"""packaging/reproducibly: what a compiler is told, with a substitute for cargo and with a real compiler."""

import os
import pathlib
import shutil
import subprocess

import pytest
from project_env import TOP

SHOW = 'tr "\\037" "\\n" <<<"$CARGO_ENCODED_RUSTFLAGS"; echo "$CFLAGS"; echo "$RUSTC_WORKSPACE_WRAPPER"; pwd'


@pytest.fixture
def checkout(tmp_path):
    """The script in a checkout whose path has a space, with cargo-auditable in its place."""
    top = tmp_path / "a checkout"
    (top / "packaging").mkdir(parents=True)
    for name in ("reproducibly", "facts.sh", "project.env"):
        shutil.copy(TOP / "packaging" / name, top / "packaging")
    for name in ("Cargo.toml", "CHANGELOG.md"):
        shutil.copy(TOP / name, top)
    return top


def equip(top):
    tool = top / "target/tools/bin/cargo-auditable"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)


def run(top, *words, cwd=None, **variables):
    kept = {name: value for name, value in os.environ.items()
            if name not in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CFLAGS", "CARGO_TARGET_DIR", "CARGO_HOME")}
    kept |= {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1", **variables}
    return subprocess.run([top / "packaging/reproducibly", *words], env=kept, cwd=cwd or top, capture_output=True,
                          text=True, timeout=60, check=False)


def test_compilers_are_told_to_leave_out_the_paths_of_this_machine(checkout, tmp_path):
    equip(checkout)
    done = run(checkout, "bash", "-c", SHOW, cwd=tmp_path, RUSTFLAGS="-g", CFLAGS="-O1")
    lines = done.stdout.splitlines()
    assert lines[0] == "-g"
    assert f"--remap-path-prefix={checkout}=/build" in lines
    assert f"--remap-path-prefix={pathlib.Path.home()}/.cargo=/cargo" in lines
    cflags = next(line for line in lines if line.startswith("-O1 "))
    assert str(checkout).replace(" ", "\\ ") + "=/build" in cflags
    # the bare name: cargo mixes it into the names of functions
    assert lines[-2] == "cargo-auditable"
    assert lines[-1] == str(tmp_path), "the command runs where the caller is"


def test_flags_with_spaces_reach_the_compiler_whole(checkout):
    equip(checkout)
    done = run(checkout, "bash", "-c", SHOW, CARGO_ENCODED_RUSTFLAGS="--cfg\x1fname=\"a b\"")
    assert done.stdout.splitlines()[:2] == ["--cfg", 'name="a b"']


def test_without_cargo_auditable_it_says_how_to_get_it(checkout, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rustc").symlink_to(shutil.which("rustc"))
    for name in ("bash", "sed", "realpath", "dirname", "git", "id"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    done = run(checkout, "true", PATH=str(tmp_path / "bin"))
    assert (done.returncode, "cargo install --locked --root" in done.stderr) == (69, True), done


def test_the_exit_code_is_that_of_the_command(checkout):
    equip(checkout)
    assert run(checkout, "bash", "-c", "exit 7").returncode == 7
    assert run(checkout).returncode == 64


def test_two_checkouts_make_the_same_object_from_rust_and_from_c(checkout, tmp_path):
    """With the compilers themselves: one source each, whose paths would be in the object."""
    other = tmp_path / "elsewhere/b"
    shutil.copytree(checkout, other)
    made = []
    for top in (checkout, other):
        equip(top)
        (top / "lib.rs").write_text("pub fn f(x: &[u8]) -> u8 { x[3] }\n")
        (top / "f.c").write_text("const char *f(void) { return __FILE__; }\n")
        script = ('IFS=$\'\\037\' read -ra flags <<<"$CARGO_ENCODED_RUSTFLAGS"; '
                  'rustc --crate-type lib --emit obj -g "${flags[@]}" -o r.o "$PWD/lib.rs"; '
                  'eval "cc -g -c $CFLAGS -o c.o \\"$PWD/f.c\\""; cat r.o c.o | sha256sum; '
                  'strings -a r.o c.o | grep -c "$PWD" || true')
        done = run(top, "bash", "-euc", script)
        assert done.returncode == 0, done
        made.append(done.stdout)
    assert made[0] == made[1]
    assert made[0].splitlines()[1] == "0"
