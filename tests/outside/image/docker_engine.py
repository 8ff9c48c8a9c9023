"""Docker's own engine in namespaces of its own: nothing of the machine's network, nothing that outlives the tests."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 120  # seconds


class Docker:
    """An engine with nothing in it."""

    def __init__(self, place):
        self.place = place
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{place}/docker.sock", "HOME": str(place)}
        self.environment.pop("DOCKER_CONTEXT", None)

    def run(self, *words, check=True, **options):
        """A command of Docker or Compose; what it printed on both streams."""
        command = [str(word) for word in words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
                              env=self.environment, check=False, **options)
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}"
        return done if not check else done.stdout

    def add(self, tag, root, *instructions):
        """An image from a root file system."""
        with tempfile.TemporaryDirectory(dir=self.place) as directory:
            recipe = pathlib.Path(directory) / "Containerfile"
            recipe.write_text("\n".join(["FROM scratch", "COPY . /", *instructions]) + "\n")
            self.run("docker", "build", "--quiet", "--file", recipe, "--tag", tag, root)


@contextlib.contextmanager
def engine():
    """Starts dockerd as it is packaged, without rules for a firewall and without a bridge to the outside."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="countersign-docker-"))
    log = place / "dockerd.log"
    daemon = ["dockerd", "--data-root", place / "data", "--exec-root", place / "exec", "--pidfile", place / "pid",
              "--host", f"unix://{place}/docker.sock", "--storage-driver", "vfs", "--bridge", "none",
              "--iptables=false", "--ip6tables=false"]
    # its mounts and its network end with it
    alone = ["unshare", "--mount", "--net", "--propagation", "private"]
    within = [*alone, "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in [*within, *daemon]], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT)
    docker = Docker(place)
    try:
        deadline = time.monotonic() + PATIENCE
        while docker.run("docker", "version", check=False).returncode != 0:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)
        yield docker
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(place, ignore_errors=True)
