"""Has a running process make system calls, as code would that has taken it over. Needs root and gdb."""

import functools
import re
import subprocess

from confined import Filter

TIMEOUT = 240  # seconds; gdb reads the symbols of a debug build on a busy machine

# for a call with numbers as its arguments, and for one with a path as its second
NUMBERS = "((long (*)(long, long, long, long, long, long, long))syscall)"
PATH = "((long (*)(long, long, char *, long, long))syscall)"


@functools.cache
def number(name):
    found = Filter.library.seccomp_syscall_resolve_name(name.encode())
    assert found >= 0, f"there is no system call {name}"
    return found


def exists(name):
    return Filter.library.seccomp_syscall_resolve_name(name.encode()) >= 0


def expression(name, arguments):
    if any(isinstance(argument, str) for argument in arguments):
        shown = ", ".join(f'"{argument}"' if isinstance(argument, str) else str(argument) for argument in arguments)
        return f"{PATH}({number(name)}, {shown})"
    padded = [*arguments, *[0] * (6 - len(arguments))]
    return f"{NUMBERS}({number(name)}, {', '.join(map(str, padded))})"


def outcomes(pid, calls):
    """Makes each call, a name and its arguments, in the process: 0 if it succeeds, else the error."""
    script = ["set pagination off", "set confirm off"]
    for name, *arguments in calls:
        script += [
            f"set $result = {expression(name, arguments)}",
            "set $error = *((int *(*)(void))__errno_location)()",
            r'printf "\nOUTCOME %ld %d\n", $result, $error',
        ]
    script.append("detach")
    commands = [word for line in script for word in ("-ex", line)]
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off", "-p", str(pid),
         *commands],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    found = re.findall(r"^OUTCOME (-?\d+) (\d+)$", done.stdout, re.M)
    assert len(found) == len(calls), f"{done.stdout}\n{done.stderr}"
    return [int(error) if int(result) == -1 else 0 for result, error in found]
