"""The guard beside injection: the ways to a key that a pod's owner could try, each refused with what to do."""

import copy

import pytest
from admission import POLICIES, Denied, Request, admit
from pods import ALWAYS, APP, CLOSED, ENABLED, created, pod, updated
from sidecar_sample import CONFIGURATION, SIDECAR, named, the
from test_component import listing, workload

KEY = {"name": "mine", "secret": {"secretName": "countersign-main"}}
PROJECTED = {"name": "mine", "projected": {"sources": [{"secret": {"name": "countersign-main"}}]}}
MOUNT = {"name": "mine", "mountPath": "/stolen"}
BY_VARIABLE = {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "countersign-main", "key": "main.age"}}}]}
BY_VARIABLES = {"envFrom": [{"secretRef": {"name": "countersign-main"}}]}


def injected(**spec):
    return admit(created(pod(**spec)))


def with_sidecar(**changes):
    """An injected pod whose owner changed the sidecar."""
    document = injected()
    for name, value in changes.items():
        document["spec"]["initContainers"][0][name] = value
    return document


@pytest.mark.parametrize("name, is_key", [
    ("countersign-main", True), ("countersign", True), ("team-countersign", True), ("team-countersign-a-7h2k9", True),
    ("countersigned", False), ("recountersign", False), ("database", False)])
def test_a_key_is_known_by_its_name(name, is_key):
    """With what kustomizations and charts put before and behind it."""
    document = pod("false", volumes=[{"name": "mine", "secret": {"secretName": name}}],
                   containers=[{**APP, "volumeMounts": [MOUNT]}])
    if is_key:
        with pytest.raises(Denied, match="only the container countersign may mount"):
            admit(created(document))
        named = pod(annotations={"countersign/key": name, "countersign/config": name})
        assert admit(created(named))["spec"]["initContainers"][0]["name"] == "countersign"
    else:
        assert admit(created(document)) == document


def test_a_pod_that_the_component_made_passes_with_what_kustomizations_do_to_names(kustomize):
    files = {"workloads.yaml": [workload("Pod")], "countersign.toml": CONFIGURATION, "main.age": "a", "identity": "b",
             "kustomization.yaml": listing(
                 "component", "component/endpoint", namePrefix="team-", nameSuffix="-a",
                 configMapGenerator=[{"name": "countersign", "files": ["countersign.toml"]}],
                 secretGenerator=[{"name": "countersign-main", "files": ["main.age", "identity"]}])}
    document = the("Pod", kustomize(files))
    volumes = document["spec"]["volumes"]
    assert named(volumes, "countersign-key")["secret"]["secretName"].startswith("team-countersign-main-a-")
    assert named(volumes, "countersign-config")["configMap"]["name"].startswith("team-countersign-a-")
    assert admit(created(document)) == document


def test_an_injected_pod_passes():
    document = injected(volumes=[{"name": "own", "secret": {"secretName": "database"}}],
                        containers=[{**APP, "volumeMounts": [{"name": "own", "mountPath": "/own"}]}])
    assert admit(created(document)) == document


@pytest.mark.parametrize("part", ["containers", "initContainers"])
@pytest.mark.parametrize("volume", [KEY, PROJECTED], ids=["secret", "projected"])
@pytest.mark.parametrize("label", ["true", "false"])
def test_no_other_container_mounts_a_key(part, volume, label):
    thief = {**APP, "name": "thief", "volumeMounts": [MOUNT]}
    document = pod(label, volumes=[volume])
    document["spec"].setdefault(part, []).append(thief)
    with pytest.raises(Denied, match="only the container countersign may mount"):
        admit(created(document))


@pytest.mark.parametrize("name", ["countersign-main", "database"])
@pytest.mark.parametrize("kind", ["cephfs", "cinder", "csi", "azureFile", "flexVolume", "iscsi", "rbd", "scaleIO",
                                  "storageos"])
