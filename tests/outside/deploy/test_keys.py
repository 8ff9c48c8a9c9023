"""Samples of where a key may be kept: each ties its configuration to the file that something else puts there."""

import json
import pathlib
import re
import tomllib

import kubernetes_validate
import pytest
import yaml

KEYS = pathlib.Path(__file__).resolve().parents[3] / "deploy/keys"
EXAMPLE = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def document():
    return {"Version": 1, "AccessKeyId": EXAMPLE["access_key"], "SecretAccessKey": EXAMPLE["secret_key"]}


def rendered(template):
    """What the template engine does with the fields that the secrets engines document."""
    text = re.sub(r"{{-? *(with|end).*?-?}}", "", template)
    values = iter(EXAMPLE.values())
    return json.loads(re.sub(r"{{ \.Data(\.data)?\.\w+ \| toJSON }}", lambda _: json.dumps(next(values)), text))


def key(name):
    return tomllib.loads((KEYS / name).read_text())["key"]["main"]


def test_the_pod_mounts_the_key_where_it_is_looked_for():
    pod = yaml.safe_load((KEYS / "kubernetes.yaml").read_text())
    for version in ["1.29", "1.37"]:
        kubernetes_validate.validate(pod, version, strict=True)
    (container,) = pod["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    path = pathlib.PurePath(key("kubernetes.toml")["file"])
    assert path.parent == pathlib.PurePath(mounts["key"])
    (secret,) = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert secret["defaultMode"] == 0o400
    assert pod["spec"]["securityContext"]["fsGroup"] == pod["spec"]["securityContext"]["runAsUser"]
    assert f"--from-file={path.name}" in (KEYS / "kubernetes.yaml").read_text()
    assert container["args"][-1] == f"{mounts['config']}/kubernetes.toml"


def test_the_injector_renders_the_json_of_a_key_for_countersigns_user():
    pod = yaml.safe_load((KEYS / "vault-injector.yaml").read_text())
    for version in ["1.29", "1.37"]:
        kubernetes_validate.validate(pod, version, strict=True)
    path = pathlib.PurePath(key("vault-injector.toml")["file"])
    assert path.parent == pathlib.PurePath("/vault/secrets")
    written = pod["metadata"]["annotations"].items()
    annotations = {name.removeprefix("vault.hashicorp.com/"): text for name, text in written}
    assert annotations[f"agent-inject-perms-{path.name}"] == "0400"
    assert annotations["agent-run-as-user"] == str(pod["spec"]["securityContext"]["runAsUser"])
    secret = annotations[f"agent-inject-secret-{path.name}"]
    template = annotations[f"agent-inject-template-{path.name}"]
    assert f'with secret "{secret}"' in template
    assert rendered(template) == document()
    (container,) = pod["spec"]["containers"]
    assert container["name"] == annotations["agent-inject-containers"]
    (config,) = container["volumeMounts"]
    assert container["args"][-1] == f"{config['mountPath']}/vault-injector.toml"


def test_compose_mounts_the_key_where_it_is_looked_for():
    compose = yaml.safe_load((KEYS / "compose.yaml").read_text())
    service = compose["services"]["countersign"]
    (secret,) = service["secrets"]
    assert secret["target"] == key("docker.toml")["file"]
    assert secret["mode"] == 0o400
    assert service["user"] == f"{secret['uid']}:{secret['gid']}"
    assert secret["source"] in compose["secrets"]


def test_systemd_loads_the_credential_that_is_looked_for():
    lines = (KEYS / "systemd.conf").read_text().splitlines()
    (credential,) = [line.split("=")[1] for line in lines if line.startswith("LoadCredentialEncrypted=")]
    assert credential == key("systemd.toml")["credential"]


@pytest.mark.parametrize("commented", [False, True])
def test_the_vault_agent_renders_the_json_of_a_key_where_it_is_looked_for(commented):
    text = (KEYS / "vault-agent.hcl").read_text()
    if commented:
        text = re.sub(r"(?m)^# ?", "", text.split("# Instead of it")[1])
    destination = re.search(r'destination = "(.*)"', text)[1]
    assert destination == key("vault.toml")["file"]
    assert re.search(r'perms += "0400"', text)
    template = re.search(r"<<EOT\n(.*?)EOT\n", text, re.S)[1]
    assert rendered(template) == document()
