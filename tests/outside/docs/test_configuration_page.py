"""docs/reference/configuration.md is what configuration_page.py makes of config/reference.toml today."""

import re

import configuration_page
import pytest


def test_the_page_is_what_the_reference_says():
    made = configuration_page.page(configuration_page.REFERENCE.read_text())
    assert configuration_page.PAGE.read_text() == made, "run tests/outside/docs/configuration_page.py"


def test_every_key_of_the_reference_is_a_row_of_its_table():
    table, rows = "", set()
    for line in configuration_page.page(configuration_page.REFERENCE.read_text()).splitlines():
        if heading := re.match(r"### `\[+([^\]]+)\]+`", line):
            table = heading[1]
        elif line.startswith("| `"):
            rows |= {f"{table}.{name}" for name in re.findall(r"`(\w+)`", line.split(" | ")[0])}
    table, keys = "", set()
    for line in configuration_page.REFERENCE.read_text().splitlines():
        line = line.removeprefix("# e.g. ").removeprefix("#")
        if header := re.match(r"\[+([a-z][^\]]*)\]+$", line):
            table = header[1]
        elif key := re.match(r"(\w+) = ", line):
            keys.add(f"{table}.{key[1]}")
    assert len(keys) > 80 and rows == keys


def test_a_comment_without_a_key_is_told_and_not_dropped():
    with pytest.raises(SystemExit, match="no key follows"):
        configuration_page.page("# ---- A ----\n[a]\n# nothing follows\n\n# ---- B ----\n[b]\n")
