"""The pages about the charts, followed by their text: `check` reads the configuration; the tour makes a signed call."""

import json
import re
import shlex
import subprocess
import tomllib

import pytest
import yaml
from charts import GATEWAY, TIMEOUT, TOP, configuration, container_of, helm, pod_of, program, the
from deploy.conftest import countersign, deploy, place, run_fixture  # noqa: F401
from documents import blocks
from kubelet import Cluster, mount
from namespaces import connected, line_of, started
from serving import container as in_container

HELM_PAGE, GUIDE = TOP / "docs/how-to/helm.md", TOP / "docs/guide/install.md"


def block_of(page, beginning):
    (found,) = [one.text for one in blocks(page) if one.text.startswith(beginning)]
    return found


def values_of(page, directory, beginning):
    path = directory / "values.yaml"
    path.write_text(block_of(page, beginning))
    return path


def test_the_page_shows_values_whose_configuration_the_commands_of_the_page_check(tmp_path, countersign):  # noqa: F811
    values_of(HELM_PAGE, tmp_path, "config:")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/helm").symlink_to(program("helm"))
    (tmp_path / "bin/countersign").symlink_to(countersign)
    (tmp_path / "deploy").symlink_to(TOP / "deploy")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block_of(HELM_PAGE, "helm template signer ")], cwd=tmp_path,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=TIMEOUT, check=False)
    text = (tmp_path / "countersign.toml").read_text()
    assert tomllib.loads(text) == tomllib.loads(configuration(the_chart_of_the_page(tmp_path)))
    # as the page says: what the pods mount is not on this machine, and that alone is missing
    faults = done.stderr.strip().splitlines()
    assert len(faults) == 2 and all("/run/secrets/countersign-" in line for line in faults), done.stderr


def the_chart_of_the_page(directory):
    words = ["--namespace", "signing", "--values", directory / "values.yaml"]
    return list(yaml.safe_load_all(helm("template", "signer", GATEWAY, *words).stdout))


def words_after(command, word):
    """What a program gets in a command of kubectl: the words after `--`."""
    words = shlex.split(command)
    begin = words.index(word)
    return words[words.index("--", begin) + 1:]


def commands_of(text):
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture
def tour(tmp_path):
    """The commands of the guide, and what its values render."""
    first = commands_of(block_of(GUIDE, "kubectl create namespace signing"))
    sandbox = next(line for line in first if " run sandbox " in line)
    (caller,) = commands_of(block_of(GUIDE, "kubectl --namespace signing run caller"))
    key = next(line for line in first if line.startswith("printf "))
    subprocess.run(["bash", "-c", key], cwd=tmp_path, check=True, timeout=TIMEOUT)
    values_of(GUIDE, tmp_path, "image:")
    return sandbox, caller, (tmp_path / "key.json").read_bytes(), the_chart_of_the_page(tmp_path)


def test_the_tour_of_the_guide_ends_with_a_signed_call(tour, deploy, countersign, run, place):  # noqa: F811
    """The rendered gateway and the sandbox, each in a network namespace with the pod's mounts, arguments and user."""
    sandbox, caller, key, among = tour
    assert json.loads(key)["Version"] == 1
    root, pod, gateway = place / "image", pod_of(among), container_of(among)
    run([deploy / "collect-root", countersign, root])
    maps = {one["metadata"]["name"]: {name: text.encode() for name, text in one["data"].items()}
            for one in among if one["kind"] == "ConfigMap"}
    mount(root, pod, gateway, Cluster(maps, {"countersign-main": {"key.json": key}}, {}))
    user = f"{gateway['securityContext']['runAsUser']}:{gateway['securityContext']['runAsGroup']}"
    environment = dict(re.findall(r"--env (\w+)=(\S+)", sandbox))
    with connected("sandbox", "gateway", "check", "caller") as spaces:
        (root / "etc/hosts").write_text(f"{spaces['sandbox'][1]} sandbox.signing.svc\n")

        def inside(name, *words):
            command = in_container(root, *words, user=user, groups=pod["securityContext"]["fsGroup"])
            return ["ip", "netns", "exec", spaces[name][0], *command]

        logs = {name: place / f"{name}.log" for name in spaces}
        with started(inside("sandbox", *words_after(sandbox, "run")), logs["sandbox"], **environment) as endpoint:
            line_of(endpoint, logs["sandbox"], "listening on")
            with started(inside("gateway", *gateway["args"]), logs["gateway"]) as proxy:
                line_of(proxy, logs["gateway"], "key loaded")
                test = the("Pod", among)["spec"]["containers"][0]
                checked = subprocess.run([str(word) for word in inside("check", *test["args"])],
                                         capture_output=True, text=True, timeout=TIMEOUT, check=False)
                assert checked.returncode == 0, f"helm test: {checked.stdout}\n{checked.stderr}"
                host, port = re.search(r"http://([^:/]+):(\d+)/", caller).groups()
                service = [one for one in among if one["kind"] == "Service"][0]
                assert host == f"{service['metadata']['name']}.signing.svc"
                resolve = ["--resolve", f"{host}:{port}:{spaces['gateway'][1]}"]
                curl = ["ip", "netns", "exec", spaces["caller"][0], "curl", *resolve, *words_after(caller, "run")]
                called = subprocess.run(curl, capture_output=True, text=True, timeout=TIMEOUT, check=False)
                assert "<ListJobsResponse" in called.stdout, f"{called}\n{logs['gateway'].read_text()}"
                line_of(endpoint, logs["sandbox"], r"Z ListJobs AKIAIOSFODNN7EXAMPLE 200")


def test_the_labels_and_names_of_the_guide_are_those_of_the_chart(tour):
    sandbox, caller, _, among = tour
    policy = the("NetworkPolicy", among)["spec"]
    (label,) = policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"].items()
    assert f"--labels {label[0]}={label[1]}" in caller
    assert {"podSelector": {"matchLabels": {"run": "sandbox"}}} in policy["egress"][-1]["to"]
    assert "--port 8443 --expose" in sandbox
