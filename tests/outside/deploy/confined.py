"""Starts a command under what deploy/systemd/countersign.service forbids, without a running systemd.

usage: confined.py UNIT COMMAND...      (`confined.py UNIT --probe` says what is refused, and starts nothing)

The unit's SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute, LimitCORE and UMask are applied as
systemd applies them, then the command runs as an ordinary user who can gain no rights. Needs root, libseccomp and
systemd-analyze (which knows what `@system-service` means).
"""

import ctypes
import errno
import mmap
import os
import resource
import socket
import subprocess
import sys

UID = 65532
ALLOW = 0x7FFF0000
EQUAL, MASKED_EQUAL = 4, 7


def refuse(number):
    return 0x00050000 | number


class Condition(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp."""

    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    """One seccomp filter; several may be loaded, and each has to agree."""

    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Condition),
    ]

    def __init__(self, otherwise):
        self.context = self.library.seccomp_init(otherwise)
        assert self.context

    def rule(self, action, name, *conditions):
        number = self.library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # a call of another processor
        array = (Condition * len(conditions))(*conditions)
        failed = self.library.seccomp_rule_add_array(self.context, action, number, len(conditions), array)
        assert failed == 0, f"{name}: {os.strerror(-failed)}"

    def load(self):
        failed = self.library.seccomp_load(self.context)
        assert failed == 0, os.strerror(-failed)


def settings(unit, key):
    with open(unit, encoding="utf-8") as lines:
        return [line.split("=", 1)[1].strip() for line in lines if line.startswith(key + "=")]


def expand(words):
    """The calls behind `@group` names."""
    calls = set()
    for word in words:
        if not word.startswith("@"):
            calls.add(word)
            continue
        listing = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", word],
                                 check=True, capture_output=True, text=True)
        members = [line.strip() for line in listing.stdout.splitlines()[1:]]
        calls |= expand([member for member in members if member and not member.startswith("#")])
    return calls


def allowed_calls(unit):
    first, *others = settings(unit, "SystemCallFilter")
    assert not first.startswith("~"), "the first line lists what is allowed"
    calls = expand(first.split())
    for line in others:
        change = expand(line.removeprefix("~").split())
        calls = calls - change if line.startswith("~") else calls | change
    return calls | expand(["@default"])


def confine(unit):
    calls = Filter(refuse(errno.EPERM))
    for name in sorted(allowed_calls(unit)):
        calls.rule(ALLOW, name)

    rest = Filter(ALLOW)
    (families,) = settings(unit, "RestrictAddressFamilies")
    allowed = {getattr(socket, name) for name in families.split()}
    for family in range(46):  # AF_MAX
        if family not in allowed:
            rest.rule(refuse(errno.EAFNOSUPPORT), "socket", Condition(0, EQUAL, family, 0))
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        both = mmap.PROT_WRITE | mmap.PROT_EXEC
        rest.rule(refuse(errno.EPERM), "mmap", Condition(2, MASKED_EQUAL, both, both))
        for name in ("mprotect", "pkey_mprotect"):
            rest.rule(refuse(errno.EPERM), name, Condition(2, MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC))

    (core,) = settings(unit, "LimitCORE")
    resource.setrlimit(resource.RLIMIT_CORE, (int(core), int(core)))
    (umask,) = settings(unit, "UMask")
    os.umask(int(umask, 8))
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    rest.load()
    calls.load()


def probe():
    """One line for each thing tried: its name, and the error."""

    def attempt(name, action):
        try:
            action()
            print(name, "allowed")
        except OSError as error:
            print(name, errno.errorcode[error.errno])

    attempt("chroot", lambda: os.chroot("/"))
    attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))
    attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close())
    attempt("inet", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close())
    both = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    attempt("writable code", lambda: mmap.mmap(-1, 4096, prot=both).close())
    attempt("fork", lambda: os.waitpid(os.fork() or os._exit(0), 0))
    attempt("setuid", lambda: os.setuid(0))
    print("uid", os.getuid())


def main():
    unit, *command = sys.argv[1:]
    confine(unit)
    if command == ["--probe"]:
        probe()
        sys.stdout.flush()
        os._exit(0)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
