"""packaging/project.env is the only place that names the publisher's hosts, and every copy of a value equals it."""

import re
import subprocess
from urllib.parse import urlsplit

import pytest
from project_env import PATH, PROJECT, TOP

# Files in which a value has to stand literally, because nothing that reads packaging/project.env writes them.
COPIES = {
    ".github/CODEOWNERS": ("MAINTAINER",),
    ".github/ISSUE_TEMPLATE/config.yml": ("REPOSITORY_URL",),
    "CHANGELOG.md": ("REPOSITORY_URL",),
    "Cargo.toml": ("REPOSITORY_URL", "HOMEPAGE_URL"),
    "deploy/helm/countersign-sidecar/Chart.yaml": ("REPOSITORY_URL", "HOMEPAGE_URL"),
    "deploy/helm/countersign-sidecar/values.yaml": ("IMAGE_REPOSITORY",),
    "deploy/helm/countersign/Chart.yaml": ("REPOSITORY_URL", "HOMEPAGE_URL"),
    "deploy/helm/countersign/values.yaml": ("IMAGE_REPOSITORY",),
    # made of those by deploy/helm/generate
    "deploy/helm/countersign-sidecar/README.md": ("IMAGE_REPOSITORY",),
    "deploy/helm/countersign-sidecar/values.schema.json": ("IMAGE_REPOSITORY",),
    "deploy/helm/countersign/README.md": ("IMAGE_REPOSITORY",),
    "deploy/helm/countersign/values.schema.json": ("IMAGE_REPOSITORY",),
    "src/secret_memory/Cargo.toml": ("REPOSITORY_URL", "HOMEPAGE_URL"),
    "src/secret_memory/README.md": ("REPOSITORY_URL",),
}

KEYS = {"NAME", "MAINTAINER", "REPOSITORY_URL", "HOMEPAGE_URL", "IMAGE_REPOSITORY", "CHART_REPOSITORY"}


def hosts():
    """The hosts of all values; the maintainer's is the one of the address."""
    for key, value in PROJECT.items():
        if key == "MAINTAINER":
            yield value.rpartition("@")[2].rstrip(">")
        elif key != "NAME":
            yield urlsplit(value if "://" in value else f"//{value}").hostname


def tracked():
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], capture_output=True, check=True).stdout
    return [TOP / name for name in listed.decode().split("\0") if name]


def test_the_file_has_the_values_that_the_artefacts_need():
    assert PROJECT.keys() == KEYS
    assert all(PROJECT.values())
    assert re.fullmatch(r"[^<>]+ <[^@<> ]+@[^@<> ]+>", PROJECT["MAINTAINER"])
    for key in ("REPOSITORY_URL", "HOMEPAGE_URL"):
        assert PROJECT[key].startswith("https://"), key
    assert PROJECT["CHART_REPOSITORY"].startswith("oci://")
    assert "://" not in PROJECT["IMAGE_REPOSITORY"] and ":" not in PROJECT["IMAGE_REPOSITORY"]


def test_a_shell_reads_the_same_values_as_python():
    script = '. "$1"; shift; for key; do printf "%s=%s\\n" "$key" "${!key}"; done'
    done = subprocess.run(["bash", "-euc", script, "bash", PATH, *PROJECT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{key}={value}" for key, value in PROJECT.items()]
    assert done.stderr == ""


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in COPIES.items() for key in keys])
def test_a_copy_of_a_value_equals_it(name, key):
    assert PROJECT[key] in (TOP / name).read_text(), f"{name} must contain {key} of {PATH}: {PROJECT[key]}"


def test_no_other_file_names_a_host_of_the_publisher():
    allowed = {PATH, *(TOP / name for name in COPIES)}
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(host)}(?![\w-])" for host in sorted(set(hosts()))).encode())
    others = [path for path in tracked() if path not in allowed and path.is_file()]
    naming = [path for path in others if pattern.search(path.read_bytes())]
    assert not naming, f"these have to read {PATH}, or be listed in COPIES: {naming}"
