"""Runbooks have their parts, and what they quote is what the program says."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
from queries import TOP

RUNBOOKS = sorted(page for page in (TOP / "docs/operations/runbooks").glob("*.md") if page.name != "index.md")
PARTS = ["What it means", "What clients see", "Confirm it in a minute", "What to do", "What not to do"]
REFERENCE = TOP / "docs/reference"
SHORTEST = 20  # characters; a shorter quotation is a name, or a number


def name(page):
    return page.stem


def text_of(page):
    """The text with each paragraph on one line, so that a quotation is whole."""
    return re.sub(r"(?<=\S)\n +(?=\S)|(?<=[^\n|>`])\n(?=[^\n|\-#`\d])", " ", page.read_text())


def sources():
    """The texts of the program, with the pieces of each literal joined."""
    files = pathlib.Path(TOP / "src").rglob("*.rs")
    return "\n".join(re.sub(r"\\\n\s*", "", file.read_text()).replace('\\"', '"') for file in files)


@pytest.fixture(scope="module")
def program():
    return sources()


@pytest.mark.parametrize("page", RUNBOOKS, ids=name)
def test_a_runbook_has_its_parts_and_quotes_what_the_program_really_says(page, program):
    text = text_of(page)
    assert re.findall(r"(?m)^## (.*)$", text) == PARTS
    (log,) = re.findall(r"(?m)^\| log \| (.*) \|$", text) or [""]
    for quoted in re.findall(r"`([^`]+)`", log):
        pieces = [piece.strip() for piece in re.split(r"\.\.\.|NAME", quoted) if " " in piece.strip()]
        for piece in pieces if len(quoted) >= SHORTEST else []:
            assert piece in program, f"{page.name} quotes what no log line says: {piece!r}"


@pytest.mark.parametrize("page", RUNBOOKS, ids=name)
def test_a_runbook_names_reasons_codes_and_metrics_that_exist(page):
    text = text_of(page)
    errors, metrics, log = [(REFERENCE / f"{it}.md").read_text() for it in ["errors", "metrics", "log-and-audit"]]
    for reason in re.findall(r"`reason=([a-z_.]+)`", text):
        assert f"`{reason}`" in errors + log, reason
    for code in re.findall(r"`(Proxy\w+|code=\"\w+\")`", text):
        code = code.removeprefix('code="').removesuffix('"')
        assert f"`{code}`" in errors, code
    for metric in re.findall(r"`((?:countersign|process)_[a-z_]+[a-z])`", text):
        assert f"`{metric}`" in metrics or f"`{metric}_seconds`" in metrics, metric


@pytest.mark.parametrize("page", RUNBOOKS, ids=name)
def test_what_a_runbook_asks_of_status_is_in_it(page):
    """The filters run on the sample of the document, and name nothing that its schema lacks."""
    filters = re.findall(r"(?m)^curl -s http://127\.0\.0\.1:8022/status \| jq '(.*)'$", page.read_text())
    sample = (TOP / "src/status/sample.json").read_text()
    schema = (REFERENCE / "schemas/status.schema.json").read_text()
    members = set(re.findall(r'"(\w+)": \{', schema))
    assert shutil.which("jq"), "jq is not installed: apt-get install jq"
    for each in filters:
        done = subprocess.run(["jq", each], input=sample, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{each}: {done.stderr}"
        named = re.findall(r"\.(\w+)", re.sub(r'"[^"]*"', "", each))
        named += [word for names in re.findall(r"\{([^}]*)\}", each) for word in re.findall(r"\w+", names)]
        assert set(named) <= members, f"{each}: {set(named) - members}"
        for value in re.findall(r'== "([a-z_]+)"', each):
            assert f'"{value}"' in schema, f"{each}: no {value}"
    assert json.loads(sample)["schema"] == 1
