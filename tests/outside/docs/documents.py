"""The documents of the repository, their blocks of code, their headings and their links."""

import dataclasses
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[3]
MANUAL = TOP / "docs"
AT_THE_TOP = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md"]

SHELL = {"bash", "sh", "shell"}
# an indented block has no language: one that begins with a program is for the shell
PROGRAMS = re.compile(r"(cargo|countersign|curl|docker|install|kubectl|python3|tests/\S+|target/\S+) ")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code, with the headings it is below, the innermost last."""

    file: pathlib.Path
    line: int
    headings: tuple
    language: str
    text: str

    @property
    def place(self):
        return f"{self.file.relative_to(TOP)}:{self.line}"

    @property
    def is_for_the_shell(self):
        return self.language in SHELL or (not self.language and bool(PROGRAMS.match(self.text)))

    @property
    def commands(self):
        """The lines, those that end in a backslash joined with the next, without comments and here-documents."""
        text = re.sub(r"(?ms) <<'(\w+)'$.*?^\1$", "", self.text).replace("\\\n", " ")
        commands = [line.partition(" # ")[0].strip() for line in text.splitlines()]
        return [command for command in commands if command]


def documents():
    """Every document, README first."""
    at_the_top = [TOP / name for name in AT_THE_TOP if (TOP / name).exists()]
    return at_the_top + sorted(MANUAL.rglob("*.md"))


def blocks(file):
    """The blocks of one document: fenced ones, and indented ones after an empty line."""
    found, headings, lines = [], [], file.read_text().splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        if fence := re.match(r"( *)```(\w*)", line):
            end = number + 1 + next(i for i, text in enumerate(lines[number + 1:]) if text.strip() == "```")
            text = "\n".join(text.removeprefix(fence[1]) for text in lines[number + 1:end])
            found.append(Block(file, number + 1, tuple(headings), fence[2], text + "\n"))
            number = end
        elif heading := re.match(r"(#+) (.*)", line):
            headings = [*headings[:len(heading[1]) - 1], heading[2]]
        elif line.startswith("    ") and not lines[number - 1].strip():
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(text.removeprefix("    ") for text in lines[number:end]).strip()
            found.append(Block(file, number + 1, tuple(headings), "", text + "\n"))
            number = end - 1
        number += 1
    return found


def all_blocks():
    return [block for file in documents() for block in blocks(file)]


def section(words):
    """The blocks below the one heading that holds these words, in whichever document it is."""
    found = [block for block in all_blocks() if any(words in heading.lower() for heading in block.headings)]
    files = {block.file for block in found}
    assert len(files) == 1, f"blocks about {words!r} must be in one document, and are in {sorted(map(str, files))}"
    return found


def prose(file):
    """The text without blocks and code in backticks, in which brackets are no links."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", file.read_text())
    return re.sub(r"`[^`\n]*`", "``", text)


def links(file):
    """The targets of links and images that lie in the repository."""
    targets = re.findall(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)", prose(file))
    return [target for target in targets if not re.match(r"[a-z][a-z+.-]*:", target)]


def anchors(file):
    """What the headings of a document are called in links: as forges and mdBook make it of their text."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", file.read_text())
    seen, found = {}, set()
    for heading in re.findall(r"(?m)^#+ (.*)$", text):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found
