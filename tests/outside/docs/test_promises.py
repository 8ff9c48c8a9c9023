"""Every test that the documents name exists."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
DOCS = TOP / "docs"


def names_in_the_tree():
    """The names of all test functions and of all files of tests, Rust and Python."""
    names = set()
    for folder in (TOP / "tests", TOP / "src"):
        for path in folder.rglob("*"):
            if path.suffix in {".rs", ".py"}:
                names.add(path.name)
                names |= set(re.findall(r"\b(?:fn|def) ([a-z0-9_]+)", path.read_text()))
    return names


def named(text):
    """What a page names as a test: in backticks, a sentence of at least four words in snake case, or a file of tests.
    """
    return set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,}|test_\w+\.py)`", text))


@pytest.fixture(scope="module")
def tree():
    return names_in_the_tree()


def test_every_promise_names_tests():
    sections = re.split(r"(?m)^## ", (DOCS / "security/promises.md").read_text())[1:]
    assert len(sections) >= 13
    for section in sections:
        assert named(section), section.splitlines()[0]


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_test_that_a_page_names_exists(page, tree):
    # metrics have names of the same shape
    of_metrics = re.compile(r"countersign_|process_\w+_(seconds|bytes|total)$")
    missing = {name for name in named(page.read_text()) if not of_metrics.match(name)} - tree
    assert not missing, f"{page} names tests that are not there"
