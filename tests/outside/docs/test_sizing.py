"""The sizes that docs/operations/sizing.md recommends are enough for the worst case that the program computes from
them."""

import os
import pathlib
import re
import resource
import subprocess
import tomllib

import pytest
import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/operations/sizing.md"
COLUMNS = ["expected", "workers", "connections", "in_flight", "bodies", "memory", "descriptors"]
# what the program takes beside what clients can make it use
PROGRAM = 32  # MiB

CONFIGURATION = """
[listener.local]
any_local = true
limits.connections = {connections}

[route.importexport]
endpoint = "https://importexport.amazonaws.com/"
limits.in_flight = {in_flight}

[key.main]
file = "main.age"
identity_file = "identity.txt"

[process]
bodies = "{bodies}"
"""


def rows():
    """The rows of the table whose first column says what is expected."""
    lines = PAGE.read_text().partition("| you expect |")[2].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells]


def mebibytes(text):
    number, unit = text.split()
    return int(number) * {"MiB": 1, "GiB": 1024}[unit]


def checked(countersign_bin, configuration, descriptors, environment=None):
    """What `check` prints of a configuration when the system gives that many descriptors. The key is not there, and the
    usual ports may be in use."""
    tables = tomllib.loads(pathlib.Path(configuration).read_text())
    listeners = {name: listener.get("address", "") for name, listener in tables["listener"].items()}
    free = {f"COUNTERSIGN__LISTENER__{name.upper()}__ADDRESS": "127.0.0.1:0"
            for name, address in listeners.items() if ":/" not in address and "systemd" not in address}
    free |= {"COUNTERSIGN__ADMIN__ADDRESS": "127.0.0.1:0"} if "admin" in tables else {}
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))  # noqa: E731
    done = subprocess.run([countersign_bin, "check", "--config", configuration], preexec_fn=limit, capture_output=True,
                          text=True, timeout=60, check=False, env={**os.environ, **free, **(environment or {})})
    return done.stdout


def worst_case(printed):
    return int(re.search(r"memory that clients can have used: at most (\d+) MiB", printed)[1])


def systemd_sample():
    """The configuration, and the memory of the unit in MiB."""
    unit = (TOP / "deploy/systemd/countersign.service").read_text()
    return (TOP / "deploy/systemd/countersign.toml").read_text(), int(re.search(r"(?m)^MemoryMax=(\d+)M$", unit)[1])


def kubernetes_sample():
    """The configuration, and the memory limit of the container in MiB."""
    documents = list(yaml.safe_load_all((TOP / "deploy/kubernetes/sidecar.yaml").read_text()))
    text = next(document["data"]["countersign.toml"] for document in documents if document["kind"] == "ConfigMap")
    pod = next(document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment")
    (container,) = [container for container in pod["initContainers"] if container["name"] == "countersign"]
    return text, int(container["resources"]["limits"]["memory"].removesuffix("Mi"))


@pytest.mark.parametrize("sample", [systemd_sample, kubernetes_sample], ids=["systemd", "kubernetes"])
def test_the_worst_case_in_a_sample_is_what_check_prints_and_fits_its_limit(countersign_bin, tmp_path, sample):
    text, limit = sample()
    file = tmp_path / "countersign.toml"
    # the sample's keys and addresses are those of another machine
    text = re.sub(r"(?m)^identity_\w+ = .*$", f'identity_file = "{tmp_path}/identity"', text)
    text = re.sub(r"(?m)^credential = .*\n", "", text)
    file.write_text(text)
    addresses = {f"COUNTERSIGN__{table}__ADDRESS": "127.0.0.1:0" for table in ("LISTENER__LOCAL", "ADMIN")}
    variables = {**addresses, "COUNTERSIGN__KEY__MAIN__FILE": f"{tmp_path}/main.age"}
    printed = checked(countersign_bin, file, 16384, variables)
    comment = re.search(r"(?s)# .*?worst case.*? are (\d+)(?:\n#)? MiB", text)
    assert int(comment[1]) == worst_case(printed), printed
    assert worst_case(printed) + PROGRAM <= limit


def test_the_page_shows_what_check_prints_of_the_defaults_and_of_the_smaller_limits(countersign_bin, tmp_path):
    file = tmp_path / "countersign.toml"
    file.write_text(re.sub(r"(?m)^limits.*\n|^\[process\]\n|^bodies.*\n", "", CONFIGURATION))
    printed = checked(countersign_bin, file, 16384)
    shown = PAGE.read_text().partition("```text\n")[2].partition("```")[0]
    assert shown in printed
    row = rows()[0]
    file.write_text(CONFIGURATION.format(**row))
    smaller = worst_case(checked(countersign_bin, file, 1024))
    sentence = re.sub(r"\s+", " ", PAGE.read_text())
    assert (f"`limits.connections = {row['connections']}`, `limits.in_flight = {row['in_flight']}` and "
            f"`process.bodies = \"{row['bodies']}\"` it is {smaller} MiB") in sentence


def test_there_are_sizes_for_a_sidecar_a_daemon_and_a_gateway():
    assert len(rows()) == 3


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["expected"].split(":")[0])
def test_the_worst_case_fits_the_recommended_memory_and_descriptors(countersign_bin, tmp_path, row):
    file = tmp_path / "countersign.toml"
    file.write_text(CONFIGURATION.format(**row))
    printed = checked(countersign_bin, file, int(row["descriptors"]))
    assert worst_case(printed) + PROGRAM <= mebibytes(row["memory"]), printed
    assert "this process may have" not in printed, "there are too few descriptors"


def test_too_few_descriptors_are_told(countersign_bin, tmp_path):
    row = rows()[-1]
    file = tmp_path / "countersign.toml"
    file.write_text(CONFIGURATION.format(**row))
    assert "this process may have 256 descriptors" in checked(countersign_bin, file, 256)
