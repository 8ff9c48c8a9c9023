"""The configuration that a command finds: by an option, by COUNTERSIGN_CONFIG, or at its default path.

/etc is a copy of its own in a mount namespace, so that nothing is made on this machine.
"""

import os
import pathlib
import subprocess

import pytest
from importexport import KEY_ID, SECRET

TIMEOUT = 60  # seconds
ENTER = 'mount --bind "$0" /etc && exec "$@"'
DEFAULT = "/etc/countersign/countersign.toml"
WHY = "the default file, because neither --config nor COUNTERSIGN_CONFIG names one"

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["loopback-owner"]
[client.a]
uid = 1
allow = ["main:List*"]
[route.main]
endpoint = "http://127.0.0.1:9/"
[key.main]
kind = "file"
file = "key.json"
[log]
format = "json"
"""


@pytest.fixture
def etc(tmp_path):
    """A directory that becomes /etc, with the default configuration."""
    made = tmp_path / "etc"
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
        if (found := pathlib.Path("/etc") / name).exists():
            made.mkdir(exist_ok=True)
            (made / name).write_bytes(found.read_bytes())
    made.chmod(0o755)
    ours = made / "countersign"
    ours.mkdir(mode=0o755)
    (ours / "countersign.toml").write_text(CONFIGURATION)
    (ours / "key.json").touch(mode=0o600)
    (ours / "key.json").write_text(f'{{"Version": 1, "AccessKeyId": "{KEY_ID}", "SecretAccessKey": "{SECRET}"}}')
    return made


def through(etc):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, etc]


@pytest.fixture
def command(countersign_bin, etc, tmp_path):
    """Runs a command with this /etc."""

    def run(*arguments, given="", **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        return subprocess.run(
            [*through(etc), countersign_bin, *map(str, arguments)], input=given, capture_output=True, text=True,
            env={**kept, **variables}, cwd=tmp_path, timeout=TIMEOUT, check=False,
        )

    return run


def test_every_command_takes_the_default_file_and_says_why(command, start_countersign, etc, tmp_path):
    checked = command("check")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith(f"configuration: {DEFAULT}, {WHY}"), checked.stdout
    assert "key main" in command("keys", "test").stdout
    explained = command("policy", "explain", "--client", "a", "--action", "ListJobs")
    assert explained.stdout.startswith("allow main:ListJobs"), explained.stderr
    (tmp_path / "record").write_text("")
    assert "nothing was recorded" in command("policy", "suggest", "--record", "record").stderr
    signed = command("sign", "--route", "main", given="Action=ListJobs")
    assert f"AWSAccessKeyId={KEY_ID}" in signed.stdout, signed.stderr
    running = start_countersign("run", through=map(str, through(etc)))
    line = running.wait_for(r'"message":"configuration".*').string
    assert DEFAULT in line and WHY in line, line


def test_the_variable_goes_before_the_default_and_the_option_before_the_variable(command, tmp_path):
    (tmp_path / "own.toml").write_text(CONFIGURATION.replace("[client.a]", "[client.of-the-variable]"))
    (tmp_path / "key.json").touch(mode=0o600)
    own = str(tmp_path / "own.toml")
    by_variable = command("check", "--without-keys", COUNTERSIGN_CONFIG=own)
    assert by_variable.stdout.startswith(f"configuration: {own}, named by the variable COUNTERSIGN_CONFIG\n")
    assert "client of-the-variable" in by_variable.stdout and "COUNTERSIGN_CONFIG is set" not in by_variable.stdout
    for option in ("-c", "--config"):
        by_option = command("check", "--without-keys", option, DEFAULT, COUNTERSIGN_CONFIG=own)
        assert by_option.stdout.startswith(f"configuration: {DEFAULT}, named by --config\n"), by_option.stderr
    assert command("check", COUNTERSIGN_CONFIG="").stdout.startswith(f"configuration: {DEFAULT}, {WHY}")


def test_a_relative_path_in_the_variable_is_refused(command, tmp_path):
    (tmp_path / "own.toml").write_text(CONFIGURATION)
    refused = command("check", COUNTERSIGN_CONFIG="own.toml")
    assert refused.returncode == 78
    assert 'the variable COUNTERSIGN_CONFIG holds the relative path "own.toml"' in refused.stderr


def test_messages_about_a_file_that_nobody_named_say_why_it_was_taken(command, etc):
    file = etc / "countersign/countersign.toml"
    file.write_text("[colour]\n")
    refused = command("check")
    assert refused.returncode == 78 and f"cannot be used ({WHY}" in refused.stderr, refused.stderr
    file.chmod(0o666)
    assert command("check").returncode == 77
    file.unlink()
    file.symlink_to("nowhere")
    assert "cannot be read: No such file" in command("check").stderr
    file.unlink()
    alone = command("check")
    assert "(no file is read: neither --config nor COUNTERSIGN_CONFIG names one" in alone.stderr
    assert "(variable COUNTERSIGN__" in alone.stderr or "environment: listener" in alone.stderr


def test_with_dev_null_the_variables_alone_are_the_configuration(command):
    variables = {
        "COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "true", "COUNTERSIGN__LISTENER__LOCAL__ADDRESS": "127.0.0.1:0",
        "COUNTERSIGN__ROUTE__OWN__ENDPOINT": "http://127.0.0.1:9/", "COUNTERSIGN__KEY__MAIN__KIND": "file",
        "COUNTERSIGN__KEY__MAIN__FILE": "/etc/countersign/key.json",
    }  # fmt: skip
    checked = command("check", "--config", "/dev/null", **variables)
    assert checked.returncode == 0 and "client a" not in checked.stdout, checked.stderr
