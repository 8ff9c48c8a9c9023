"""A name server of which a test decides what it answers, at an address of loopback of its own.

Its port has to be 53: a resolv.conf has no place for another. So tests that use it run as root.
"""

import errno
import random
import socket
import struct
import threading

NAME_ERROR, SERVER_FAILURE, A = 3, 2, 1


class NameServer:
    """Answers every question for an IPv4 address with `address`, in the way that `conduct` says: "answer", "fail"
    (SERVFAIL), "deny" (NXDOMAIN), "ignore", or "hold" (answered when the conduct changes).
    """

    def __init__(self, address):
        self.address, self.conduct = address, "answer"
        self.asked = []  # the names, of each question for an IPv4 address
        self.ignored = 0  # how many more questions to ignore
        self._held = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.at = self._bind()
        threading.Thread(target=self._serve, daemon=True).start()

    def _bind(self):
        while True:
            at = f"127.{random.randrange(64, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
            try:
                self._socket.bind((at, 53))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return at

    def behave(self, conduct):
        self.conduct = conduct
        held, self._held = self._held, []
        for question, client in held:
            self._answer(question, client)

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                question, client = self._socket.recvfrom(4096)
            except OSError:
                return
            name, kind = parsed(question)
            if kind == A:
                self.asked.append(name)
            if self.ignored > 0:
                self.ignored -= 1
            elif self.conduct == "hold":
                self._held.append((question, client))
            elif self.conduct != "ignore":
                self._answer(question, client)

    def _answer(self, question, client):
        _, kind = parsed(question)
        code = {"fail": SERVER_FAILURE, "deny": NAME_ERROR}.get(self.conduct, 0)
        found = code == 0 and kind == A
        header = struct.pack(">2sHHHHH", question[:2], 0x8180 | code, 1, int(found), 0, 0)
        # the question again, without the options that may follow it
        asked = question[12 : question.index(b"\0", 12) + 5]
        record = struct.pack(">HHHIH4s", 0xC00C, A, 1, 1, 4, socket.inet_aton(self.address)) if found else b""
        self._socket.sendto(header + asked + record, client)


def parsed(question):
    """The name and the kind of a question."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), struct.unpack(">H", question[at + 1 : at + 3])[0]
