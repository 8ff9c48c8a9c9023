"""Debian's docker-registry on a free port of this machine."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

CONFIGURATION = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: {address}}}
"""
MANIFESTS = ", ".join(
    f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index")
)


class Registry:
    """Runs inside `with`. Nobody has to log in, and it speaks plain HTTP."""

    def __init__(self, path):
        path.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.file = path / "config.yml"
        self.file.write_text(CONFIGURATION.format(root=path / "data", address=self.address))
        # what skopeo reads with this directory as HOME: the registry has no TLS
        self.home = path
        (path / ".config/containers").mkdir(parents=True)
        insecure = f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n'
        (path / ".config/containers/registries.conf").write_text(insecure)
        self.log = path / "log"

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.file], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.get("/v2/")
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def get(self, path, **headers):
        request = urllib.request.Request(f"http://{self.address}{path}", headers=headers)
        return urllib.request.urlopen(request, timeout=60)

    def digest(self, repository, tag):
        with self.get(f"/v2/{repository}/manifests/{tag}", Accept=MANIFESTS) as response:
            return response.headers["Docker-Content-Digest"]

    def repositories(self):
        with self.get("/v2/_catalog") as response:
            return json.load(response)["repositories"]
