"""Ports for programs that have to be told theirs before they start."""

import pathlib
import random
import socket

# what the kernel gives to whoever asks for any port, and to connections, begins here
EPHEMERAL = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
LOWEST = 10_000
CHOICE = random.SystemRandom()
given = set()


def free_port():
    """A free port that nobody is given who asks for any: it is still free when the program starts."""
    for _ in range(1000):
        port = CHOICE.randrange(LOWEST, EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port
    raise AssertionError(f"no port from {LOWEST} to {EPHEMERAL} is free")
