"""The key of a fleet: one sealed file that all replicas read, replaced as people replace it."""

import itertools
import json
import subprocess

from chaos import KEYS

# for the way past all replicas
BARE_KEY, *ROTATED = KEYS


class SealedKey:
    """`main.age` and its identity. Each endpoint is told of a new key before replicas can have it."""

    def __init__(self, binary, directory, endpoints):
        self._binary, self._endpoints = binary, endpoints
        self.file, self.identity = directory / "main.age", directory / "identity"
        self._keys = itertools.cycle(ROTATED)
        self._command("new-identity", "--out", self.identity)

    def rotate(self):
        key_id, secret = next(self._keys)
        for endpoint in self._endpoints:
            endpoint.add_key(key_id, secret)
        document = {"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret}
        new = self.file.with_suffix(".new")
        new.unlink(missing_ok=True)
        self._command("seal", "--identity", self.identity, "--out", new, given=json.dumps(document))
        new.rename(self.file)

    def _command(self, *arguments, given=None):
        subprocess.run(
            [self._binary, "keys", *map(str, arguments)], input=given, text=True, check=True, capture_output=True
        )
