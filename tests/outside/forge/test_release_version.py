"""packaging/release-version, which decides whether a tag may become a release."""

import re
import subprocess

import pytest
from release_tree import TOP, ReleaseTree


@pytest.fixture
def tree(tmp_path):
    return ReleaseTree(tmp_path / "a tree")


def test_a_tag_of_the_version_passes_and_the_version_is_printed(tree):
    done = tree.run("release-version", "v1.2.3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.2.3\n", "")


def test_without_a_tag_the_version_is_printed_also_where_the_hosts_are_examples(tree):
    tree.replace("packaging/project.env", "registry.invalid", "registry.reserved.example")
    done = tree.run("release-version")
    assert (done.returncode, done.stdout) == (0, "1.2.3\n"), done.stderr


@pytest.mark.parametrize(
    "tag", ["1.2.3", "v1.2.4", "v1.2", "v1.2.3-rc1", "vv1.2.3", "v1.2.3 ", "refs/tags/v1.2.3", "v9.9.9"]
)
def test_a_tag_that_is_not_the_version_s_is_refused_with_the_one_that_is(tree, tag):
    done = tree.run("release-version", tag)
    assert (done.returncode, done.stdout) == (65, "")
    assert f"the tag is {tag}: it must be v1.2.3" in done.stderr


@pytest.mark.parametrize("heading", [
    "## [Unreleased]",
    "## [1.2.2] - 2026-02-28",
    "## [1.2.3]",
    "## [1.2.3] - soon",
    "## [1.2.3] - 2026-02-30",
    "## [1.2.3] - 2026-2-8",
    "## 1.2.3 - 2026-02-28",
])
def test_a_changelog_whose_top_entry_is_not_the_version_with_its_date_is_refused(tree, heading):
    tree.replace("CHANGELOG.md", "## [1.2.3] - 2026-02-28", heading)
    done = tree.run("release-version", "v1.2.3")
    assert (done.returncode, done.stdout) == (65, "")
    assert "'## [1.2.3] - YYYY-MM-DD'" in done.stderr


def test_an_entry_of_what_is_not_released_yet_above_the_version_s_is_refused(tree):
    tree.replace("CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## [Unreleased]\n\n- More.\n")
    done = tree.run("release-version", "v1.2.3")
    assert done.returncode == 65
    assert "[Unreleased]" in done.stderr


def test_every_place_that_disagrees_is_named_at_once(tree):
    tree.replace("Cargo.lock", '"countersign"\nversion = "1.2.3"', '"countersign"\nversion = "1.2.2"')
    tree.replace("CHANGELOG.md", "[1.2.3] - ", "[1.2.1] - ")
    done = tree.run("release-version", "v1.2.0")
    assert done.returncode == 65
    for wrong in ("Cargo.toml has version 1.2.3", "Cargo.lock has version 1.2.2", "is [1.2.1]", "the tag is v1.2.0"):
        assert wrong in done.stderr


def test_a_release_with_hosts_that_are_reserved_for_examples_is_refused_at_the_line(tree):
    tree.replace("packaging/project.env", "forge.invalid/countersign", "code.reserved.example/countersign")
    done = tree.run("release-version", "v1.2.3")
    assert (done.returncode, done.stdout) == (78, "")
    assert "packaging/project.env:3:REPOSITORY_URL='https://code.reserved.example/countersign'" in done.stderr


def test_the_notes_are_the_entry_of_the_version_and_nothing_else(tree):
    done = tree.run("release-version", "--notes", "v1.2.3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "News of this version.\n\n### Added\n\n- This."


def test_a_link_in_the_notes_leads_to_the_page_of_that_version(tree):
    tree.replace("CHANGELOG.md", "- This.", "- This ([how](docs/how.md#here), [why](https://forge.invalid/why)).")
    done = tree.run("release-version", "--notes")
    pages = "https://forge.invalid/countersign/blob/v1.2.3"
    assert f"([how]({pages}/docs/how.md#here), [why](https://forge.invalid/why))" in done.stdout


def test_a_wrong_command_line_shows_the_usage(tree):
    for arguments in (("v1.2.3", "v1.2.3"), ("--tag", "v1.2.3"), ("--notes", "--notes")):
        done = tree.run("release-version", *arguments)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr.startswith("usage: packaging/release-version")


def changelog_has_news_that_are_not_released():
    return re.search(r"(?m)^## (.*)$", (TOP / "CHANGELOG.md").read_text())[1] == "[Unreleased]"


def test_this_tree_agrees_with_itself_or_says_that_it_is_between_two_releases():
    done = subprocess.run([TOP / "packaging/release-version"], capture_output=True, text=True, timeout=60)
    if changelog_has_news_that_are_not_released():
        assert done.returncode == 65
        assert done.stderr.count("\n") == 2, "only the changelog may disagree"
    else:
        assert done.returncode == 0, done.stderr
