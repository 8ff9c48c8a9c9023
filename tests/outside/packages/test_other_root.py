"""The deb put into another root, as builders of images do it: nothing of it happens in the system that runs."""

import pathlib

from packaging_commands import run

SCRIPT = r"""
set -eu
memory=$(mktemp -d)
mount -t tmpfs tmpfs "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root"
other=$memory/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=$memory/upper,workdir=$memory/work" "$other"
dpkg="dpkg --root=$other --force-script-chrootless"
$dpkg --install "$2" >&2
stat -c '%A %n' "$other/etc/countersign" "$other/run/countersign" "$other/etc/credstore.encrypted" | sed "s|$other||"
echo key >"$other/etc/credstore.encrypted/countersign-key"
$dpkg --purge countersign >&2
ls "$other/etc/countersign" "$other/etc/credstore.encrypted/countersign-key" 2>/dev/null || echo purged
umount "$other" "$memory"
rmdir "$memory"
"""
PATHS = ["/etc/countersign", "/run/countersign", "/etc/credstore.encrypted/countersign-key", "/usr/bin/countersign"]


def test_a_package_is_installed_and_purged_in_another_root_without_touching_this_one(root, deb):
    there = [path for path in PATHS if pathlib.Path(path).exists()]
    said = run("unshare", "--mount", "--propagation", "private", "bash", "-c", SCRIPT, "bash", root, deb("countersign"))
    assert said.splitlines() == [
        "drwxr-x--- /etc/countersign",
        "drwxr-xr-x /run/countersign",
        "drwx------ /etc/credstore.encrypted",
        "purged",
    ]
    assert [path for path in PATHS if pathlib.Path(path).exists()] == there
