"""Configuration of countersign 0.1: this version reads it, or says what to write instead."""

import json
import re
import tomllib

import pytest
from kept import KEPT, TOP, UNREADABLE, check, lay_out, run, variables

SAMPLES = sorted(KEPT.glob("*/*.toml"))
READ = [path for path in SAMPLES if path.parent.name != "refused"]
REFUSED = [path for path in SAMPLES if path.parent.name == "refused"]
REFERENCES = [path for path in READ if path.name == "reference.toml"]
SETTINGS = [json.loads(line)["text"] for line in (KEPT / "settings.jsonl").read_text().splitlines()]
UPGRADE = " ".join((TOP / "docs/operations/upgrade.md").read_text().split())
NAMED = ("listener", "client", "route", "key", "conf_d")


def label(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", READ, ids=label)
def test_every_sample_of_0_1_is_read(countersign, tmp_path, path):
    done = check(countersign, tmp_path, path.read_text(), "--without-keys")
    # what a sample names is not on this machine, which is told of after it was read
    assert UNREADABLE not in done.stderr, done.stderr


@pytest.mark.parametrize("path", sorted(KEPT.glob("*/sidecar.env")), ids=label)
def test_the_variables_of_0_1_are_read(countersign, path):
    done = run(countersign, "check", "--without-keys", **variables(path.read_text()))
    assert UNREADABLE not in done.stderr, done.stderr


@pytest.mark.parametrize("path", REFERENCES, ids=label)
def test_every_default_of_0_1_can_still_be_written(countersign, tmp_path, path):
    lines = [re.sub(r"^#(?=[a-z])", "", line) for line in path.read_text().splitlines()]
    done = check(countersign, tmp_path, "\n".join(lines), "--without-keys")
    assert UNREADABLE not in done.stderr, done.stderr


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_every_setting_of_0_1_is_read(countersign, tmp_path, number):
    done = check(countersign, tmp_path, SETTINGS[number], "--without-keys")
    assert UNREADABLE not in done.stderr, SETTINGS[number] + done.stderr


def keys_of(table, path=()):
    """The settings of a configuration, the names that users choose as a star."""
    for name, value in table.items():
        place = (*path, "*" if len(path) == 1 and path[0] in NAMED else name)
        yield place
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from keys_of(item, place)


def keys_of_reference(path):
    """The settings that a reference names, also those that are comments in it."""
    table, found = "", set()
    for line in path.read_text().splitlines():
        line = line.removeprefix("# e.g. ") if line.startswith("# e.g. ") else line.removeprefix("#")
        if head := re.match(r"\[+([\w.-]+)\]+$", line):
            table = head[0]
        elif re.match(r"[a-z_0-9.]+ = ", line):
            found |= set(keys_of(tomllib.loads(f"{table}\n{line}" if table else line)))
    return found


@pytest.mark.parametrize("path", REFERENCES, ids=label)
def test_the_kept_settings_are_all_that_0_1_had(path):
    kept = {place for text in SETTINGS for place in keys_of(tomllib.loads(text))}
    named = keys_of_reference(path)
    assert len(named) > 50
    assert named <= kept


@pytest.mark.parametrize("path", REFUSED, ids=label)
def test_what_is_refused_now_is_refused_with_what_to_write_and_stands_in_the_manual(countersign, tmp_path, path):
    first, text = path.read_text().split("\n", 1)
    says = first.removeprefix("# says: ")
    done = check(countersign, tmp_path, text, "--without-keys")
    assert done.returncode == 78 and UNREADABLE in done.stderr, done.stderr
    assert says in done.stderr
    assert re.search(r"countersign\.toml:\d+:\d+: ", done.stderr), "the place is named"
    assert f"“{says}”" in UPGRADE, "docs/operations/upgrade.md has a row for it"


@pytest.mark.parametrize("state", ["first", "middle", "last"])
def test_the_sidecar_of_0_1_with_its_sealed_key_passes_check(countersign, tmp_path, state):
    """The whole of `check`: configuration, files, and the key that 0.1 sealed. Only places are of this machine."""
    text = (KEPT / state / "kubernetes-sidecar.toml").read_text()
    here = {"/run/secrets/countersign/": "", "127.0.0.1:8021": "127.0.0.1:0", "0.0.0.0:8022": "127.0.0.1:0"}
    for old, new in here.items():
        assert old in text
        text = text.replace(old, new)
    lay_out(tmp_path, "main.age", "identity")
    done = check(countersign, tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert "AKIAIOSFODNN7EXAMPLE" in done.stdout


def test_a_relative_path_in_a_variable_is_refused_with_what_to_write(countersign):
    """0.1 read it from the working directory."""
    done = run(countersign, "check", COUNTERSIGN__LISTENER__A__ANY_LOCAL="true",
               COUNTERSIGN__ROUTE__A__ENDPOINT="https://importexport.amazonaws.com/",
               COUNTERSIGN__KEY__A__FILE="main.age", COUNTERSIGN__KEY__A__IDENTITY_FILE="/etc/countersign/identity")
    assert done.returncode == 78
    assert "`main.age` is a relative path, which only the configuration file may have" in done.stderr
    assert "write an absolute path" in done.stderr and "“write an absolute path”" in UPGRADE


def test_a_directory_that_everybody_may_write_to_is_refused_with_the_command_that_mends_it(countersign, tmp_path):
    """0.1 asked of secrets alone who may read them."""
    lay_out(tmp_path, "main.age", "identity")
    tmp_path.chmod(0o777)
    done = check(countersign, tmp_path, (KEPT / "last/sidecar.toml").read_text())
    assert done.returncode == 77
    assert f"chmod o-w {tmp_path}" in done.stderr
