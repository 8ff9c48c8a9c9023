"""packaging/build-release with substitutes for rustc, cargo and llvm-profdata: a real build takes 20 minutes."""

import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = TOP / "packaging/build-release"

RUSTC = """
case $1 in
    -vV) printf 'host: moon-unknown-none\\nLLVM version: 99.1.2\\n' ;;
    --print) echo "$STAGE/sysroot" ;;
esac
"""
# writes down how it was called, and makes the program that it was asked for
CARGO = """
echo "$*" | tee -a "$STAGE/calls"
tr '\\037' ' ' <<<"${CARGO_ENCODED_RUSTFLAGS:-none}" >>"$STAGE/flags"
echo "${COUNTERSIGN_COMMIT-unset}" >>"$STAGE/commits"
case $* in
    *training*) program=debug/examples/training ;;
    *) program=moon-unknown-none/release/countersign ;;
esac
while [[ $1 != --target-dir ]]; do shift; done
mkdir -p "$2/${program%/*}"
trained='#!/bin/sh\\necho trained with "$@"; touch "${LLVM_PROFILE_FILE:-%s/profile-guided/counts/1.profraw}"'
printf "$trained" "$2" >"$2/$program"
chmod +x "$2/$program"
cat "$STAGE/said" >&2 2>/dev/null || true
"""
PROFDATA = """
case $1 in
    --version) echo "  LLVM version VERSION" ;;
    merge) touch "${2#--output=}" ;;
    show) [[ -e $STAGE/nothing ]] || printf '  _RNvCs1_11countersign4main:\\n%.0s' {1..50} ;;
esac
"""


@pytest.fixture
def stage(tmp_path):
    """A directory whose programs come first in PATH."""
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin/rustc", RUSTC)
    program(tmp_path / "bin/cargo", CARGO)
    # hides the llvm-profdata of this machine
    program(tmp_path / "bin/llvm-profdata", PROFDATA.replace("VERSION", "14.0.6"))
    return tmp_path


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env bash\n" + text)
    path.chmod(0o755)


