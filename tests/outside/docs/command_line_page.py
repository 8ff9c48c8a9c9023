"""Writes docs/reference/command-line.md: what `countersign COMMAND --help` prints, for every command.

    python3 tests/outside/docs/command_line_page.py PROGRAM    writes the page with what PROGRAM prints
"""

import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[3]
PAGE = TOP / "docs/reference/command-line.md"

BEGIN = """\
# Command line

<!-- Written by tests/outside/docs/command_line_page.py from what the program prints. Change that, then run it. -->

This page answers: **which commands are there, and which arguments does each take?**

Secrets are never arguments, because every process on a machine can read the arguments of others. They come from
standard input, a prompt, a file, or `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` where the text below says so. What
each exit code means is on the page [Exit codes](exit-codes.md).

"""


def printed(program, command):
    """The help of one command, as it is on a terminal of 100 columns."""
    done = subprocess.run(
        [program, *command, "--help"], env={**os.environ, "COLUMNS": "100"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=True, timeout=60,
    )
    return done.stdout.strip()


def subcommands(text):
    """The names under `Commands:`, but `help`."""
    block = re.search(r"(?ms)^Commands:\n(.*?)(\n\n|\Z)", text)
    names = re.findall(r"(?m)^  ([a-z0-9-]+)", block[1]) if block else []
    return [name for name in names if name != "help"]


def sections(program, command=()):
    """A heading and a block for the command, and the same for the commands below it."""
    text = printed(program, command)
    made = [f"{'#' * (2 + max(0, len(command) - 1))} `{' '.join(['countersign', *command])}`\n\n```text\n{text}\n```\n"]
    for name in subcommands(text):
        made += sections(program, (*command, name))
    return made


def page(program):
    """The whole page."""
    return BEGIN + "\n".join(sections(program))


if __name__ == "__main__":
    PAGE.write_text(page(sys.argv[1]))
