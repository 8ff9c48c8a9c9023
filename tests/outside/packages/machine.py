"""A system with a real systemd in which packages are installed: steps go in, what they said comes out."""

import dataclasses
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 400  # seconds

# What the steps may call. `await` is for what takes a moment, and gives up after a minute.
PRELUDE = r"""
await() {
    local i
    for i in $(seq 600); do
        if eval "$1" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "this did not come true: $1"
    return 1
}
show() { systemctl show --property="$2" --value "$1"; }
# every file that an installation could leave; what the system itself changes is left out
files() {
    find /etc /usr /var /run /root -xdev \( -path /run/systemd -o -path /run/credentials -o -path /run/dbus \
        -o -path /run/log -o -path /var/log/journal -o -path /var/lib/dpkg -o -path /var/lib/rpm -o -path /var/cache \
        -o -path /var/lib/systemd -o -path /var/lib/apt -o -path /run/udev -o -path '/etc/ld.so.cache' \
        -o -path '/var/log/*.log' -o -path /var/log/apt -o -path /var/tmp \
        -o -path /run/lock -o -path '/run/user' -o -path '/etc/*-' \) \
        -prune -o -print | sort
}
"""


@dataclasses.dataclass(frozen=True)
class Said:
    """What a step wrote to both streams, and its exit code."""

    code: int
    text: str

    @property
    def lines(self):
        return self.text.splitlines()

    def well(self):
        """The lines of a step that succeeded."""
        assert self.code == 0, f"{self.code}\n{self.text}"
        return self.lines


def boot(root, directory, given, steps):
    """Boots a copy of the root, runs the steps in one shell, and returns what each said, by its name. `given` are files
    that the steps find in /given."""
    files = directory / "given"
    files.mkdir()
    for name, path in given.items():
        shutil.copy(path, files / name)
    script = [PRELUDE]
    for name, text in steps.items():
        script.append(f"echo '=== {name}'\n{{\n{text.strip()}\n}} 2>&1\nprintf '\\n=== ended %d\\n' $?\n")
    path = directory / "script"
    path.write_text("".join(script) + "echo '=== end'\n")
    done = subprocess.run([HERE / "boot", root, path, files], capture_output=True, text=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, check=False, errors="replace")
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    found = re.findall(r"^=== (.*)\n((?s:.*?))\n?=== ended (\d+)$", done.stdout, re.MULTILINE)
    said = {name: Said(int(code), text.strip("\n")) for name, text, code in found}
    assert list(said) == list(steps), done.stdout
    return said
