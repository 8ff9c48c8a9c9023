"""deploy/kubernetes/sidecar.yaml, which component and injection have to agree with, and what they add to a pod."""

import copy
import pathlib

import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
KUBERNETES = TOP / "deploy/kubernetes"
DOCUMENTS = list(yaml.safe_load_all((KUBERNETES / "sidecar.yaml").read_text()))

# the versions of Kubernetes with native sidecars, of which kubernetes-validate has schemas
VERSIONS = ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]


def the(kind, documents=DOCUMENTS):
    (document,) = [document for document in documents if document["kind"] == kind]
    return document


def named(items, name):
    (item,) = [item for item in items if item["name"] == name]
    return item


CONFIGURATION = the("ConfigMap")["data"]["countersign.toml"]
POD = the("Deployment")["spec"]["template"]["spec"]
SIDECAR = named(POD["initContainers"], "countersign")
VOLUMES = [named(POD["volumes"], name) for name in ("countersign-config", "countersign-key")]
FS_GROUP = POD["securityContext"]["fsGroup"]


def expected(pod):
    """A copy of a pod's specification with what the sample adds, before what was there."""
    pod = copy.deepcopy(pod)
    pod["initContainers"] = [copy.deepcopy(SIDECAR)] + pod.get("initContainers", [])
    pod["volumes"] = sorted(copy.deepcopy(VOLUMES) + pod.get("volumes", []), key=lambda volume: volume["name"])
    pod.setdefault("securityContext", {})["fsGroup"] = FS_GROUP
    return pod


def comparable(pod):
    """A pod's specification with its volumes, whose order means nothing, by name."""
    pod = copy.deepcopy(pod)
    pod["volumes"] = sorted(pod.get("volumes", []), key=lambda volume: volume["name"])
    return pod
