"""Network namespaces for what Compose runs in containers: one for each service, all of them on one bridge."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time

PATIENCE = 60  # seconds


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=PATIENCE)


@contextlib.contextmanager
def connected(*services):
    """A namespace and an address for each service, in one network, which has no way out."""
    switch = f"cs-{os.getpid()}-switch"
    with contextlib.ExitStack() as stack:

        def namespace(name):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")

        namespace(switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        made = {}
        for number, service in enumerate(services, 2):
            name, address = f"cs-{os.getpid()}-{service}", f"10.213.7.{number}"
            namespace(name)
            plug = f"plug{number}"
            ip("-n", name, "link", "add", "cable", "type", "veth", "peer", "name", plug, "netns", switch)
            ip("-n", switch, "link", "set", plug, "master", "bridge", "up")
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            made[service] = (name, address)
        yield made


@contextlib.contextmanager
def started(command, log, **environment):
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], **environment})
    try:
        yield process
    finally:
        # process 1 of the container first: a change of user makes the kernel forget --kill-child
        if process.poll() is None:
            for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        process.kill()
        process.wait()


def line_of(process, log, pattern):
    """Waits for a line of the log."""
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(pattern, log.read_text(errors="replace"))):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.05)
    return found
