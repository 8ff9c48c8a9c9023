"""What every program is expected to have: completions, man pages, a version for programs, and a first configuration."""

import contextlib
import itertools
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import jsonschema
import pytest
from importexport import KEY_ID, SECRET

TOP = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT = 120  # seconds
KEY = json.dumps({"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET})
SHELLS = ("bash", "zsh", "fish", "elvish", "powershell")


@pytest.fixture
def run(countersign_bin, tmp_path):
    """Runs a command in an empty directory, with `countersign` in PATH."""
    path = f"{pathlib.Path(countersign_bin).resolve().parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
    environment = {**kept, "PATH": path, "HOME": str(tmp_path), "COUNTERSIGN__ADMIN__ADDRESS": "127.0.0.1:0"}

    def command(*words, given=None, expected=0, **variables):
        done = subprocess.run(
            [str(word) for word in words], input=given, capture_output=True, text=True, cwd=tmp_path,
            env={**environment, **variables}, timeout=TIMEOUT, check=False,
        )
        assert done.returncode == expected, (words, done.stdout, done.stderr)
        return done.stdout if expected == 0 else done.stderr

    command.environment = environment
    return command


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, words, directory, environment):
        self.child, self.side = pty.fork()
        if self.child == 0:
            os.chdir(directory)
            os.execvpe(words[0], words, environment)
        self.seen = ""

    def wait_for(self, pattern):
        """Reads until the pattern comes, and forgets what came before."""
        end = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.side], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.side, 4096).decode(errors="replace")
            except OSError:  # it has ended
                raise AssertionError(f"no {pattern!r} in {self.seen!r}") from None
        self.seen = self.seen[found.end() :]

    def type(self, text):
        os.write(self.side, text.encode())

    def end(self):
        """Waits for its end, and returns the exit code."""
        with contextlib.suppress(OSError):  # its side of the terminal is closed
            while select.select([self.side], [], [], TIMEOUT)[0] and os.read(self.side, 4096):
                pass
        # not before: who loses the terminal is ended by SIGHUP
        os.close(self.side)
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def test_the_version_is_one_line_or_all_that_is_known_or_a_document(run):
    short = run("countersign", "-V")
    assert re.fullmatch(r"countersign \d+\.\d+\.\d+\n", short)
    long = run("countersign", "--version")
    assert long.startswith(short) and "\ncommit: " in long and "\nfeatures: " in long
    document = json.loads(run("countersign", "--version", "--format", "json"))
    schema = json.loads((TOP / "docs/reference/schemas/version.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert set(document) == set(schema["properties"])
    assert f"countersign {document['version']}\n" == short
    assert "--version" in run("countersign", "--format", "json", expected=2)


# --- completions


def test_no_script_completes_a_command_that_only_countersign_calls(run):
    for shell in SHELLS:
        script = run("countersign", "completions", shell)
        assert "reseal" in script
        assert not re.search(r"key-agent|key__agent|plugin-key|aws-key", script), shell


def test_bash_completes_a_command_and_an_option(run):
    script = """
        source /usr/share/bash-completion/bash_completion; source <(countersign completions bash)
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            COMPREPLY=(); _countersign countersign "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"; }
        complete -p countersign; complete_words countersign ke; complete_words countersign keys res
        complete_words countersign check --wi
    """
    lines = run("bash", "-c", script).splitlines()
    assert "_countersign" in lines[0]
    assert lines[1:] == ["keys", "reseal", "--without-keys"]


def test_zsh_completes_a_command_and_an_option(run, tmp_path):
    (tmp_path / "_countersign").write_text(run("countersign", "completions", "zsh"))
    shell = Terminal(["zsh", "-f", "-i"], tmp_path, {**run.environment, "TERM": "dumb", "PS1": "ready> "})
    shell.type(f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D; echo lo''aded\n")
    shell.wait_for("loaded")
    shell.type("countersign che\t--without-k\t--help\n")
    shell.wait_for(r"Validate configuration and keys")
    shell.type("exit\n")
    shell.end()


def test_fish_completes_a_command_and_an_option(run):
    run("fish", "--no-config", "-c", "true")
    completed = [
        run("fish", "--no-config", "-c", f'countersign completions fish | source; complete -C "{line}"')
        for line in ("countersign ke", "countersign check --wi")
    ]
    assert completed[0].startswith("keys\t") and completed[1].startswith("--without-keys\t"), completed


# --- man pages

PAGES = sorted((TOP / "docs/man").iterdir())


def test_every_man_page_is_free_of_errors_and_is_shown(run):
    assert len(PAGES) > 20
    run("mandoc", "-T", "lint", "-W", "error", *PAGES)
    for page in PAGES:
        shown = run("man", "-l", page, MANPAGER="cat", MANWIDTH="100", LC_ALL="C.UTF-8")
        assert "SEE ALSO" in shown and page.stem.split(".")[0] in shown, page
        for reference in re.findall(r"(countersign[\w.-]*)\((\d)\)", shown):
            assert (TOP / "docs/man" / ".".join(reference)).exists(), (page, reference)


# --- a first configuration

ENDPOINTS = [
    ("--service", "ec2", "--region", "eu-central-1"),
    ("--service", "iam"),
    ("--service", "importexport"),
    ("--service", "sdb", "--region", "us-east-1"),
    ("--service", "ses", "--region", "eu-west-1"),
    ("--endpoint", "https://heat.example.org:8000/v1/", "--dialect", "openstack"),
    ("--endpoint", "https://cloud.example.org/client/api", "--dialect", "cloudstack", "--route", "stack"),
    ("--endpoint", "https://api.example.org/", "--dialect", "aws-v4", "--region", "eu-west-2", "--service", "fcu"),
    ("--endpoint", "https://plain.example.org/"),
]
KEYS = {
    "sealed": (), "file": (), "process": ("--key-command", "./key.sh one two"), "aws": ("--key-source", "environment"),
}  # fmt: skip
CALLERS = {"any-local": (), "uid": ("--uid", str(os.getuid())), "token": (), "mtls": ("--dns", "client.example.org")}
LISTEN = ("127.0.0.1:0", "unix:{}/c.sock")


@pytest.fixture
def certificates(run):
    """What a configuration with TLS needs beside it."""
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "listener.key", "-out", "listener.pem",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "60")  # fmt: skip
    run("cp", "listener.pem", "clients.pem")


@pytest.fixture
def checked(run, tmp_path, certificates):
    """Writes a configuration, does what `init` says is left to do, and checks it."""
    script = tmp_path / "key.sh"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{KEY}\nEND\n")
    script.chmod(0o755)
    (tmp_path / "main.json").touch(mode=0o600)
    (tmp_path / "main.json").write_text(KEY)

    def check(*options):
        for name in ("countersign.toml", "token", "identity", "main.age", "c.sock"):
            (tmp_path / name).unlink(missing_ok=True)
        options = [option.replace("./key.sh", str(script)) for option in options]
        printed = run("countersign", "init", "--yes", *options)
        for command in re.findall(r"^countersign .*", printed, re.MULTILINE):
            if " run " not in command:
                secret = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
                run("sh", "-c", command, given=KEY if " seal " in command else None, **secret)
        return (tmp_path / "countersign.toml").read_text()

    return check


def test_every_endpoint_that_can_be_named_makes_a_configuration_that_passes_the_check(checked):
    for endpoint in ENDPOINTS:
        text = checked(*endpoint, "--listen", "127.0.0.1:0")
        assert SECRET not in text


def test_every_key_with_every_caller_on_every_listener_makes_a_configuration_that_passes_the_check(checked, tmp_path):
    for (key, of_key), (who, of_who), listen in itertools.product(KEYS.items(), CALLERS.items(), LISTEN):
        if (who, listen[:4]) != ("mtls", "unix"):
            text = checked("--service", "ec2", "--region", "eu-central-1", "--key", key, *of_key, "--callers", who,
                           *of_who, "--listen", listen.format(tmp_path))  # fmt: skip
            assert SECRET not in text


def test_nothing_is_replaced_and_nothing_that_cannot_be_loaded_is_written(run, tmp_path):
    (tmp_path / "countersign.toml").write_text("own")
    assert "exists: it is not replaced" in run("countersign", "init", "--service", "iam", "--yes", expected=71)
    assert (tmp_path / "countersign.toml").read_text() == "own"
    (tmp_path / "countersign.toml").unlink()
    for options, told in [
        ([], "say which endpoint is called: --endpoint URL, or --service NAME with --region"),
        (["--service", "ec2"], "say in which region ec2 is called"),
        (["--service", "s3", "--region", "eu-west-1"], "give its URL with --endpoint"),
        (["--endpoint", "http://a.example/"], "with these options, "),
        (["--service", "iam", "--listen", "0.0.0.0:8021"], "with these options, "),
        (["--service", "iam", "--callers", "uid"], "say which user may call: --uid"),
        (["--service", "iam", "--callers", "mtls", "--dns", "a", "--listen", "unix:/run/a"],
         "a Unix socket has no TLS"),
        (["--service", "iam", "--key", "aws", "--key-file", "a"], "--key-file is of no use"),
    ]:
        assert told in run("countersign", "init", "--yes", *options, expected=65), options
    assert not list(tmp_path.glob("*.toml"))
    # without a terminal nothing is asked
    assert "say which endpoint" in run("countersign", "init", given="ec2\n", expected=65)


def test_a_token_is_written_for_its_client_alone(run, tmp_path):
    run("countersign", "init", "--yes", "--service", "iam", "--callers", "token")
    token = (tmp_path / "token").read_bytes()
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600 and len(token) >= 40
    digest = run("sha256sum", "token").split()[0]
    assert digest in (tmp_path / "countersign.toml").read_text()


def test_at_a_terminal_what_no_option_says_is_asked(run, tmp_path):
    asked = Terminal(["countersign", "init", "--out", "own.toml"], tmp_path, run.environment)
    for question, answer in [
        (r"Which endpoint is called\?.*: ", "ec2"),
        (r"In which region\? \[us-east-1\]: ", "eu-central-1"),
        (r"What is the route called.*\[ec2\]: ", ""),
        (r"How is the access key kept\? \[sealed\]: ", "hardly"),
        (r"none of the words above.*\[sealed\]: ", "file"),
        (r"Who may call\? \[any-local\]: ", "uid"),
        (rf"Which user id\? \[{os.getuid()}\]: ", ""),
        (r"Where do clients connect\? \[127.0.0.1:8021\]: ", "127.0.0.1:0"),
    ]:
        asked.wait_for(f"(?s){question}")
        asked.type(f"{answer}\n")
    asked.wait_for("countersign run -c own.toml")
    assert asked.end() == 0
    text = (tmp_path / "own.toml").read_text()
    assert '[route.ec2]\nendpoint = "https://ec2.eu-central-1.amazonaws.com/"' in text
    assert f"uid = {os.getuid()}" in text and 'kind = "file"' in text


