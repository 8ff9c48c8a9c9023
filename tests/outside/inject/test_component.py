"""The Kustomize component: rendered by kubectl, judged by Kubernetes' schemas, compared with the sample sidecar."""

import copy
import os
import subprocess

import kubernetes_validate
import pytest
import yaml
from kustomization import rendered
from sidecar_sample import CONFIGURATION, KUBERNETES, POD, SIDECAR, VERSIONS, comparable, expected, named, the

APP = {"containers": [{"name": "app", "image": "registry.example/app:1"},
                      {"name": "helper", "image": "registry.example/helper:1"}]}
SELECTOR = {"matchLabels": {"app": "app"}}
TEMPLATE = {"metadata": {"labels": {"app": "app"}}, "spec": APP}
JOB = {"template": {"spec": {**APP, "restartPolicy": "Never"}}}

# every kind that has pods: its API version and its specification
WORKLOADS = {
    "Deployment": ("apps/v1", {"selector": SELECTOR, "template": TEMPLATE}),
    "StatefulSet": ("apps/v1", {"serviceName": "app", "selector": SELECTOR, "template": TEMPLATE}),
    "DaemonSet": ("apps/v1", {"selector": SELECTOR, "template": TEMPLATE}),
    "ReplicaSet": ("apps/v1", {"selector": SELECTOR, "template": TEMPLATE}),
    "Job": ("batch/v1", JOB),
    "CronJob": ("batch/v1", {"schedule": "0 3 * * *", "jobTemplate": {"spec": JOB}}),
    "Pod": ("v1", APP),
}


def workload(kind, labels=None, name="app", **pod):
    api, spec = copy.deepcopy(WORKLOADS[kind])
    document = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
    pod_of(document).update(pod)
    return document


def pod_of(document):
    spec = document["spec"]
    spec = spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec
    return spec if document["kind"] == "Pod" else spec["template"]["spec"]


def listing(*components, **more):
    return yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": ["workloads.yaml"],
        "components": [f"../kubernetes/{component}" for component in components], **more})


@pytest.mark.parametrize("kind", WORKLOADS)
def test_the_component_adds_what_the_sample_has_to_every_kind_of_workload(kustomize, kind):
    before = workload(kind)
    (after,) = kustomize({"kustomization.yaml": listing("component"), "workloads.yaml": [before]})
    assert comparable(pod_of(after)) == expected(pod_of(before))
    for version in VERSIONS:
        kubernetes_validate.validate(after, version, strict=True)


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_workload_that_says_false_stays_as_it_is(kustomize, kind):
    before = workload(kind, {"countersign/inject": "false"})
    files = {"kustomization.yaml": listing("component", "component/endpoint"), "workloads.yaml": [before]}
    assert kustomize(files) == [before]


def test_by_label_only_the_labelled_workloads_get_it(kustomize):
    chosen, other = workload("Deployment", {"countersign/inject": "true"}), workload("Deployment", name="other")
    files = {"kustomization.yaml": listing("component/labelled"), "workloads.yaml": [chosen, other]}
    after = {document["metadata"]["name"]: document for document in kustomize(files)}
    assert comparable(pod_of(after["app"])) == expected(pod_of(chosen))
    assert pod_of(after["other"]) == pod_of(other)


def test_what_the_pod_had_stays_and_countersign_starts_before_its_init_containers(kustomize):
    before = workload("Deployment", initContainers=[{"name": "migrate", "image": "registry.example/migrate:1"}],
                      volumes=[{"name": "data", "emptyDir": {}}], terminationGracePeriodSeconds=120,
                      securityContext={"runAsNonRoot": True})
    (after,) = kustomize({"kustomization.yaml": listing("component"), "workloads.yaml": [before]})
    assert comparable(pod_of(after)) == expected(pod_of(before))
    assert [container["name"] for container in pod_of(after)["initContainers"]] == ["countersign", "migrate"]


def test_the_component_applied_twice_is_the_component_applied_once(kustomize):
    files = {"kustomization.yaml": listing("component"), "workloads.yaml": [workload(kind) for kind in WORKLOADS]}
    once = kustomize(files)
    assert kustomize({"kustomization.yaml": listing("component", "component")}) == once
    # and on what it made, as when its output was committed
    assert kustomize({"workloads.yaml": once}) == once