def build_release(stage, *arguments, script=SCRIPT, **variables):
    environment = {"PATH": f"{stage}/bin:/usr/bin:/bin", "STAGE": str(stage), **variables}
    command = [script, "--target-dir", stage / "target", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def calls(stage):
    path = stage / "calls"
    return path.read_text().splitlines() if path.exists() else []


def flags(stage):
    return (stage / "flags").read_text().splitlines()


def test_without_llvm_profdata_it_says_what_to_install_and_builds_nothing(stage):
    done = build_release(stage)
    assert done.returncode == 69
    assert "llvm-profdata is of LLVM 14, and rustc of LLVM 99" in done.stderr
    assert "rustup component add llvm-tools" in done.stderr
    assert "apt-get install llvm-99" in done.stderr
    assert calls(stage) == []


@pytest.mark.parametrize(
    "place", ["sysroot/lib/rustlib/moon-unknown-none/bin/llvm-profdata", "bin/llvm-profdata-99", "bin/llvm-profdata"]
)
def test_llvm_profdata_of_rustcs_llvm_is_found_wherever_it_is(stage, place):
    program(stage / place, PROFDATA.replace("VERSION", "99.0.0"))
    assert build_release(stage).returncode == 0


@pytest.fixture
def equipped(stage):
    """A stage on which nothing is missing."""
    program(stage / "bin/llvm-profdata-99", PROFDATA.replace("VERSION", "99.0.0"))
    return stage


def test_the_instrumented_program_is_trained_and_the_last_build_uses_its_counts(equipped):
    done = build_release(equipped, "--features", "aws")
    assert done.returncode == 0, done.stderr
    work = equipped / "target/profile-guided"
    assert f"trained with {work}/instrumented" in done.stdout
    assert done.stdout.splitlines()[-2] == f"{work}/countersign"
    assert " bytes, sha256 " in done.stdout.splitlines()[-1]
    training, instrumented, last = calls(equipped)
    assert "--example training" in training
    assert instrumented == last
    assert last.startswith("build --release --locked --bin countersign --target moon-unknown-none ")
    assert "--features aws" in last
    ours, counting, counted = flags(equipped)
    assert ours == "none", "the program that makes the load is not instrumented"
    assert counting == f"-Cprofile-generate={work}/counts -Clinker-plugin-lto=no -Clto=off"
    assert counted.startswith(f"-Cprofile-use={work}/profile ")


@pytest.mark.parametrize(
    "variables",
    [{"RUSTFLAGS": "-Cforce-frame-pointers -g"}, {"CARGO_ENCODED_RUSTFLAGS": "-Cforce-frame-pointers\x1f-g"}],
)
def test_the_users_flags_come_first_in_both_builds(equipped, variables):
    assert build_release(equipped, "--flag", "-Clink-arg=-s", **variables).returncode == 0
    _, counting, counted = flags(equipped)
    assert counting.startswith("-Cforce-frame-pointers -g -Cprofile-generate=")
    assert counted.startswith("-Cforce-frame-pointers -g -Cprofile-use=")
    assert counted.endswith(" -Clink-arg=-s")


def test_the_released_program_runs_on_other_machines(equipped):
    assert build_release(equipped).returncode == 0
    assert "target-cpu" not in " ".join(flags(equipped))


def test_another_way_to_build_is_taken_for_both_programs(equipped):
    assert build_release(equipped, "--build", "auditable build").returncode == 0
    training, *both = calls(equipped)
    assert training.startswith("build ")
    assert [call.split(" --")[0] for call in both] == ["auditable build"] * 2


@pytest.mark.parametrize(
    "said", ["no profile data available for", "function control flow change detected (hash mismatch)"]
)
def test_a_profile_that_does_not_fit_is_not_released(equipped, said):
    (equipped / "said").write_text(f"warning: unit: {said} _ZN11countersign4main17h1aeeE Hash = 7\n" * 26)
    done = build_release(equipped)
    assert done.returncode == 70
    assert "the profile does not fit the sources" in done.stderr
    assert not (equipped / "target/profile-guided/countersign").exists()


def test_a_profile_without_any_function_of_ours_is_not_released(equipped):
    # and nothing is lacking either, as where RUSTFLAGS silence all warnings
    (equipped / "nothing").touch()
    done = build_release(equipped)
    assert done.returncode == 70
    assert not (equipped / "target/profile-guided/countersign").exists()


def test_a_training_program_of_an_earlier_run_is_not_taken_for_the_one_that_was_built(equipped):
    # cargo puts it elsewhere, as where `build.target` is set
    program(equipped / "bin/cargo", CARGO.replace("program=debug/", "program=moon/debug/"))
    program(equipped / "target/debug/examples/training", f"touch {equipped}/target/profile-guided/counts/1.profraw")
    assert build_release(equipped).returncode != 0
    assert not (equipped / "target/profile-guided/countersign").exists()


def test_the_users_shell_moves_neither_counts_nor_programs(equipped):
    top = equipped / "a checkout"
    program(top / "packaging/build-release", SCRIPT.read_text())
    elsewhere = equipped / "elsewhere"
    (elsewhere / "target").mkdir(parents=True)
    (elsewhere / "packaging").mkdir()
    path = f"{equipped}/bin:/usr/bin:/bin"
    environment = {"PATH": path, "STAGE": str(equipped), "CDPATH": str(elsewhere)}
    environment["LLVM_PROFILE_FILE"] = str(elsewhere / "counts.profraw")
    done = subprocess.run(["packaging/build-release"], cwd=top, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2] == f"{top}/target/profile-guided/countersign"
    assert list((elsewhere / "target").iterdir()) == [] and not (elsewhere / "counts.profraw").exists()


def test_a_few_functions_without_counts_are_told_and_do_no_harm(equipped):
    (equipped / "said").write_text("warning: unit: no profile data available for _ZN11countersign4main17h1aeeE\n")
    done = build_release(equipped)
    assert done.returncode == 0
    assert "the profile has 50 functions of ours, and lacks 1\n" in done.stdout


@pytest.mark.parametrize("written", [["--flag", "-Clink-arg=-s"], ["--flag=-Clink-arg=-s"]])
def test_an_option_is_written_with_a_space_or_an_equals_sign(equipped, written):
    assert build_release(equipped, *written).returncode == 0
    assert flags(equipped)[-1].endswith(" -Clink-arg=-s")


def test_an_unknown_option_is_refused_before_anything_is_built(equipped):
    assert build_release(equipped, "--faetures", "aws").returncode == 64
    assert calls(equipped) == []


def test_the_program_is_told_the_commit_of_its_sources_and_whether_they_were_changed(equipped, tmp_path):
    sources = tmp_path / "sources"
    (sources / "packaging").mkdir(parents=True)
    script = sources / "packaging/build-release"
    script.write_bytes(SCRIPT.read_bytes())
    script.chmod(0o755)

    def told(**variables):
        (equipped / "commits").unlink(missing_ok=True)
        done = build_release(equipped, script=script, **variables)
        assert done.returncode == 0, done.stderr
        (commit,) = set((equipped / "commits").read_text().splitlines())
        return commit

    def git(*arguments):
        configured = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *configured, *arguments], cwd=sources, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    assert told() == "", "sources without a repository"
    assert told(COUNTERSIGN_COMMIT="abc") == "abc"
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Begin")
    commit = git("rev-parse", "HEAD")
    assert told() == commit and len(commit) == 40
    script.write_text(script.read_text() + "# changed\n")
    assert told() == f"{commit}-dirty"
    # sources inside somebody else's repository are not that repository's commit
    inner = sources / "inner/packaging"
    inner.mkdir(parents=True)
    script = inner / "build-release"
    script.write_bytes(SCRIPT.read_bytes())
    script.chmod(0o755)
    assert told() == ""


