"""The Kubernetes manifests: the real schemas, the ties between their parts, and the mounts as the kubelet makes them.
"""

import copy
import os
import pathlib
import re
import shutil
import subprocess
import tomllib

import kubernetes_validate
import pytest
import yaml
from serving import ALONE, container, serving

TOP = pathlib.Path(__file__).resolve().parents[3]
MANIFESTS = sorted((TOP / "deploy/kubernetes").glob("*.yaml"))
DOCUMENTS = [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def the(kind):
    (document,) = [document for document in DOCUMENTS if document["kind"] == kind]
    return document


def named(items, name):
    (item,) = [item for item in items if item["name"] == name]
    return item


POD = the("Deployment")["spec"]["template"]["spec"]
SIDECAR = named(POD["initContainers"], "countersign")
APP = named(POD["containers"], "app")
TEXT = the("ConfigMap")["data"]["countersign.toml"]
CONFIG = tomllib.loads(TEXT)


def mib(text):
    number, unit = re.fullmatch(r"(\d+) ?(Ki|Mi|KiB|MiB)", text).groups()
    return int(number) / (1024 if unit.startswith("K") else 1)


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


# --- the schemas


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_the_schema_accepts_it(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_the_schema_before_native_sidecars_refuses_it():
    """Shows that the validator looks that deep: 1.27 does not know restartPolicy on a container."""
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolicy"):
        kubernetes_validate.validate(the("Deployment"), "1.27", strict=True)


def test_the_schema_refuses_a_misspelt_field():
    broken = copy.deepcopy(the("Deployment"))
    broken["spec"]["template"]["spec"]["initContainers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(broken, "1.33", strict=True)


# --- start and end


def test_countersign_is_a_native_sidecar():
    assert SIDECAR["restartPolicy"] == "Always"
    assert "countersign" not in [container["name"] for container in POD["containers"]]


def test_the_grace_period_outlasts_the_drain():
    process = CONFIG["process"]
    assert POD["terminationGracePeriodSeconds"] > seconds(process["drain"]) + seconds(process.get("drain_delay", "0s"))


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_probe_calls_the_admin_listener(probe):
    call = SIDECAR[probe]["httpGet"]
    host, port = CONFIG["admin"]["address"].rsplit(":", 1)
    assert host == "0.0.0.0", "the kubelet calls the pod's address"
    assert named(SIDECAR["ports"], call["port"])["containerPort"] == int(port)
    assert call["path"] == ("/livez" if probe == "livenessProbe" else "/readyz")


def test_the_image_is_of_this_version():
    cargo = tomllib.loads((TOP / "Cargo.toml").read_text())
    assert SIDECAR["image"] == f"countersign:{cargo['package']['version']}"


# --- who reaches what


def test_only_the_pod_reaches_the_proxy():
    assert CONFIG["listener"]["local"]["address"] == "127.0.0.1:8021"
    assert 8021 not in [port["containerPort"] for port in SIDECAR["ports"]]
    assert "danger_" not in TEXT


def test_the_app_calls_the_proxy_and_holds_no_key():
    assert f"http://{CONFIG['listener']['local']['address']}" in APP["command"][-1]
    assert not APP.get("volumeMounts")
    assert APP["securityContext"]["runAsUser"] != SIDECAR["securityContext"]["runAsUser"]
    assert POD.get("shareProcessNamespace", False) is False


def test_the_network_policy_is_about_this_pod_and_opens_the_admin_port_alone():
    policy = the("NetworkPolicy")["spec"]
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    opened = [port["port"] for rule in policy["ingress"] for port in rule["ports"]]
    assert opened == [int(CONFIG["admin"]["address"].rsplit(":", 1)[1])]
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]


@pytest.mark.parametrize("container", [SIDECAR, APP], ids=lambda container: container["name"])
def test_a_container_has_no_rights(container):
    context = container["securityContext"]
    assert context["runAsNonRoot"] is True and context["runAsUser"] > 0 and context["runAsGroup"] > 0
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_the_pod_has_no_token_and_no_foreign_variables():
    assert POD["automountServiceAccountToken"] is False
    assert POD["enableServiceLinks"] is False
    assert not [name for name in ("hostNetwork", "hostPID", "hostIPC") if POD.get(name)]


# --- configuration and mounts


def test_the_worst_case_fits_the_memory_limit():
    """Connections of 96 KiB, as `countersign check` counts them, exchanges of 64 KiB, forms five times while they are
    sent and twice while they are received, a thousand parameters of 48 bytes in each, and 32 MiB for the program."""
    limits = CONFIG["route"]["importexport"]["limits"]
    connections = CONFIG["listener"]["local"]["limits"]["connections"]
    bodies = mib(CONFIG["process"]["bodies"])
    sent = min(limits["in_flight"] * mib(limits["body"]), bodies)
    received = min(connections * mib(limits["body"]), bodies) - sent
    worst = connections * 96 / 1024 + limits["in_flight"] * (64 + 48) / 1024 + sent * 5 + received * 2
    assert worst + 32 <= mib(SIDECAR["resources"]["limits"]["memory"])
    assert CONFIG["process"]["workers"] <= int(SIDECAR["resources"]["limits"]["cpu"])


def test_the_paths_in_the_configuration_are_mounted():
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in SIDECAR["volumeMounts"]}
    file = pathlib.Path(SIDECAR["args"][SIDECAR["args"].index("--config") + 1])
    assert mounts[str(file.parent)]["configMap"]["name"] == the("ConfigMap")["metadata"]["name"]
    assert file.name in the("ConfigMap")["data"]
    secret = the("Secret")
    for path in map(pathlib.Path, (CONFIG["key"]["main"]["file"], CONFIG["key"]["main"]["identity_file"])):
        assert mounts[str(path.parent)]["secret"]["secretName"] == secret["metadata"]["name"]
        assert path.name in secret["stringData"]


def test_the_key_is_mounted_for_countersign_alone_and_can_be_rotated():
    (volume,) = [volume["secret"] for volume in POD["volumes"] if "secret" in volume]
    assert volume["defaultMode"] == 0o400
    assert POD["securityContext"]["fsGroup"] == SIDECAR["securityContext"]["runAsGroup"]
    for mount in SIDECAR["volumeMounts"]:
        assert mount["readOnly"] is True
        assert "subPath" not in mount, "a subPath mount never changes"


def test_the_secret_is_a_placeholder():
    secret = the("Secret")
    assert "data" not in secret
    assert all(value.startswith("PLACEHOLDER") for value in secret["stringData"].values())


def kubelet_mount(directory, contents, group, mode, stamp="..2026_01_01_00_00_00.0000000001"):
    """Lays files out as the kubelet does for a Secret: behind `..data`, root's, the fsGroup applied."""
    version = directory / stamp
    version.mkdir(parents=True)
    for name, content in contents.items():
        path = version / name
        path.write_bytes(content)
        os.chown(path, 0, group)
        path.chmod(mode | 0o440)
    os.chown(version, 0, group)
    version.chmod(0o2755)
    os.chown(directory, 0, group)
    directory.chmod(0o3777)
    (directory / "..data_tmp").symlink_to(stamp)
    (directory / "..data_tmp").rename(directory / "..data")
    for name in contents:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")


@pytest.fixture
def image(deploy, countersign, place, keys, run):
    """The image's root with the ConfigMap and a real key mounted at the manifest's own paths."""
    root = place / "image"
    run([deploy / "collect-root", countersign, root])
    kubelet_mount(root / "etc/countersign", {"countersign.toml": TEXT.encode()}, 65532, 0o444)
    kubelet_mount(root / "run/secrets/countersign", keys, 65532, 0o400)
    return root


def sidecar(image, *words):
    context = SIDECAR["securityContext"]
    user = f"{context['runAsUser']}:{context['runAsGroup']}"
    return container(image, *words, user=user, groups=POD["securityContext"]["fsGroup"])


def test_check_accepts_the_configuration_and_the_mounted_key(image, run, secret):
    output = run([*ALONE, *sidecar(image, "check", "--config", "/etc/countersign/countersign.toml")])
    assert secret not in output


def test_check_refuses_the_placeholders(image):
    shutil.rmtree(image / "run/secrets/countersign")
    placeholders = {name: value.encode() for name, value in the("Secret")["stringData"].items()}
    kubelet_mount(image / "run/secrets/countersign", placeholders, 65532, 0o400)
    check = sidecar(image, "check", "--config", "/etc/countersign/countersign.toml")
    command = [str(word) for word in [*ALONE, *check]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode in (69, 78), f"{done.returncode}\n{done.stderr}"


def test_the_sidecar_becomes_ready_survives_a_rotation_and_ends_cleanly(image, place, keys, secret):
    with serving(sidecar(image, *SIDECAR["args"]), place, {"NOTIFY_SOCKET": ""}) as proxy:
        proxy.wait_for_probe("/readyz")
        kubelet_mount(image / "run/secrets/countersign", keys, 65532, 0o400, "..2026_01_02_00_00_00.0000000002")
        proxy.wait_for_probe("/readyz")
        assert proxy.probe("/livez") == 200
        assert proxy.end(proxy.inner_pid()) == 0, proxy.output()
        assert secret not in proxy.output()


def test_a_changed_config_map_is_in_use_without_a_rollout(image, place):
    with serving(sidecar(image, *SIDECAR["args"]), place, {"NOTIFY_SOCKET": ""}) as proxy:
        proxy.wait_for_probe("/readyz")
        changed = TEXT.replace('key = "main"', 'key = "main"\nknown_actions = ["AnActionOfTheNewConfigMap"]')
        kubelet_mount(image / "etc/countersign", {"countersign.toml": changed.encode()}, 65532, 0o444,
                      "..2026_01_02_00_00_00.0000000002")
        proxy.wait_for_output("was read again and is in use")
        assert proxy.probe("/readyz") == 200
        # what needs a restart is refused with the reason, and the one before stays in use
        refused = changed.replace("workers = 1", "workers = 2")
        kubelet_mount(image / "etc/countersign", {"countersign.toml": refused.encode()}, 65532, 0o444,
                      "..2026_01_03_00_00_00.0000000003")
        proxy.wait_for_output("process.workers")
        assert proxy.probe("/readyz") == 200
        assert proxy.end(proxy.inner_pid()) == 0, proxy.output()
