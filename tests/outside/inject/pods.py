"""Pods and requests for the tests of injection and guard."""

import copy

from admission import Request

ENABLED, ALWAYS, CLOSED = {"countersign/inject": "enabled"}, {"countersign/inject": "always"}, {}

# as the API server hands it to the policies: with defaults
APP = {"name": "app", "image": "registry.example/app:1", "imagePullPolicy": "IfNotPresent",
       "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
       "resources": {}, "securityContext": {"runAsNonRoot": True, "runAsUser": 65533}}
DEFAULTS = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True, "securityContext": {}, "serviceAccountName": "default",
            "schedulerName": "default-scheduler", "preemptionPolicy": "PreemptLowerPriority", "priority": 0}


def pod(label="true", annotations=None, **spec):
    """A pod that asks for the sidecar (or not), with defaults as the API server sets them."""
    metadata = {"generateName": "app-5d4f-", "namespace": "team", "labels": {"app": "app"}}
    if label is not None:
        metadata["labels"]["countersign/inject"] = label
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {**copy.deepcopy(DEFAULTS), "containers": [copy.deepcopy(APP)], **spec}}


def created(document, namespace=ENABLED):
    return Request(copy.deepcopy(document), namespace)


def updated(document, old, namespace=ENABLED, resource="pods"):
    return Request(copy.deepcopy(document), namespace, old=old, resource=resource)
