"""Tokens of SoftHSM, each in a directory of its own, behind a module that notes logins and fails on request
(pkcs11_shim.c)."""

import os
import pathlib
import re
import subprocess

import pytest

TIMEOUT = 60  # seconds
PIN = "123456"
LABEL = "countersign"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so")


def module():
    found = [path for path in MODULES if pathlib.Path(path).is_file()]
    assert found, "SoftHSM is not installed (Debian package softhsm2)"
    return found[0]


def run(command, environment, given=None):
    return subprocess.run([str(word) for word in command], env={**os.environ, **environment}, input=given, text=True,
                          capture_output=True, timeout=TIMEOUT, check=False)


class Token:
    """A token with the label `countersign`."""

    def __init__(self, directory, shim):
        self.directory, self.shim = pathlib.Path(directory), shim
        tokens = self.directory / "tokens"
        tokens.mkdir()
        configuration = self.directory / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {
            "SOFTHSM2_CONF": str(configuration),
            "SHIM_MODULE": module(),
            "SHIM_DIRECTORY": str(self.directory),
        }
        self.pin_file = self.directory / "pin"
        self.write_pin(PIN)
        pins = ["--pin", PIN, "--so-pin", "87654321"]
        done = self.call(["softhsm2-util", "--init-token", "--free", "--label", LABEL, *pins])
        assert done.returncode == 0, done.stderr

    def call(self, command, given=None):
        return run(command, self.environment, given)

    def write_pin(self, pin):
        self.pin_file.write_text(f"{pin}\n")
        self.pin_file.chmod(0o600)

    def import_key(self, countersign, document, attributes="object=main;id=%01", *arguments):
        """`countersign keys import-pkcs11`, with the key on standard input."""
        return self.call([countersign, "keys", "import-pkcs11", "--module", self.shim, "--pin-file", self.pin_file,
                          "--uri", f"pkcs11:token={LABEL};{attributes}", *arguments], given=document)

    def table(self, key_id, attributes="object=main", name="main", more=""):
        """The `[key.NAME]` of a key in this token."""
        names = ", ".join(f'"{name}"' for name in self.environment)
        return f"""\
[key.{name}]
kind = "pkcs11"
module = "{self.shim}"
uri = "pkcs11:token={LABEL};{attributes}"
pin_file = "{self.pin_file}"
access_key_id = "{key_id}"
environment = [{names}]
{more}
"""

    def pkcs11_tool(self, *arguments):
        """OpenSC's tool, past the shim: another program that speaks with tokens."""
        return self.call(["pkcs11-tool", "--module", module(), "--token-label", LABEL, *arguments])

    @property
    def logins(self):
        """How often anybody tried a PIN through the shim."""
        return self._noted("logins")

    @property
    def signs(self):
        """How often the token was asked for a MAC through the shim."""
        return self._noted("signs")

    def _noted(self, name):
        path = self.directory / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def wrong_pin_entered(self):
        """CKF_USER_PIN_COUNT_LOW, as another program reads it."""
        return bool(re.search(r"user PIN count low", self.pkcs11_tool("--list-slots").stdout))

    def tell_shim(self, name, value=""):
        (self.directory / f"{name}.new").write_text(value)
        (self.directory / f"{name}.new").rename(self.directory / name)

    def untell_shim(self, name):
        (self.directory / name).unlink()


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = pathlib.Path(__file__).with_name("pkcs11_shim.c")
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True,
                   timeout=TIMEOUT)
    return library


@pytest.fixture
def token(tmp_path, shim):
    return Token(tmp_path, shim)
