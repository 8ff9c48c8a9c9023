"""The configuration that the charts render: `countersign check` takes it in the image's root, with the pod's mounts as
the kubelet makes them, and the worst case of its limits fits the pod."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib

import pytest
import yaml
from charts import (GATEWAY, SAMPLES, arguments, configuration, consumer_chart, container_of, documents, helm, pod_of,
                    refused)
from deploy.conftest import countersign, deploy, keys, run_fixture, secret  # noqa: F401
from kubelet import Cluster, mount, unmount
from serving import ALONE
from serving import container as in_container

PLAIN = json.dumps({"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
                    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}).encode()
TEAM = """\
[route.{name}]
endpoint = "https://sns.eu-central-1.amazonaws.com/"
hosts = ["{name}.internal"]
key = "second"

[client.{name}]
service_account = "{name}/worker"
allow = ["{name}:*"]
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """As cert-manager has them in a Secret."""
    directory = tmp_path_factory.mktemp("certificates")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               "tls.key", "-out", "tls.crt", "-subj", "/CN=countersign", "-days", "30"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    files = {name: (directory / name).read_bytes() for name in ("tls.crt", "tls.key")}
    return {**files, "ca.crt": files["tls.crt"]}


@pytest.fixture(scope="session")
def issued(keys, countersign, run, tmp_path_factory):  # noqa: F811
    """A key that a client signs with, which is none of the cloud."""
    directory = tmp_path_factory.mktemp("issued")
    (directory / "identity").write_bytes(keys["identity"])
    (directory / "identity").chmod(0o600)
    where = ["--identity", directory / "identity", "--out", directory / "reporting.age"]
    run([countersign, "clients", "issue", "--client", "reporting", *where])
    return (directory / "reporting.age").read_bytes()


@pytest.fixture
def cluster(keys, certificates, issued):  # noqa: F811
    def namespace(among):
        config_maps = {one["metadata"]["name"]: {name: text.encode() for name, text in one["data"].items()}
                       for one in among if one["kind"] == "ConfigMap"}
        config_maps |= {
            "kube-root-ca.crt": {"ca.crt": certificates["ca.crt"]},
            "private-authority": {"ca.crt": certificates["ca.crt"]},
            "team-a-countersign": {"team-a.toml": TEAM.format(name="team-a").encode()},
            "team-b-countersign": {"countersign.toml": TEAM.format(name="team-b").encode()},
        }
        both = {"key.json": PLAIN, "second.age": keys["main.age"], "reporting.age": issued, **keys}
        secrets = dict.fromkeys(
            ["countersign-main", "countersign-second", "countersign-reporting", "countersign-main-synced"], both)
        secrets |= dict.fromkeys(["countersign-tls", "mesh-authority", "release-countersign-gateway-tls"], certificates)
        provided = dict.fromkeys(["countersign-main", "countersign-second"], {"key.json": PLAIN})
        return Cluster(config_maps, secrets, provided)

    return namespace


@pytest.fixture(scope="module")
def image(deploy, countersign, run):  # noqa: F811
    """The image's root, where every user can reach it."""
    if os.geteuid() != 0:
        pytest.fail("this test changes user and root directory: run it as root, in a container if need be")
    with tempfile.TemporaryDirectory(prefix="countersign-helm-") as directory:
        pathlib.Path(directory).chmod(0o755)
        run([deploy / "collect-root", countersign, pathlib.Path(directory) / "image"])
        yield pathlib.Path(directory) / "image"


@pytest.fixture
def root(image):
    """The same without what an earlier test mounted."""
    unmount(image)
    return image


