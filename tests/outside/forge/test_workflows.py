"""The workflows of the forge: what linters that others wrote say of them, and what they may do.

No forge is at hand: what only it can do (give an identity, sign, publish) is not tested here.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml
from workflows import FOLDER, TOP, WORKFLOWS, jobs

TOOLS = pathlib.Path(sys.executable).parent
ACTIONS = {"actions/attest", "actions/checkout", "actions/download-artifact", "actions/upload-artifact"}

# What each job may do; a job that is not here may read the sources. A reviewer looks at every change of this table.
SIGNS = {"id-token": "write", "attestations": "write"}
MAY = {
    ("release", "images"): {"contents": "read", **SIGNS},
    ("release", "publish"): {"contents": "write", **SIGNS},
}


def lint(*command, cwd=TOP):
    environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def actionlint(*files, cwd=TOP):
    return lint(TOOLS / "actionlint", "-no-color", *files, cwd=cwd)


def zizmor(folder):
    options = ("--offline", "--persona=pedantic", "--collect=all", "--no-progress", "--color=never")
    return lint(TOOLS / "zizmor", *options, folder, cwd=folder)


def test_actionlint_finds_nothing():
    done = actionlint(*sorted(FOLDER.glob("*.yml")))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_zizmor_finds_nothing_also_when_it_is_pedantic():
    done = zizmor(TOP / ".github")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout


@pytest.mark.parametrize(("old", "new", "finding"), [
    # shellcheck reads the commands
    ('packaging/release-version "$GITHUB_REF_NAME"', "packaging/release-version $GITHUB_REF_NAME", "SC2086"),
    ("contents: read", "content: read", "unknown permission scope"),
    ("${{ steps.push.outputs.plain }}", "${{ steps.pull.outputs.plain }}", "pull"),
])
def test_actionlint_would_find_a_mistake(tmp_path, old, new, finding):
    text = (FOLDER / "release.yml").read_text()
    assert old in text
    (tmp_path / ".git").mkdir()
    workflow = tmp_path / ".github/workflows/release.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(old, new))
    (workflow.parent / "ci.yml").write_bytes((FOLDER / "ci.yml").read_bytes())
    done = actionlint(workflow, cwd=tmp_path)
    assert done.returncode == 1
    assert finding in done.stdout


@pytest.mark.parametrize(("old", "new", "finding"), [
    (r"@[0-9a-f]{40} # v[0-9.]+", "@v9", "unpinned-uses"),
    (r'"\$GITHUB_REF_NAME"', '"${{ github.ref_name }}"', "template-injection"),
    (r"@sha256:[0-9a-f]{64}", "", "unpinned-images"),
    ("permissions: {}", "permissions: write-all", "excessive-permissions"),
])
def test_zizmor_would_find_a_hole(tmp_path, old, new, finding):
    text, changes = re.subn(old, new, (FOLDER / "release.yml").read_text())
    assert changes
    workflow = tmp_path / ".github/workflows/release.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text)
    done = zizmor(tmp_path)
    assert done.returncode != 0
    assert finding in done.stdout


def test_every_action_is_one_of_a_few_and_is_pinned_by_its_commit_with_the_version_beside_it():
    for path in FOLDER.glob("*.yml"):
        for used in re.findall(r"(?m)^\s*(?:- )?uses: (.*)$", path.read_text()):
            if used.startswith("$/"):
                assert (TOP / used.removeprefix("$/")).is_file()
                continue
            match = re.fullmatch(r"([\w-]+/[\w-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
            assert match, f"{path.name}: {used}"
            assert match[1] in ACTIONS, f"{path.name}: {used}: is there no command for it?"


def test_no_checkout_leaves_the_token_of_its_job_on_the_disk():
    steps = [step for _, _, job in jobs() for step in job.get("steps", [])]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(checkout["with"]["persist-credentials"] is False for checkout in checkouts)


def test_one_version_of_an_action_is_used_everywhere():
    used = {line for path in FOLDER.glob("*.yml") for line in re.findall(r"uses: (\w.*)", path.read_text())}
    assert len(used) == len(ACTIONS), sorted(used)


def test_containers_are_pinned_by_their_digest():
    images = {job["container"]["image"] for _, _, job in jobs() if "container" in job}
    assert images
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images), images


def test_a_job_may_do_what_it_needs_and_nothing_else():
    for workflow, document in WORKFLOWS.items():
        assert document["permissions"] == {}, workflow
    for workflow, name, job in jobs():
        assert job["permissions"] == MAY.get((workflow, name), {"contents": "read"}), f"{workflow}: {name}"


def test_what_compiles_or_tests_can_write_nothing_and_sees_no_secret():
    # scripts that compile nothing; a reviewer looks at every change of this list too
    harmless = {"packaging/project.env", "packaging/publish", "packaging/release-version"}
    found = 0
    for workflow, name, job in jobs():
        text = yaml.safe_dump(job)
        if "write" in job["permissions"].values() or "secrets." in text:
            found += 1
            assert set(re.findall(r"(?:packaging|tests|\.ci)/[\w./-]+", text)) <= harmless, f"{workflow}: {name}"
            commands = "\n".join(step.get("run", "") for step in job["steps"])
            assert not re.search(r"\b(cargo|rustc|make|cc|gcc)\b", commands), f"{workflow}: {name}"
            assert job["environment"] == "release", f"{workflow}: {name}: a maintainer has to confirm it"
    assert found == len(MAY)
    for workflow, document in WORKFLOWS.items():
        # what stands outside of the jobs is given to each of them
        shared = {key: part for key, part in document.items() if key != "jobs"}
        assert "secrets." not in yaml.safe_dump(shared), workflow


def test_both_images_and_every_file_are_attested_before_the_release_is_made():
    def steps(job):
        return WORKFLOWS["release"]["jobs"][job]["steps"]

    def attested(job):
        return [step["with"] for step in steps(job) if step.get("uses", "").startswith("actions/attest@")]

    pushed = ["${{ steps.push.outputs.plain }}", "${{ steps.push.outputs.aws }}"]
    assert [given["subject-digest"] for given in attested("images")] == pushed
    assert [given["subject-path"] for given in attested("publish")] == ["dist/*"]
    texts = [step.get("uses", step.get("run", "")) for step in steps("publish")]
    [attest] = [at for at, text in enumerate(texts) if text.startswith("actions/attest@")]
    [make] = [at for at, text in enumerate(texts) if "gh release create" in text]
    assert attest < make


def test_no_workflow_runs_with_the_rights_of_the_repository_for_what_a_stranger_sent():
    for workflow, document in WORKFLOWS.items():
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(document["on"]), workflow


def test_every_job_ends_and_every_command_fails_when_a_part_of_it_fails():
    for workflow, document in WORKFLOWS.items():
        assert document["defaults"]["run"]["shell"] == "bash", workflow
    for workflow, name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 120, f"{workflow}: {name}"


def test_every_script_that_a_workflow_runs_is_there_and_can_be_started():
    for path in FOLDER.glob("*.yml"):
        scripts = set(re.findall(r"(?m)(?:^\s*|run: |\()((?:packaging|\.ci|tests)/[\w./-]+)(?=\s|$)", path.read_text()))
        for script in scripts:
            assert (TOP / script).stat().st_mode & 0o111 == 0o111, f"{path.name}: {script}"


def test_continuous_integration_runs_what_a_person_runs():
    commands = [step["run"] for step in WORKFLOWS["ci"]["jobs"]["checks"]["steps"] if "run" in step]
    assert commands[-1] == ".ci/run"
    assert set(WORKFLOWS["ci"]["on"]) == {"push", "pull_request", "workflow_call"}


def test_advisories_are_asked_for_every_week_and_when_a_lock_file_changes():
    [schedule] = WORKFLOWS["audit"]["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])
    text = (FOLDER / "audit.yml").read_text()
    assert 'cargo-deny" --locked check advisories' in text
    for event in ("push", "pull_request"):
        assert "**/Cargo.lock" in WORKFLOWS["audit"]["on"][event]["paths"], event


def needed(name):
    """All jobs that have to succeed before this job of release.yml begins."""
    names = WORKFLOWS["release"]["jobs"][name].get("needs", [])
    names = [names] if isinstance(names, str) else names
    return set(names).union(*(needed(each) for each in names))


def test_nothing_is_built_before_the_tag_was_compared_nor_published_before_all_checks():
    release = WORKFLOWS["release"]
    assert release["on"] == {"push": {"tags": ["v*"]}}
    for name in release["jobs"].keys() - {"version"}:
        assert "version" in needed(name), name
    assert needed("publish") == {"version", "checks", "build", "images"}
    assert needed("images") == {"version", "checks", "build"}
    assert release["jobs"]["checks"]["uses"] == "$/.github/workflows/ci.yml"