def test_no_driver_of_storage_gets_a_key(kind, name):
    """It would log in by it at a server that the pod's owner names."""
    reference = {"csi": {"nodePublishSecretRef": {"name": name}}, "azureFile": {"secretName": name}}
    source = {"driver": "files.invalid", **reference.get(kind, {"secretRef": {"name": name}})}
    document = pod("false", volumes=[{"name": "mine", kind: source}],
                   containers=[{**APP, "volumeMounts": [MOUNT]}])
    if name == "database":
        assert admit(created(document)) == document
        return
    with pytest.raises(Denied, match="no driver of storage may get a Secret"):
        admit(created(document))


@pytest.mark.parametrize("means", [BY_VARIABLE, BY_VARIABLES], ids=["env", "envFrom"])
def test_no_variable_comes_from_a_key(means):
    with pytest.raises(Denied, match="no variable may come from a Secret"):
        admit(created(pod("false", containers=[{**APP, **means}])))


@pytest.mark.parametrize("change", [
    {"image": "registry.example/evil:1"},
    {"command": ["/bin/sh"]},
    {"args": ["run", "--config", "/etc/countersign/other.toml"]},
    {"env": [{"name": "LD_PRELOAD", "value": "/data/evil.so"}]},
    {"envFrom": [{"configMapRef": {"name": "evil"}}]},
    {"lifecycle": {"postStart": {"exec": {"command": ["/data/evil"]}}}},
    {"startupProbe": {"exec": {"command": ["/data/evil"]}}},
    {"readinessProbe": {"exec": {"command": ["/data/evil"]}}},
    {"livenessProbe": {"exec": {"command": ["/data/evil"]}}},
    {"workingDir": "/data"},
    {"volumeDevices": [{"name": "data", "devicePath": "/dev/x"}]},
    {"volumeMounts": SIDECAR["volumeMounts"] + [{"name": "data", "mountPath": "/lib"}]},
    {"volumeMounts": [{"name": "countersign-key", "mountPath": "/etc/countersign"}]},
], ids=lambda change: "+".join(change))
def test_a_container_with_a_key_is_as_it_is_injected(change):
    with pytest.raises(Denied, match="it must be as injected: image countersign:"):
        admit(created(with_sidecar(**change)))


def test_the_token_of_the_service_account_may_be_mounted_too():
    token = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    document = with_sidecar(volumeMounts=SIDECAR["volumeMounts"] + [token])
    assert admit(created(document)) == document


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "shareProcessNamespace"])
def test_a_pod_that_shares_network_or_processes_is_refused_and_told_how_to_opt_out(field):
    for namespace, label in ((ENABLED, "true"), (ALWAYS, None)):
        with pytest.raises(Denied, match='label the pod countersign/inject: "false"'):
            admit(created(pod(label, **{field: True}), namespace))
    out = pod("false", **{field: True})
    assert admit(created(out, ALWAYS)) == out
    assert admit(created(pod(**{field: False})))


def test_an_annotation_names_no_secret_but_a_key():
    with pytest.raises(Denied, match="must have the word countersign in its name"):
        admit(created(pod(annotations={"countersign/key": "database"})))


@pytest.mark.parametrize("volume", [
    {"configMap": {"name": "mine"}}, {"emptyDir": {}}, {"projected": {"sources": [{"configMap": {"name": "mine"}}]}},
    {"configMap": {}},
], ids=["other", "emptyDir", "projected", "nameless"])
def test_the_configuration_beside_a_key_comes_from_those_who_may_read_keys(volume):
    document = injected()
    own = {"name": "countersign-config", **volume}
    document["spec"]["volumes"] = [own] + [item for item in document["spec"]["volumes"] if item["name"] != own["name"]]
    with pytest.raises(Denied, match="countersign-config must be a ConfigMap that has the word"):
        admit(created(document))