def check(image, *words):
    config = ["--config", "/etc/countersign/countersign.toml"]
    command = [str(word) for word in [*ALONE, *in_container(image, "check", *words, "--format", "json", *config)]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def words_for(among):
    """Opens every key, but those that only a cloud has."""
    return ["--without-keys"] if re.search(r'kind = "aws"|"/vault/secrets', configuration(among)) else []


def test_countersign_accepts_the_configuration_with_the_mounts_of_the_pod(sample, root, cluster, secret):  # noqa: F811
    among = documents(GATEWAY, sample)
    mount(root, pod_of(among), container_of(among), cluster(among))
    done = check(root, *words_for(among))
    assert done.returncode == 0, f"{configuration(among)}\n{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout)
    assert not report["faults"] and secret not in done.stdout
    assert worst_case(report) + 32 <= mib(container_of(among)["resources"]["limits"]["memory"])
    if "conf.d" in sample.read_text() or "confD" in sample.read_text():
        assert {"team-a", "team-b"} <= {one["name"] for one in report["sections"] if one["kind"] == "route"}


def test_the_sidecars_configuration_is_accepted_with_its_mounts(root, cluster):
    among = documents(consumer_chart())
    pod = pod_of(among)
    mount(root, pod, pod["initContainers"][0], cluster(among))
    done = check(root)
    assert done.returncode == 0, done.stderr
    limit = pod["initContainers"][0]["resources"]["limits"]["memory"]
    assert worst_case(json.loads(done.stdout)) + 32 <= mib(limit)


def test_pods_start_without_the_file_of_another_owner_that_is_not_there(root, cluster):
    (everything,) = [path for path in SAMPLES if path.name.startswith("everything")]
    among = documents(GATEWAY, everything)
    namespace = cluster(among)
    del namespace.config_maps["team-a-countersign"]
    mount(root, pod_of(among), container_of(among), namespace)
    done = check(root)
    assert done.returncode == 0, done.stderr
    assert "team-a" not in [one["name"] for one in json.loads(done.stdout)["sections"] if one["kind"] == "route"]


@pytest.mark.parametrize("user", [65532, None])
def test_a_token_is_accepted_with_a_user_and_without_one(root, cluster, user):
    """The kubelet makes it the user's own, or root's; both open to the group."""
    (sample,) = [path for path in SAMPLES if path.name.startswith("secret")]
    among = documents(GATEWAY, sample)
    pod = pod_of(among)
    for context in [pod["securityContext"], *(one["securityContext"] for one in pod["containers"])]:
        context.update({"runAsUser": user})
    mount(root, pod, container_of(among), cluster(among))
    done = check(root)
    assert done.returncode == 0, done.stderr


def worst_case(report):
    (memory,) = [one["summary"] for one in report["sections"] if one["kind"] == "memory"]
    return int(re.match(r"at most (\d+) MiB", memory)[1])


def mib(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) * (1024 if unit == "Gi" else 1)


@pytest.mark.parametrize("value", [
    4096, -3, 0.25, 1000000, True, "plain", 'with "quotes" and \\ and <&>', "two\nlines\tand a tab", "ünïcödé ✓",
    [],
    ["a", "b"], [1, 2], {"a": 1, "b": {"c": "d"}}, [{"a": [1, {"b": "c"}]}], {},
])
def test_a_value_is_the_same_in_toml_as_in_the_values(value):
    """By way of a table that takes everything: the values' schema is not asked, the template is."""
    settings = f"config.client.reporting.rule={json.dumps(value)}"
    text = rendered_without_schema(settings)
    assert tomllib.loads(text)["client"]["reporting"]["rule"] == value


def rendered_without_schema(setting):
    (secret_sample,) = [path for path in SAMPLES if path.name.startswith("secret")]
    words = arguments([secret_sample], [setting], "1.37")
    shown = ["--show-only", "templates/configmap.yaml", "--skip-schema-validation"]
    return yaml.safe_load(helm("template", "release", GATEWAY, *words, *shown).stdout)["data"]["countersign.toml"]


def test_text_that_is_not_toml_is_refused_with_its_place():
    (nothing,) = [path for path in SAMPLES if path.name.startswith("nothing")]
    assert "configText is not TOML" in refused(GATEWAY, nothing, settings=['configText="[route"'])


def test_the_kubelets_layout_is_the_one_of_a_pod(root, cluster):
    """Shows that the test looks: the same configuration without its key is refused."""
    (sample,) = [path for path in SAMPLES if path.name.startswith("secret")]
    among = documents(GATEWAY, sample)
    namespace = cluster(among)
    namespace.secrets["countersign-main"] = {"identity": namespace.secrets["countersign-main"]["identity"]}
    mount(root, pod_of(among), container_of(among), namespace)
    assert check(root).returncode == 69
    assert (root / "etc/countersign/countersign.toml").is_symlink()
