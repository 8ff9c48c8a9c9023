"""The certificates of a fleet: one authority, one certificate for each replica and one for each client that has one."""

import dataclasses
import pathlib
import subprocess

# what every replica's certificate names, whichever replica the balancer chooses
FLEET_NAME = "fleet.example"

AUTHORITY_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = Fleet authority
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
"""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its private key."""

    certificate: pathlib.Path
    private_key: pathlib.Path


class Authority:
    """Issues certificates that are valid for two days."""

    def __init__(self, directory):
        self._directory = directory
        self._configuration = directory / "authority.cnf"
        self._configuration.write_text(AUTHORITY_CONFIGURATION)
        self._own = self._issue("authority", "-extensions", "authority")
        self.certificate = self._own.certificate

    def for_replica(self, name):
        """The common name tells clients which replica they are connected to; they verify the fleet's name."""
        return self._leaf(name, f"DNS:{FLEET_NAME}", "serverAuth")

    def for_client(self, name, subject_alternative_name):
        return self._leaf(name, subject_alternative_name, "clientAuth")

    def _leaf(self, name, subject_alternative_name, usage):
        return self._issue(
            name, "-subj", f"/CN={name}", "-CA", self._own.certificate, "-CAkey", self._own.private_key,
            "-addext", "basicConstraints=critical,CA:false", "-addext", f"extendedKeyUsage={usage}",
            "-addext", f"subjectAltName={subject_alternative_name}",
        )

    def _issue(self, name, *arguments):
        made = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        command = [
            "openssl", "req", "-x509", "-config", self._configuration, "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2", "-out", made.certificate, "-keyout",
            made.private_key, *arguments,
        ]
        subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)
        return made
