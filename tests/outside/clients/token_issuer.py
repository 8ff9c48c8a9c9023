"""A cluster's issuer of service-account tokens, made with openssl: its keys as a JWKS document, and tokens of any
claims."""

import base64
import json
import subprocess
import time

ISSUER = "https://issuer.example"
TIMEOUT = 60  # seconds


def openssl(directory, *arguments, given=None):
    done = subprocess.run(
        ["openssl", *arguments], cwd=directory, input=given, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Keys called `one`, `two`, ..., made when they are first used."""

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "jwks.json"
        self.file.write_bytes(self.jwks("one"))

    def jwks(self, *names):
        """The document that publishes these keys."""
        return json.dumps({"keys": [self._public(name) for name in names]}).encode()

    def token(self, key="one", **claims):
        """A good token but for these claims, signed with this key."""
        now = int(time.time())
        standard = {"iss": ISSUER, "aud": ["countersign"], "iat": now, "exp": now + 600,
                    "sub": "system:serviceaccount:shop:billing"}
        parts = [{"alg": "RS256", "kid": key, "typ": "JWT"}, standard | claims]
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        signature = openssl(self.directory, "dgst", "-sha256", "-sign", self._private(key), given=signed.encode())
        return f"{signed}.{base64url(signature)}"

    def _private(self, name):
        file = self.directory / f"{name}.pem"
        if not file.exists():
            openssl(self.directory, "genrsa", "-out", file, "2048")
        return file

    def _public(self, name):
        modulus = openssl(self.directory, "rsa", "-in", self._private(name), "-noout", "-modulus")
        number = bytes.fromhex(modulus.decode().strip().partition("=")[2])
        return {"kty": "RSA", "kid": name, "alg": "RS256", "use": "sig", "n": base64url(number), "e": "AQAB"}