def test_a_profile_that_is_given_is_used_and_nothing_is_trained(equipped, tmp_path):
    kept = tmp_path / "kept.profile"
    kept.write_text("counts of an earlier release")
    done = build_release(equipped, "--profile", kept)
    assert done.returncode == 0, done.stderr
    (last,) = calls(equipped)
    assert "training" not in done.stdout and "instrumented" not in done.stdout
    (counted,) = flags(equipped)
    assert counted.startswith(f"-Cprofile-use={equipped}/target/profile-guided/profile ")
    assert (equipped / "target/profile-guided/profile").read_text() == kept.read_text()


def test_a_load_that_is_built_already_is_not_built_again(equipped, tmp_path):
    program(tmp_path / "load", f"touch {equipped}/target/profile-guided/counts/1.profraw; echo loaded $1")
    done = build_release(equipped, "--training", tmp_path / "load")
    assert done.returncode == 0, done.stderr
    assert f"loaded {equipped}/target/profile-guided/instrumented" in done.stdout
    assert len(calls(equipped)) == 2


def test_zig_links_the_released_program_and_the_systems_linker_the_instrumented_one(equipped):
    """zig does not know the option by which rustc asks for the code that writes the counts. The command is the same,
    because cargo mixes what cargo-zigbuild sets into the names of functions, by which counts are found."""
    done = build_release(equipped, "--build", "auditable zigbuild", "--target", "moon-unknown-none.2.28")
    assert done.returncode == 0, done.stderr
    _, instrumented, last = calls(equipped)
    assert instrumented == last
    assert last.startswith("auditable zigbuild ") and " --target moon-unknown-none.2.28 --" in last
    _, counting, counted = flags(equipped)
    assert counting.endswith(" -Clinker=cc") and "-Clinker" not in counted


def test_where_the_system_links_both_programs_no_linker_is_chosen(equipped):
    assert build_release(equipped).returncode == 0
    assert "-Clinker=" not in " ".join(flags(equipped))
