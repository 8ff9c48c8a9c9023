"""Writes docs/reference/configuration.md from the comments of config/reference.toml.

    python3 tests/outside/docs/configuration_page.py            writes the page
    python3 tests/outside/docs/configuration_page.py --check    fails when the page is stale
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[3]
REFERENCE = TOP / "config/reference.toml"
PAGE = TOP / "docs/reference/configuration.md"

BEGIN = """\
# Configuration

<!-- Written by tests/outside/docs/configuration_page.py from config/reference.toml. Edit that file, then run it. -->

This page answers: **which settings are there, what does each do, and what is its default?**

Settings come from a TOML file, from environment variables, or from both. The file is the one that `-c`/`--config FILE`
names; else the one that the variable `COUNTERSIGN_CONFIG` names, by an absolute path; else
`/etc/countersign/countersign.toml`, where it exists; else none. Clients and routes may also stand in files of `conf.d/`
beside it ([Let teams own their clients and routes](../how-to/conf-d.md)). `config/reference.toml` in the source tree is
the same reference as a complete configuration file; this page is generated from it. Every key outside the
tables below is an error, and `countersign check` reports all errors at once, each with file, line and column.

"""

SECTION = re.compile(r"# -{4} (?P<title>.*?) -{4,}$")
TABLE = re.compile(r"(?P<example># e\.g\. )?(?P<header>\[\[?[a-z][\w.\-]*\]\]?)$")
KEY = re.compile(r"(?P<mark># e\.g\. |#)?(?P<name>[a-z0-9_]+) = (?P<value>.*)$")


def escaped(text):
    """The text without what Markdown takes for HTML or for the next column. Code in backticks keeps its `<`."""
    parts = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def joined(comments):
    """Comment lines as one cell or paragraph. An indented line is an item of a list."""
    text = ""
    for line in map(escaped, comments):
        if line.startswith("  "):
            word, _, meaning = line.strip().partition("  ")
            text += f"<br>`{word}`: {meaning.strip()}"
        elif text.endswith("<br>") or not text:
            text += line
        else:
            text += f" {line}"
    return text


def second_column(mark, value, is_example_table):
    """The default, or an example where there is none. A table that is absent by default has examples only."""
    code = "`" + value.replace("|", "\\|") + "`"
    if is_example_table:
        return code
    return {"#": code, "# e.g. ": f"example: {code}", None: f"required; example: {code}"}[mark]


class Page:
    """The page, line by line, and the comments that wait for what they describe."""

    def __init__(self):
        self.lines, self.comments, self.group = [], [], []
        self.is_example_table = False

    def section(self, title):
        self.flush()
        self.lines += [f"## {escaped(title)}", ""]

    def table(self, header, is_example):
        self.end_group()
        self.is_example_table = is_example
        words, self.comments = joined(self.comments), []
        self.lines += ["", f"### `{header}`", ""]
        if words:
            self.lines += [words, ""]
        if is_example:
            self.lines += ["This table is absent by default.", ""]
        self.lines += [f"| key | {'example' if is_example else 'default'} | meaning |", "|---|---|---|"]

    def key(self, name, mark, value):
        self.group.append((f"`{name}`", second_column(mark, value, self.is_example_table)))

    def comment(self, text):
        self.end_group()
        self.comments.append(text)

    def end_group(self):
        """Keys that follow one another without a comment between them share the comment above the first."""
        if self.group:
            names, defaults = zip(*self.group, strict=True)
            self.lines.append(f"| {'<br>'.join(names)} | {'<br>'.join(defaults)} | {joined(self.comments)} |")
            self.comments, self.group = [], []

    def flush(self):
        self.end_group()
        self.lines.append("")
        if self.comments:
            raise SystemExit(f"{REFERENCE}: no key follows the comment {self.comments[0]!r}")


def page(reference):
    """The whole page."""
    rules, *_ = reference.partition("# ---- ")
    made = Page()
    for line in reference[len(rules):].splitlines():
        if match := SECTION.match(line):
            made.section(match["title"])
        elif match := TABLE.match(line):
            made.end_group()
            made.table(match["header"], match["example"] is not None)
        elif match := KEY.match(line):
            made.key(match["name"], match["mark"], match["value"])
        elif line.startswith("# "):
            made.comment(line.removeprefix("# "))
        elif line == "":
            made.end_group()
        else:
            raise SystemExit(f"{REFERENCE}: cannot read the line {line!r}")
    made.flush()
    text = BEGIN + general(rules) + "\n".join(made.lines)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def general(rules):
    """The last block of comments before the first section holds for all keys; a line that ends a sentence ends an item.
    """
    block = rules.strip().split("\n#\n")[-1]
    text = "- " + re.sub(r"\n# ", " ", re.sub(r"\.\n# ", ".\n- ", block.removeprefix("# ")))
    return "## Values, names and sources\n\n" + escaped(text) + "\n\n"


def main():
    made = page(REFERENCE.read_text())
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != made:
            raise SystemExit(f"{PAGE} is stale: run {pathlib.Path(sys.argv[0])}")
    else:
        PAGE.write_text(made)


if __name__ == "__main__":
    main()
