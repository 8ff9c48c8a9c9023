"""Injection by the API server: the policies by Kubernetes' schemas, their CEL evaluated on pods, and what comes out."""

import copy
import json
import re
import subprocess

import kubernetes_validate
import pytest
import yaml
from admission import (
    DOCUMENTS,
    PARAMETERS,
    POLICIES,
    Denied,
    admit,
    compiled,
    evaluate,
    expressions,
    variables_of,
)
from cel_expr_python import cel
from cel_types import TYPE, Types, plain, with_message_names
from kustomization import rendered
from pods import ALWAYS, APP, CLOSED, ENABLED, created, pod
from sidecar_sample import KUBERNETES, SIDECAR, VERSIONS, comparable, expected, named
from test_component import workload

MUTATING = [document for document in DOCUMENTS if document["kind"].startswith("Mutating")]
POLICY = POLICIES["countersign-inject"]
PATCH = POLICY["mutations"][0]["jsonPatch"]["expression"]
ENDPOINT = {"name": "AWS_ENDPOINT_URL", "value": "http://127.0.0.1:8021"}


def names(document, part="initContainers"):
    return [item["name"] for item in document["spec"].get(part, [])]


# --- the documents


@pytest.mark.parametrize("version", ["1.36", "1.37"])
def test_the_schemas_accept_every_document(version):
    accepted(DOCUMENTS, version)


def accepted(documents, *versions):
    for version in versions:
        for document in documents:
            kubernetes_validate.validate(document, version, strict=True)


def test_as_beta_the_policy_is_for_the_two_versions_before(kubectl):
    documents = rendered(kubectl, KUBERNETES / "inject-beta")
    assert len(documents) == len(DOCUMENTS)
    accepted(documents, "1.34", "1.35")
    for document in MUTATING:
        with pytest.raises(kubernetes_validate.SchemaNotFoundError):
            kubernetes_validate.validate(document, "1.35", strict=True)


def test_the_guard_alone_is_for_older_clusters(kubectl):
    documents = rendered(kubectl, KUBERNETES / "inject-guard")
    assert len(documents) == len(DOCUMENTS) - len(MUTATING)
    accepted(documents, "1.30", "1.33", "1.37")
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        accepted(documents, "1.29")


def test_the_kustomization_lists_every_document(kubectl):
    assert len(rendered(kubectl, KUBERNETES / "inject")) == len(DOCUMENTS)


def test_the_types_of_a_patch_are_used_in_mutations_alone():
    """The API server does not know them in variables and conditions."""
    for part in ("variables", "matchConditions"):
        for entry in POLICY[part]:
            assert not TYPE.search(entry["expression"]) and "JSONPatch" not in entry["expression"]


@pytest.mark.parametrize("broken, says", [
    ("Object.spec.initContainers{imagePullPolice: 'Always'}", "undefined field 'imagePullPolice'"),
    ("Object.spec.initContainers{args: 'run'}", "args"),
    ("Object.spec.volumes.secret{defaultMode: '0400'}", "expected type of field 'defaultMode'"),
])
def test_a_field_that_pods_do_not_have_does_not_compile(broken, says):
    """Shows that the evaluation here looks that deep."""
    environment = cel.NewEnv(descriptor_pool=Types([broken], "1.36").pool, variables={})
    with pytest.raises(Exception, match=says):
        environment.compile(with_message_names(broken))


def test_every_expression_compiles_and_gives_what_the_api_server_asks_for():
    wanted = {"matchConditions": "BOOL", "validations": "BOOL"}
    for spec in POLICIES.values():
        for expression in expressions(spec):
            compiled(expression)
        for part, kind in wanted.items():
            kinds = {str(compiled(entry["expression"]).return_type()) for entry in spec.get(part, [])}
            assert kinds <= {kind, "DYN"}
    assert str(compiled(PATCH).return_type()) == "LIST<JSONPatch>"


