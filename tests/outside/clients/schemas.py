"""The published JSON Schemas, and the lines of log and audit that they are held against."""

import functools
import json
import pathlib

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[3]
FOLDER = TOP / "docs/reference/schemas"


@functools.cache
def validator(name):
    """What checks a document against docs/reference/schemas/NAME.schema.json."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def check(name, document):
    """Fails with the first thing in which a document is not what its schema says."""
    validator(name).validate(document)


def check_lines(lines):
    """Checks each line that is a JSON object of the log or of the audit; returns how many there were of each."""
    count = {"log": 0, "audit": 0}
    for line in lines:
        if not line.startswith("{") or not line.endswith("}"):
            continue
        document = json.loads(line)
        name = "log" if "timestamp" in document else "audit" if "decision" in document else None
        if name:
            check(name, document)
            count[name] += 1
    return count
