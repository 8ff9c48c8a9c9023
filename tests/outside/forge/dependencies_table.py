"""The tables of direct dependencies in docs/security/assurance.md: what each is for (the comment beside it in
Cargo.toml), and its licence (as its own manifest says).

    python3 tests/outside/forge/dependencies_table.py

writes them anew; test_assurance.py compares them.
"""

import json
import pathlib
import re
import subprocess
import tomllib

TOP = pathlib.Path(__file__).resolve().parents[3]
PAGE = TOP / "docs/security/assurance.md"
MANIFESTS = {"countersign": "Cargo.toml", "secret-memory": "src/secret_memory/Cargo.toml"}


def metadata():
    """What cargo knows of every package that is compiled on this machine: only those have been fetched."""
    compiler = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True, timeout=60).stdout
    host = re.search(r"(?m)^host: (.*)$", compiler)[1]
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--all-features"]
    command += ["--filter-platform", host]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


def reasons(manifest):
    """(crate, reason) of each line in [dependencies], in the order of the file."""
    section = re.search(r"(?ms)^\[dependencies\]\n(.*?)^\[", (TOP / manifest).read_text())[1]
    comment, last = [], ""
    for line in section.splitlines():
        if line.startswith("# ---") or not line:
            comment = []
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        elif match := re.match(r"([\w-]+) = ", line):
            reason = " ".join(comment) or last
            # "the same" refers to the line above
            reason = re.sub(r"^the same\b", last.rstrip("."), reason)
            yield match[1], reason
            comment, last = [], reason


def licences(data, package):
    """The licence of each direct dependency of a package."""
    packages = {each["id"]: each for each in data["packages"]}
    [own] = [each["id"] for each in data["packages"] if each["name"] == package and each["source"] is None]
    [node] = [each for each in data["resolve"]["nodes"] if each["id"] == own]
    found = {}
    for dependency in node["deps"]:
        each = packages[dependency["pkg"]]
        found[each["name"]] = each["license"]
    return found


def features(manifest):
    """The feature that switches each optional crate on."""
    listed = tomllib.loads((TOP / manifest).read_text()).get("features", {})
    return {crate.removeprefix("dep:"): name for name in listed for crate in listed[name] if name != "default"}


def tables():
    data = metadata()
    for package, manifest in MANIFESTS.items():
        known, optional = licences(data, package), features(manifest)
        rows = ["| crate | licence | what it is for |", "|---|---|---|"]
        for crate, reason in reasons(manifest):
            name = f"`{crate}`" + (f" (feature `{optional[crate]}`)" if crate in optional else "")
            licence = known[crate].replace("/", " OR ")
            # the feature is beside the name
            reason = re.sub(r"\.? Optional\b.*", "", reason).replace("|", "\\|")
            rows.append(f"| {name} | {licence} | {reason} |")
        yield package, "\n".join(rows)


def written(page):
    """The page with the tables as they are today."""
    for package, table in tables():
        begin, end = f"<!-- generated: dependencies of {package} -->\n", "<!-- end -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table}\n\n{end}{rest.split(end, 1)[1]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
