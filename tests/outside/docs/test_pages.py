"""Pages have the form that readers rely on: one question at the top, decisions in three parts, a short README."""

import re

import documents
import pytest

DECISIONS = sorted((documents.MANUAL / "development/decisions").glob("[0-9]*.md"))
PAGES = sorted(set(documents.MANUAL.rglob("*.md")) - set(DECISIONS) - {documents.MANUAL / "SUMMARY.md"})


def name(file):
    return str(file.relative_to(documents.TOP))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_says_at_the_top_which_question_it_answers(page):
    text = re.sub(r"<!--.*?-->\n+", "", page.read_text())
    assert re.match(r"# .+\n\nThis page answers: \*\*[^*]+\?\*\*", text), text[:200]


@pytest.mark.parametrize("decision", DECISIONS, ids=name)
def test_a_decision_has_a_number_and_three_parts(decision):
    text = decision.read_text()
    assert text.startswith(f"# {decision.name[:3]}: ")
    assert re.findall(r"(?m)^## (.*)$", text) == ["Context", "Decision", "Consequences"]


def test_decisions_are_numbered_without_a_gap_and_listed():
    assert [int(decision.name[:3]) for decision in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = documents.links(documents.MANUAL / "development/decisions/index.md")
    assert listed == [decision.name for decision in DECISIONS]


def test_the_readme_is_short():
    assert len((documents.TOP / "README.md").read_text().splitlines()) <= 150