def test_the_endpoint_variable_is_set_in_every_container_but_init_containers(kustomize):
    files = {"kustomization.yaml": listing("component", "component/endpoint"),
             "workloads.yaml": [workload(kind) for kind in WORKLOADS]}
    for document in kustomize(files):
        for container in pod_of(document)["containers"]:
            assert container["env"] == [{"name": "AWS_ENDPOINT_URL", "value": "http://127.0.0.1:8021"}]
        assert "env" not in named(pod_of(document)["initContainers"], "countersign")


def test_names_of_a_generator_reach_the_volumes(kustomize):
    """A hash in the ConfigMap's name, a prefix, another Secret for one workload, and the pod's own group."""
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"}, "spec": {"template": {"spec": {
        "securityContext": {"fsGroup": 2000},
        "volumes": [{"name": "countersign-key", "secret": {"secretName": "countersign-reports"}}]}}}}
    files = {
        "kustomization.yaml": listing(
            "component", namePrefix="team-", patches=[{"path": "patch.yaml", "target": {"kind": "Deployment"}}],
            configMapGenerator=[{"name": "countersign", "files": ["countersign.toml"]}],
            images=[{"name": "countersign", "newName": "registry.example/countersign", "newTag": "9"}]),
        "workloads.yaml": [workload("Deployment"), workload("StatefulSet")],
        "countersign.toml": CONFIGURATION, "patch.yaml": yaml.safe_dump(patch)}
    documents = kustomize(files)
    generated = the("ConfigMap", documents)["metadata"]["name"]
    assert generated.startswith("team-countersign-")
    kinds = (("Deployment", "countersign-reports", 2000), ("StatefulSet", "countersign-main", 65532))
    for kind, secret, group in kinds:
        pod = pod_of(the(kind, documents))
        assert named(pod["volumes"], "countersign-config")["configMap"] == {"name": generated, "defaultMode": 0o444}
        assert named(pod["volumes"], "countersign-key")["secret"] == {"secretName": secret, "defaultMode": 0o400}
        assert pod["securityContext"]["fsGroup"] == group
        assert named(pod["initContainers"], "countersign")["image"] == "registry.example/countersign:9"


def test_the_three_patches_add_one_and_the_same():
    def added(name, *path):
        spec = yaml.safe_load((KUBERNETES / "component/labelled" / name).read_text())
        for key in path:
            spec = spec[key]
        return spec

    pod = added("pod.yaml", "spec")
    assert pod == added("template.yaml", "spec", "template", "spec")
    assert pod == added("cronjob.yaml", "spec", "jobTemplate", "spec", "template", "spec")
    assert comparable(pod) == expected({})


# --- the example


@pytest.fixture(scope="module")
def example(kubectl):
    return rendered(kubectl, KUBERNETES / "example")


def test_the_example_renders_to_documents_that_every_version_accepts(example):
    assert sorted(document["kind"] for document in example) == ["ConfigMap", "Deployment"]
    for version in VERSIONS:
        for document in example:
            kubernetes_validate.validate(document, version, strict=True)


def test_the_example_runs_the_sample_sidecar(example):
    pod = pod_of(the("Deployment", example))
    sidecar = named(pod["initContainers"], "countersign")
    assert {**sidecar, "image": SIDECAR["image"]} == SIDECAR
    assert sidecar["image"] == "registry.example/" + SIDECAR["image"]
    # the app is another user, as in the sample
    assert pod["containers"][0]["securityContext"]["runAsUser"] not in (0, SIDECAR["securityContext"]["runAsUser"])
    assert POD["automountServiceAccountToken"] is False, "the component leaves the app's token alone"
    assert "automountServiceAccountToken" not in pod


def test_check_accepts_the_configuration_that_the_example_renders(example, countersign, tmp_path):
    text = the("ConfigMap", example)["data"]["countersign.toml"]
    assert text == CONFIGURATION
    file = tmp_path / "countersign.toml"
    file.write_text(text)
    # the usual ports may be taken here
    ports = {"COUNTERSIGN__LISTENER__LOCAL__ADDRESS": "127.0.0.1:0", "COUNTERSIGN__ADMIN__ADDRESS": "127.0.0.1:0"}
    done = subprocess.run([countersign, "check", "--without-keys", "--config", file], capture_output=True, text=True,
                          timeout=60, env={**os.environ, **ports})
    assert done.returncode == 0, done.stderr
