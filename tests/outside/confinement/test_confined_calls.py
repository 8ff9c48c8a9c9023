"""What code could do that has taken the confined process over: every call is made from inside the running program."""

import errno
import os
import signal
import socket

import debugger
import pytest
from service import PATIENCE, Service
from test_audit_daemons import Journal, Syslog

UDP = {
    "UDP": ("socket", socket.AF_INET, socket.SOCK_DGRAM, 0),
    "UDP over IPv6": ("socket", socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 17),
}
UNIX = {"a Unix socket for datagrams": ("socket", socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)}
NETLINK = {"netlink for socket diagnostics": ("socket", socket.AF_NETLINK, socket.SOCK_DGRAM, 4)}
TCP = {
    "TCP": ("socket", socket.AF_INET, socket.SOCK_STREAM, 0),
    "TCP over IPv6": ("socket", socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 6),
}

MPTCP, FAST_OPEN = 262, 0x20000000
NEW_USERS, NEW_MOUNTS, THREAD = 0x10000000, 0x00020000, 0x00010900
NEVER = {
    # sockets that Landlock does not restrict, and other ways to one
    "MPTCP": ("socket", socket.AF_INET, socket.SOCK_STREAM, MPTCP),
    "MPTCP over IPv6": ("socket", socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, MPTCP),
    "SCTP": ("socket", socket.AF_INET, socket.SOCK_STREAM, 132),
    "raw IP": ("socket", socket.AF_INET, socket.SOCK_RAW, 1),
    "packets": ("socket", socket.AF_PACKET, socket.SOCK_RAW, 0),
    "netlink for routes": ("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "the kernel's ciphers": ("socket", socket.AF_ALG, socket.SOCK_SEQPACKET, 0),
    "virtual machines": ("socket", socket.AF_VSOCK, socket.SOCK_STREAM, 0),
    "a Unix stream": ("socket", socket.AF_UNIX, socket.SOCK_STREAM, 0),
    "a Unix packet socket": ("socket", socket.AF_UNIX, socket.SOCK_SEQPACKET, 0),
    "a pair of sockets": ("socketpair", socket.AF_UNIX, socket.SOCK_DGRAM, 0, 0),
    "io_uring": ("io_uring_setup", 8, 0),
    "a descriptor of another process": ("pidfd_getfd", -1, 0, 0),
    "a process by its descriptor": ("pidfd_open", 1, 0),
    "descriptors in messages": ("recvmsg", -1, 0, 0),
    # connections that are made without connect()
    "sendto with MSG_FASTOPEN": ("sendto", -1, 0, 0, FAST_OPEN, 0, 0),
    "sendmsg with MSG_FASTOPEN": ("sendmsg", -1, 0, FAST_OPEN),
    "sendmmsg with MSG_FASTOPEN": ("sendmmsg", -1, 0, 0, FAST_OPEN),
    "TCP_FASTOPEN_CONNECT": ("setsockopt", -1, socket.IPPROTO_TCP, 30, 0, 0),
    "TCP_REPAIR": ("setsockopt", -1, socket.IPPROTO_TCP, 19, 0, 0),
    "TCP_ULP": ("setsockopt", -1, socket.IPPROTO_TCP, 31, 0, 0),
    "a filter on a socket": ("setsockopt", -1, socket.SOL_SOCKET, 26, 0, 0),
    "listen": ("listen", -1, 1),
    # signals by descriptors
    "F_SETOWN": ("fcntl", 1, 8, 1),
    "F_SETSIG": ("fcntl", 1, 10, 9),
    "F_SETOWN_EX": ("fcntl", 1, 15, 0),
    "O_ASYNC": ("fcntl", 1, 4, os.O_ASYNC),
    "FIOASYNC": ("ioctl", 1, 0x5452, 0),
    "FIOSETOWN": ("ioctl", 1, 0x8901, 0),
    "SIOCSPGRP": ("ioctl", 1, 0x8902, 0),
    # other processes, programs and memory
    "ptrace": ("ptrace", 16, 1, 0, 0),
    "process_vm_readv": ("process_vm_readv", 1, 0, 0, 0, 0, 0),
    "process_vm_writev": ("process_vm_writev", 1, 0, 0, 0, 0, 0),
    "a program": ("execve", 0, 0, 0),
    "a process": ("clone", 17, 0, 0, 0, 0),
    "a thread with mounts of its own": ("clone", THREAD | NEW_MOUNTS, 0, 0, 0, 0),
    "memory with a descriptor": ("memfd_create", 0, 0),
    "memory that is written and executed": ("mmap", 0, 4096, 7, 0x22, -1, 0),
    # what confines it
    "becoming dumpable": ("prctl", 4, 1, 0, 0, 0),
    "an ambient capability": ("prctl", 47, 2, 21, 0, 0),
    "capset": ("capset", 0, 0),
    "another user": ("setresuid", 0, 0, 0),
    "personality": ("personality", 0x0040000),
    "namespaces": ("unshare", NEW_USERS | NEW_MOUNTS),
    "another namespace": ("setns", -1, 0),
    "a mount": ("mount", 0, 0, 0, 0, 0),
    "another root": ("chroot", 0),
    "another filter": ("seccomp", 0, 0, 0),
    "a program in the kernel": ("bpf", 0, 0, 0),
}

# with other errors: a newer call for which the C library falls back to an older one; a file that Landlock closes
OTHERWISE = {
    "clone3": (("clone3", 0, 0), errno.ENOSYS),
    "kill": (("kill", 1, 0), errno.ENOSYS),
    "writing its own memory": (("openat", -100, "/proc/self/mem", os.O_RDWR, 0), errno.EACCES),
    "the password file": (("openat", -100, "/etc/shadow", os.O_RDONLY, 0), errno.EACCES),
}

OWNERS = """
[listener.owned]
address = "127.0.0.1:0"
authenticate = ["loopback-owner"]
[client.c]
uid = 0
allow = ["main:*"]
"""

# what each configuration has beside TCP: the endpoint's host, the end of the configuration, the daemon, the sockets
KINDS = {
    "an address": ("127.0.0.1", "", None, {}),
    "a name": ("localhost", "", None, UDP),
    "owners": ("127.0.0.1", OWNERS, None, NETLINK),
    "the journal": ("127.0.0.1", '[audit]\ntarget = "journald"\n', Journal, UNIX),
    "syslog": ("127.0.0.1", '[audit]\ntarget = "syslog"\n', Syslog, UNIX),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_was_taken_over_reaches_nothing_but_what_its_configuration_needs(tmp_path, kind):
    assert os.geteuid() == 0, "this test attaches to a process of root: run it as root"
    host, more, daemon, needed = KINDS[kind]
    (tmp_path / "daemon").mkdir()
    daemon = daemon and daemon(tmp_path / "daemon")
    service = None
    try:
        service = Service(tmp_path, host, more, daemon.enter() if daemon else ())
        service.call()
        expected = {name: (call, 0) for name, call in {**TCP, **needed}.items()}
        for name, call in {**UDP, **UNIX, **NETLINK, **NEVER}.items():
            expected.setdefault(name, (call, errno.EPERM))
        expected |= OTHERWISE
        expected = {name: value for name, value in expected.items() if debugger.exists(value[0][0])}
        found = debugger.outcomes(service.pid, [call for call, _ in expected.values()])
        wrong = {
            name: errno.errorcode.get(error, error)
            for (name, (_, wanted)), error in zip(expected.items(), found, strict=True)
            if error != wanted
        }
        assert wrong == {}
        # and it has taken no harm
        service.call()
        service.child.send_signal(signal.SIGTERM)
        assert service.child.wait(PATIENCE) == 0, service.log.read_text()
    finally:
        if service:
            service.end()
        if daemon:
            daemon.end()
