"""Renders kustomizations with kubectl."""

import subprocess

import yaml


def rendered(kubectl, folder, succeeds=True):
    """The documents that a kustomization makes, or what kubectl says of one that it refuses."""
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60,
                          env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
    if not succeeds:
        assert done.returncode != 0, done.stdout
        return done.stderr
    assert done.returncode == 0, done.stderr
    # kubectl says on standard error what is deprecated or ignored
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))
