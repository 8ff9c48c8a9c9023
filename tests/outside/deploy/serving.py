"""Runs `countersign run` the way a supervisor does: a notify socket, probes on the admin port, signals."""

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import stat
import subprocess
import time

from free_ports import free_port

PATIENCE = 60  # seconds


class Serving:
    """A running countersign."""

    def __init__(self, process, notify, admin_port, log):
        self.process, self.notify, self.admin_port, self.log = process, notify, admin_port, log

    def output(self):
        return self.log.read_text(errors="replace")

    def probe(self, path):
        """The status the kubelet would see; None when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def wait_for_probe(self, path, status=200, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while (seen := self.probe(path)) != status:
            assert self.process.poll() is None, f"ended with {self.process.returncode}\n{self.output()}"
            assert time.monotonic() < deadline, f"{path} answers {seen}, not {status}\n{self.output()}"
            time.sleep(0.05)

    def wait_for_output(self, text, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self.process.poll() is None, f"ended with {self.process.returncode}\n{self.output()}"
            assert time.monotonic() < deadline, f"no {text} in {seconds} s\n{self.output()}"
            time.sleep(0.05)

    def wait_for_notice(self, text, seconds=PATIENCE):
        """Waits for a line of systemd's protocol, and returns all that came up to the end of its message."""
        deadline = time.monotonic() + seconds
        seen = []
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                seen += self.notify.recv(4096).decode().splitlines()
                if text in seen:
                    return seen
            assert self.process.poll() is None or text in seen, f"ended without {text}: {seen}\n{self.output()}"
        raise AssertionError(f"no {text} in {seconds} s, only {seen}\n{self.output()}")

    def inner_pid(self):
        """The one child of the process started: what `unshare` runs as process 1."""
        pid = self.process.pid
        (child,) = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)

    def end(self, pid=None, seconds=PATIENCE):
        """SIGTERM, and the exit code."""
        os.kill(pid or self.process.pid, signal.SIGTERM)
        return self.process.wait(timeout=seconds)


# `check` listens for an instant, at the usual ports: in a network of its own they are never taken.
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def container(image, *words, user="65532:65532", groups="65532"):
    """The command that runs the image's program as a container engine would: as process 1, with its own /proc."""
    (image / "proc").mkdir(exist_ok=True)
    enter = ["chroot", f"--userspec={user}", f"--groups={groups}", image, "/usr/bin/countersign", *words]
    return ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={image / 'proc'}", *enter]


def give_devices(image):
    """What every engine gives a container: a process without a standard input needs /dev/null."""
    (image / "dev").mkdir()
    os.mknod(image / "dev/null", stat.S_IFCHR, os.makedev(1, 3))
    (image / "dev/null").chmod(0o666)


@contextlib.contextmanager
def serving(command, place, environment):
    """Starts `command` on free ports: the environment's layer lies over the file, which stays as it is shipped."""
    admin_port = free_port()
    path = place / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(0.2)
        path.chmod(0o777)
        log = place / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "NOTIFY_SOCKET": str(path),
                    "COUNTERSIGN__ADMIN__ADDRESS": f"127.0.0.1:{admin_port}",
                    "COUNTERSIGN__LISTENER__LOCAL__ADDRESS": f"127.0.0.1:{free_port()}",
                    **environment,
                },
            )
        try:
            yield Serving(process, notify, admin_port, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
