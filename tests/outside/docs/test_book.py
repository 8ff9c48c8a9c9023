"""The manual builds without a warning, and every link between documents leads somewhere."""

import pathlib
import re
import subprocess
import sys

import documents
import pytest

MDBOOK = pathlib.Path(sys.executable).with_name("mdbook")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The manual as mdBook writes it."""
    directory = tmp_path_factory.mktemp("book")
    done = subprocess.run(
        [MDBOOK, "build", documents.MANUAL, "--dest-dir", directory], capture_output=True, text=True, timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and not re.search(r"\b(WARN|ERROR)\b", said), said
    return directory


def name(file):
    return str(file.relative_to(documents.TOP))


def test_every_page_is_in_the_table_of_contents(book):
    listed = {(documents.MANUAL / target).resolve() for target in documents.links(documents.MANUAL / "SUMMARY.md")}
    pages = set(documents.MANUAL.rglob("*.md")) - {documents.MANUAL / "SUMMARY.md"}
    assert pages == listed
    missing = [page for page in pages if not (book / page.relative_to(documents.MANUAL)).with_suffix(".html").exists()]
    assert not missing


@pytest.mark.parametrize("file", documents.documents(), ids=name)
def test_every_link_leads_to_a_file_and_a_heading(file):
    broken = []
    for target in documents.links(file):
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in documents.anchors(there)):
            broken.append(target)
    assert not broken


def test_the_manual_links_to_nothing_that_the_book_lacks():
    outside = [
        f"{name(file)}: {target}"
        for file in sorted(documents.MANUAL.rglob("*.md"))
        for target in documents.links(file)
        if not (file.parent / target.partition("#")[0]).resolve().is_relative_to(documents.MANUAL)
    ]
    assert not outside


def test_the_book_has_the_anchors_that_links_name(book):
    missing = []
    for file in documents.MANUAL.rglob("*.md"):
        for target in documents.links(file):
            path, _, anchor = target.partition("#")
            page = (file.parent / path).resolve() if path else file
            if anchor and page.suffix == ".md" and page.is_relative_to(documents.MANUAL):
                html = (book / page.relative_to(documents.MANUAL)).with_suffix(".html").read_text()
                if f'id="{anchor}"' not in html:
                    missing.append(f"{name(file)}: {target}")
    assert not missing
