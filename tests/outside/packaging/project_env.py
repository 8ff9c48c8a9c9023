"""Reads packaging/project.env: what only the publisher of this program knows."""

import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[3]
PATH = TOP / "packaging/project.env"
LINE = re.compile(r"([A-Z_]+)='([^']*)'")


def read(path=PATH):
    """The values by name. A line that is neither a value nor a comment is an error: a shell would run it."""
    values = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"{path}:{number}: not of the form KEY='value': {line}")
        values[match[1]] = match[2]
    return values


PROJECT = read()
VERSION = re.search(r'^version = "(.*)"$', (TOP / "Cargo.toml").read_text(), re.MULTILINE)[1]