def test_no_value_of_a_patch_is_a_list_of_objects():
    """The API server converts `Object...{}` for a patch, and fails on such values in a list: found in its source."""
    lists = re.findall(r"value:\s*\[[^]]*\]", PATCH)
    assert lists and set(lists) == {"value: []"}


# --- who gets it


@pytest.mark.parametrize("namespace, label, gets_it", [
    (ENABLED, "true", True), (ENABLED, "false", False), (ENABLED, None, False),
    (ALWAYS, "true", True), (ALWAYS, "false", False), (ALWAYS, None, True),
    (CLOSED, "true", False), (CLOSED, None, False),
])
def test_namespace_and_pod_both_have_a_say(namespace, label, gets_it):
    before = pod(label)
    after = admit(created(before, namespace))
    if gets_it:
        assert names(after) == ["countersign"]
    else:
        assert after == before


def test_an_injected_pod_has_the_sidecar_of_the_sample():
    before = pod()
    after = admit(created(before))
    assert comparable(after["spec"]) == expected(before["spec"])
    assert after["metadata"] == before["metadata"]
    for version in VERSIONS:
        kubernetes_validate.validate(after, version, strict=True)


def test_injection_and_component_make_the_same_pod(kustomize):
    before = workload("Pod", {"countersign/inject": "true"})
    files = {"workloads.yaml": [before], "kustomization.yaml": yaml.safe_dump(
        {"resources": ["workloads.yaml"], "components": ["../kubernetes/component/labelled"]})}
    (by_component,) = kustomize(files)
    assert comparable(admit(created(before))["spec"]) == comparable(by_component["spec"])


@pytest.mark.parametrize("spec", [
    {"initContainers": [{"name": "migrate", "image": "m"}], "volumes": [{"name": "data", "emptyDir": {}}]},
    {"initContainers": [], "volumes": []},
    {"securityContext": {"runAsNonRoot": True}},
    {"initContainers": [{"name": "mesh", "image": "m", "restartPolicy": "Always"}], "volumes": [], "hostname": "a"},
], ids=["filled", "empty", "context", "mesh"])
def test_what_the_pod_had_stays(spec):
    before = pod(**spec)
    assert comparable(admit(created(before))["spec"]) == expected(before["spec"])


def test_a_pod_without_defaults_gets_the_same():
    before = {"metadata": {"name": "app", "labels": {"countersign/inject": "true"}}, "spec": {"containers": [APP]}}
    assert comparable(admit(created(before))["spec"]) == expected(before["spec"])