@pytest.mark.parametrize("metadata", [
    {"name": "countersign"}, {"name": "countersign-reports"}, {"name": "team-countersign"},
    {"name": "team-countersign-7h2k9"}, {"generateName": "countersign-"}, {"generateName": "a-countersign-"}])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_nobody_writes_a_configuration_who_may_not_read_the_keys(metadata, operation):
    """It could name a program in the ConfigMap itself, which would run beside the key."""
    document = {"kind": "ConfigMap", "metadata": metadata, "data": {"countersign.toml": ""}}

    def write(*rights):
        return admit(Request(document, ENABLED, operation=operation, resource="configmaps", rights=rights))

    assert write("get /secrets") == document
    for rights in ((), ("get /configmaps", "update /configmaps", "create /secrets", "list /secrets")):
        with pytest.raises(Denied, match="Only those who may get the Secrets of this namespace may write it"):
            write(*rights)


def test_other_configmaps_are_everybodys():
    for name in ("reports", "countersigned", "recountersign", "my-countersigned-app", "kube-root-ca.crt"):
        document = {"kind": "ConfigMap", "metadata": {"name": name}}
        assert admit(Request(document, ENABLED, resource="configmaps")) == document


def test_an_update_brings_no_other_image():
    old = injected()
    with pytest.raises(Denied, match="it must be as injected"):
        admit(updated(with_sidecar(image="registry.example/evil:1"), old))


def test_a_pod_of_an_older_image_can_still_be_changed():
    """After parameters.yaml has a newer one: its labels, its finalizers, and a debug container."""
    old = with_sidecar(image="countersign:0.1.0")
    labelled = copy.deepcopy(old)
    labelled["metadata"]["labels"]["seen"] = "yes"
    assert admit(updated(labelled, old)) == labelled
    debugged = copy.deepcopy(old)
    debugged["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "d", "targetContainerName": "app"}]
    assert admit(updated(debugged, old, resource="pods/ephemeralcontainers")) == debugged


def test_a_pod_of_before_the_guard_can_still_be_finished():
    old = pod("false", volumes=[KEY], containers=[{**APP, "volumeMounts": [MOUNT]}])
    done = copy.deepcopy(old)
    done["metadata"]["finalizers"] = []
    assert admit(updated(done, old)) == done


@pytest.mark.parametrize("debug, says", [
    ({"targetContainerName": "countersign"}, "may not share the processes of countersign"),
    ({"volumeMounts": [{"name": "countersign-key", "mountPath": "/stolen"}]}, "only the container countersign may"),
    (BY_VARIABLE, "no variable may come from a Secret"),
], ids=["target", "mount", "env"])
def test_a_debug_container_gets_no_key(debug, says):
    old = injected()
    document = copy.deepcopy(old)
    document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "d", **debug}]
    with pytest.raises(Denied, match=says):
        admit(updated(document, old, resource="pods/ephemeralcontainers"))


@pytest.mark.parametrize("options, allowed", [
    ({"container": "app"}, True), ({}, True), ({"container": "countersign"}, False)])
def test_nobody_runs_a_command_beside_the_key(options, allowed):
    request = Request({"kind": "PodExecOptions", "command": ["/bin/sh"], **options}, ENABLED, operation="CONNECT",
                      resource="pods/exec")
    if allowed:
        admit(request)
    else:
        with pytest.raises(Denied, match="nobody may run a command"):
            admit(request)


def test_a_pod_that_asks_in_vain_is_refused():
    """The policy is not in the cluster, as with Kubernetes before 1.36, or the pod has a container of that name."""
    guards = {name: spec for name, spec in POLICIES.items() if name != "countersign-inject"}
    with pytest.raises(Denied, match="asks for countersign and did not get it"):
        admit(created(pod()), policies=guards)
    with pytest.raises(Denied, match="asks for countersign and did not get it"):
        admit(created(pod(containers=[{**APP, "name": "countersign"}])))
    # one that the component made passes
    assert admit(created(injected()), policies=guards)


def test_a_namespace_without_the_label_is_not_guarded():
    document = pod("false", volumes=[KEY], containers=[{**APP, "volumeMounts": [MOUNT]}])
    assert admit(created(document, CLOSED)) == document
