"""Every place a key is kept, as a configuration and a way to put another key there."""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading

from softhsm import LABEL, Token, module

PLUGIN = pathlib.Path(__file__).parents[1] / "age_plugin" / "age-plugin-example"


class Store:
    """One key, in a directory that belongs to the user the service runs as."""

    environment = {}

    def close(self):
        """Ends what the store needed."""

    def __init__(self, program, directory, user):
        self.program = program
        self.directory = directory
        self.user = user

    def _command(self, *arguments, given=""):
        done = subprocess.run(
            [self.program, "keys", *arguments], input=given, text=True, capture_output=True, timeout=60, check=False,
            user=self.user, group=self.user, extra_groups=[], env={**os.environ, **self.environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


class Sealed(Store):
    """A file that age encrypted."""

    def __init__(self, program, directory, user):
        super().__init__(program, directory, user)
        self._command("new-identity", "--out", directory / "identity")

    def publish(self, key):
        replace = ["--force"] if (self.directory / "main.age").exists() else []
        self._command(
            "seal", "--identity", self.directory / "identity", "--out", self.directory / "main.age", *replace,
            given=json.dumps(key),
        )

    def table(self):
        return f'file = "{self.directory}/main.age"\nidentity_file = "{self.directory}/identity"'


class SealedForPlugin(Store):
    """A file that age encrypted, and that a plugin opens."""

    identity = "AGE-PLUGIN-EXAMPLE-1V9HZQETCV9KHQMR924NG6Y"
    recipient = "age1example1v9hzqetcv9khqmr98fhc45"

    def __init__(self, program, directory, user):
        super().__init__(program, directory, user)
        # not beside the keys: it writes into its directory
        plugins = directory / "plugins"
        plugins.mkdir()
        shutil.copy(PLUGIN, plugins)
        (directory / "identity").write_text(self.identity)
        (directory / "identity").chmod(0o400)
        for path in (plugins, *plugins.iterdir(), directory / "identity"):
            os.chown(path, user, user)
        self.environment = {"PATH": f"{plugins}:{os.environ['PATH']}"}

    def publish(self, key):
        self._command(
            "seal", "--recipient", self.recipient, "--out", self.directory / "main.age", "--force",
            given=json.dumps(key),
        )  # fmt: skip

    def table(self):
        return (
            f'file = "{self.directory}/main.age"\nidentity_file = "{self.directory}/identity"\nenvironment = ["PATH"]'
        )


class File(Store):
    """A file in plain."""

    path = property(lambda self: self.directory / "main.json")

    def publish(self, key):
        fresh = self.directory / "fresh"
        fresh.write_text(json.dumps(key))
        fresh.chmod(0o400)
        os.chown(fresh, self.user, self.user)
        fresh.rename(self.path)

    def table(self):
        return f'kind = "file"\nfile = "{self.path}"'


class Process(File):
    """A program that prints the key."""

    def table(self):
        return f'kind = "process"\ncommand = ["/bin/cat", "{self.path}"]'


class InToken(Store):
    """A token, in software: its module is in a process of its own."""

    def __init__(self, program, directory, user):
        super().__init__(program, directory, user)
        self.token = Token(directory, module())
        self.environment = self.token.environment

    def publish(self, key):
        lasting = {name: key[name] for name in ("Version", "AccessKeyId", "SecretAccessKey")}
        # as the user of the service: root does not trust files of others
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, self.user, self.user)
        self._command(
            "import-pkcs11", "--module", self.token.shim, "--pin-file", self.token.pin_file,
            "--uri", f"pkcs11:token={LABEL};object=main;id=%01", given=json.dumps(lasting),
        )  # fmt: skip
        self.key_id = key["AccessKeyId"]

    def table(self):
        return self.token.table(self.key_id).removeprefix("[key.main]\n")


class Aws(Store):
    """A container's endpoint, which AWS's crates ask. For a program with the feature `aws`."""

    def __init__(self, program, directory, user):
        super().__init__(program, directory, user)
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(store.answer)))
                self.end_headers()
                self.wfile.write(store.answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/key",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the-container-token",
        }

    def publish(self, key):
        fields = {"AccessKeyId", "SecretAccessKey", "Expiration"}
        given = {name: value for name, value in key.items() if name in fields}
        self.answer = json.dumps({**given, "Token": key["SessionToken"]}).encode()

    def table(self):
        return 'kind = "aws"\nsource = "container"'

    def close(self):
        self._server.shutdown()
        self._server.server_close()


# where this process computes the signatures
STORES = {"sealed": Sealed, "sealed for a plugin": SealedForPlugin, "file": File, "process": Process, "aws": Aws}
