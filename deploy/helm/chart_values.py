"""The commented values of a chart: what each is, what the schema says of it, and the rows of the README's table.

A comment line that begins with "# -- " begins the description of the value below it; lines after it go on. A line
"# @schema type:[integer, "null"]; minimum:1" adds keywords of JSON Schema, each with a value in YAML. A value without a
description is part of the one above it, which is then described as a whole.
"""

import dataclasses
import json
import re

import yaml

KEYWORDS = {"$ref", "type", "enum", "pattern", "minimum", "maximum", "items", "additionalProperties", "propertyNames"}


class Faulty(Exception):
    """A comment that cannot be read, or a value without one; the message has the line."""


@dataclasses.dataclass
class Value:
    """One value: its path, its default, and what its comment says."""

    path: tuple
    default: object
    line: int
    description: str
    keywords: dict
    children: list

    def schema(self):
        """What the schema says of it. Objects are closed where each value in them is described."""
        if "$ref" in self.keywords:
            return {"description": self.description, "allOf": [{"$ref": self.keywords["$ref"]}]}
        said = {"description": self.description} if self.description else {}
        if isinstance(self.default, dict):
            said["type"] = "object"
        if self.children:
            said["additionalProperties"] = False
            said["properties"] = {child.path[-1]: child.schema() for child in self.children}
        elif not isinstance(self.default, dict):
            said["type"] = type_of(self.default)
            if self.default is not None:
                said["default"] = self.default
        said.update(self.keywords)
        if said["type"] is None:
            raise Faulty(f"line {self.line}: {dotted(self.path)} has no default of which a type can be read")
        return said

    def rows(self):
        """The rows of the README: one for each value that is described."""
        if self.children:
            return [row for child in self.children for row in child.rows()]
        whole = isinstance(self.default, dict) and len(self.default) > 1 or len(json.dumps(self.default)) > 60
        default = "see values.yaml" if whole else f"`{json.dumps(self.default)}`"
        return [f"| `{dotted(self.path)}` | {default} | {self.description.replace('|', chr(92) + '|')} |"]


def dotted(path):
    return ".".join(path)


def type_of(value):
    types = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return types.get(type(value))


def comment_above(lines, number):
    """The description and the keywords in the comment that ends above this line, both empty without one."""
    first = number
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    words, keywords = [], {}
    for at, line in enumerate(lines[first:number], first + 1):
        text = line.strip().removeprefix("#").strip()
        if text.startswith("-- "):
            words = [text.removeprefix("-- ")]
        elif text.startswith("@schema "):
            keywords.update(keywords_of(text.removeprefix("@schema "), at))
        elif words:
            words.append(text)
    return " ".join(words), keywords


def keywords_of(text, line):
    keywords = {}
    for part in re.split(r";\s+", text):
        word, _, value = part.partition(":")
        if word not in KEYWORDS:
            raise Faulty(f"line {line}: {word!r} is none of {', '.join(sorted(KEYWORDS))}")
        keywords[word] = yaml.safe_load(value) if word not in ("pattern", "$ref") else value
    return keywords


def values_of(text):
    """The described values of a values.yaml, as a tree."""
    lines = text.splitlines()
    values = read(yaml.compose(text), yaml.safe_load(text), lines, ())
    for value in values:
        require_descriptions(value)
    return values


def read(node, defaults, lines, path):
    values = []
    for key, below in node.value:
        name, line = key.value, key.start_mark.line
        description, keywords = comment_above(lines, line)
        children = []
        if isinstance(below, yaml.MappingNode) and below.value and not below.flow_style:
            children = read(below, defaults[name], lines, (*path, name))
            if not any(child.description or child.children for child in children):
                children = []
        values.append(Value((*path, name), defaults[name], line + 1, description, keywords, children))
    return values


def require_descriptions(value):
    for child in value.children:
        require_descriptions(child)
    if not value.children and not value.description:
        raise Faulty(f"line {value.line}: {dotted(value.path)} has no description: a comment that begins with '# -- '")