@pytest.mark.parametrize("before", [
    pod(), pod(initContainers=[{"name": "migrate", "image": "m"}], volumes=[{"name": "data", "emptyDir": {}}]),
    pod(annotations={"countersign/endpoint-variable": "AWS_ENDPOINT_URL"}),
    workload("Pod", {"countersign/inject": "true"}),
], ids=["bare", "filled", "variable", "without-defaults"])
def test_kubectl_applies_the_patch_to_the_same_pod(kubectl, tmp_path, before):
    """By the library for JSON patches that the API server uses too."""
    request = created(before)
    data = request.data(PARAMETERS, variables_of(POLICY, request, PARAMETERS))
    patch = [plain(step) for step in evaluate(PATCH, data)]
    assert len(patch) >= 4
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(before))
    done = subprocess.run([kubectl, "patch", "--local", "--filename", tmp_path / "pod.yaml", "--type", "json",
                           "--patch", json.dumps(patch), "--output", "json"],
                          capture_output=True, text=True, timeout=60, env={"HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == admit(request)


def test_a_group_of_the_pods_own_stays():
    after = admit(created(pod(securityContext={"fsGroup": 2000})))
    assert after["spec"]["securityContext"] == {"fsGroup": 2000}


def test_a_second_look_changes_nothing():
    once = admit(created(pod(annotations={"countersign/endpoint-variable": "AWS_ENDPOINT_URL"})))
    assert admit(created(once)) == once


@pytest.mark.parametrize("spec", [
    {"containers": [{"name": "countersign", "image": "registry.example/countersign:9"}]},
    {"initContainers": [{"name": "countersign", "image": "registry.example/countersign:9", "restartPolicy": "Always"}]},
])
def test_a_pod_that_has_countersign_is_left_alone(spec):
    before = pod(None, **spec)
    assert admit(created(before, ALWAYS)) == before


def test_the_kubelets_copy_of_a_static_pod_is_left_alone():
    before = pod(None, {"kubernetes.io/config.mirror": "2c8b"})
    assert admit(created(before, ALWAYS)) == before


# --- what a pod and the operator choose


def test_annotations_choose_configuration_and_key():
    after = admit(created(pod(annotations={
        "countersign/config": "countersign-reports", "countersign/key": "countersign-reports"})))
    assert named(after["spec"]["volumes"], "countersign-config")["configMap"]["name"] == "countersign-reports"
    assert named(after["spec"]["volumes"], "countersign-key")["secret"]["secretName"] == "countersign-reports"
    assert named(after["spec"]["initContainers"], "countersign") == SIDECAR


def test_the_endpoint_variable_is_added_where_it_is_missing():
    other = {"name": "LEVEL", "value": "1"}
    own = {"name": "AWS_ENDPOINT_URL", "value": "http://127.0.0.1:9"}
    containers = [{**APP, "name": "bare"}, {**APP, "name": "full", "env": [other]},
                  {**APP, "name": "own", "env": [own]}]
    before = pod(annotations={"countersign/endpoint-variable": "AWS_ENDPOINT_URL"}, containers=containers)
    after = admit(created(before))["spec"]["containers"]
    assert [container["env"] for container in after] == [[ENDPOINT], [other, ENDPOINT], [own]]
    stripped = [{name: value for name, value in item.items() if name != "env"} for item in after]
    assert stripped == [{name: value for name, value in item.items() if name != "env"} for item in containers]


def test_the_operators_parameters_are_used():
    params = copy.deepcopy(PARAMETERS)
    params["data"] = {"image": "registry.example/countersign@sha256:" + "0" * 64, "imagePullPolicy": "Always",
                      "cpuRequest": "1m", "memoryRequest": "2Mi", "cpuLimit": "3m", "memoryLimit": "4Mi"}
    assert set(params["data"]) == set(PARAMETERS["data"])
    sidecar = named(admit(created(pod()), params)["spec"]["initContainers"], "countersign")
    assert sidecar["image"] == params["data"]["image"] and sidecar["imagePullPolicy"] == "Always"
    assert sidecar["resources"] == {"requests": {"cpu": "1m", "memory": "2Mi"},
                                    "limits": {"cpu": "3m", "memory": "4Mi"}}


@pytest.mark.parametrize("missing", PARAMETERS["data"])
def test_without_a_parameter_the_pod_is_refused_and_not_started_without_countersign(missing):
    params = copy.deepcopy(PARAMETERS)
    del params["data"][missing]
    with pytest.raises(Denied, match=missing):
        admit(created(pod()), params)


def test_a_binding_refuses_and_does_not_only_record_also_where_its_parameters_are_missing():
    place = {name: PARAMETERS["metadata"][name] for name in ("name", "namespace")}
    bindings = [document for document in DOCUMENTS if document["kind"].endswith("Binding")]
    assert {binding["spec"]["policyName"] for binding in bindings} == set(POLICIES)
    for binding in bindings:
        spec = binding["spec"]
        if binding["kind"].startswith("Validating"):
            assert spec["validationActions"] == ["Deny"], spec
        if "paramKind" in POLICIES[spec["policyName"]]:
            assert spec["paramRef"] == {**place, "parameterNotFoundAction": "Deny"}, spec


def test_every_policy_is_about_the_kinds_of_the_core_group():
    for name, spec in POLICIES.items():
        for rule in spec["matchConstraints"]["resourceRules"]:
            assert (rule["apiGroups"], rule["apiVersions"]) == ([""], ["v1"]), name
