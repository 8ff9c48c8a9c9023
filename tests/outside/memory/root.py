"""What root can try to read the memory of another process without having it run anything."""

import ctypes
import errno
import mmap
import os
import pathlib

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
# the same number on every processor
PIDFD_OPEN, PIDFD_GETFD, MEMFD_SECRET = 434, 438, 447
PTRACE_PEEKDATA, PTRACE_ATTACH, PTRACE_DETACH = 2, 16, 17


def call(number, *arguments):
    result = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def taken_descriptors(pid):
    """Every descriptor of a process as one of ours: what it refers to, and the descriptor."""
    pidfd = call(PIDFD_OPEN, pid, 0)
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            taken = call(PIDFD_GETFD, pidfd, int(entry.name), 0)
        except OSError as error:
            if error.errno == errno.EBADF:
                continue  # a connection that has ended since
            raise
        yield os.readlink(f"/proc/self/fd/{taken}"), taken
        os.close(taken)
    os.close(pidfd)


def mapped(descriptor, length):
    """What a descriptor's memory holds."""
    with mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
        return memory[:]


def read_mem(pid, address):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(8)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def process_vm_readv(pid, address):
    buffer = ctypes.create_string_buffer(8)
    ours, theirs = Vector(ctypes.addressof(buffer), 8), Vector(address, 8)
    if LIBC.process_vm_readv(pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0) != 8:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return buffer.raw


def ptrace_peek(pid, address):
    if LIBC.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
        raise RuntimeError(os.strerror(ctypes.get_errno()))
    os.waitpid(pid, 0x40000000)  # __WALL
    try:
        ctypes.set_errno(0)
        word = LIBC.ptrace(PTRACE_PEEKDATA, pid, address, None)
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), "PTRACE_PEEKDATA")
        return word.to_bytes(8, "little", signed=True)
    finally:
        LIBC.ptrace(PTRACE_DETACH, pid, None, None)


READERS = [read_mem, process_vm_readv, ptrace_peek]
