"""What the gateway's chart renders: Kubernetes' own schemas, the Operator's models, and the ties between the parts."""

import json
import os
import re
import subprocess
import sys
import tomllib

import kubernetes_validate
import pytest
import yaml
from charts import (GATEWAY, HELM, NAMESPACE, SAMPLES, VERSIONS, configuration, container_of, documents, helm, parsed,
                    pod_of, rendered, the)

SECRET, EVERYTHING = GATEWAY / "ci/secret-values.yaml", GATEWAY / "ci/everything-values.yaml"
CSI, VAULT = GATEWAY / "ci/csi-values.yaml", GATEWAY / "ci/vault-values.yaml"
# those of others, whose schemas Kubernetes does not have
FOREIGN = {"Certificate", "PodMonitor", "ServiceMonitor", "PrometheusRule"}


def test_helm_lints_the_chart_without_a_warning(sample):
    said = helm("lint", "--strict", GATEWAY, "--values", sample).stdout
    assert "[WARNING]" not in said and "[ERROR]" not in said


def test_every_kubernetes_from_1_29_on_accepts_what_is_rendered(sample):
    for version in VERSIONS if sample == EVERYTHING else ("1.29", "1.30", "1.33", "1.37"):
        # the templates ask for 1.30 and 1.31, and for nothing later
        same = version if version in ("1.29", "1.30") else "1.37"
        for document in documents(GATEWAY, sample, version=same):
            if document["kind"] not in FOREIGN:
                kubernetes_validate.validate(document, version, strict=True)


def test_no_template_asks_for_another_version_than_those_that_are_rendered():
    asked = {version for path in GATEWAY.glob("templates/**/*") if path.is_file()
             for version in re.findall(r'semverCompare "([^"]+)"', path.read_text())}
    assert asked == {">=1.30.0-0", ">=1.31.0-0"}


# in a process of its own: on pytest's path they would be taken for a plugin; in one for all: loading them takes long
READ = """\
import json, sys
from importlib import import_module
for document in json.load(sys.stdin):
    package = "cert_manager" if document["kind"] == "Certificate" else "prometheus_operator"
    v1 = import_module(f"cloudcoil.models.{package}.v1")
    model = getattr(v1, document["kind"]).model_validate(document)
    print(model.model_dump_json(exclude_none=True, exclude_unset=True, by_alias=True))
"""


def test_models_of_the_operator_and_of_cert_manager_read_every_field():
    ours = [one for sample in (EVERYTHING, CSI) for one in documents(GATEWAY, sample) if one["kind"] in FOREIGN]
    assert {one["kind"] for one in ours} == FOREIGN
    models = os.environ.get("COUNTERSIGN_OPERATOR_MODELS")
    if not models:
        pytest.fail("COUNTERSIGN_OPERATOR_MODELS must name the folder into which tests/run installs the models")
    misspelt = {**ours[-1], "spec": {**ours[-1]["spec"], "dnsNmaes": []}}
    done = subprocess.run([sys.executable, "-c", READ], input=json.dumps([*ours, misspelt]), capture_output=True,
                          text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": models})
    assert done.returncode == 0, done.stderr
    *read, other = [json.loads(line) for line in done.stdout.splitlines()]
    assert read == ours
    assert other != misspelt, "a field that a model does not know is not there"


def test_older_helm_and_kubernetes_get_no_sleep_and_a_shorter_grace_period():
    for version, sleeps, grace in [("1.29", False, 30), ("1.30", True, 35), ("1.37", True, 35)]:
        among = documents(GATEWAY, SECRET, version=version)
        sleep = container_of(among).get("lifecycle")
        assert sleep == ({"preStop": {"sleep": {"seconds": 5}}} if sleeps else None)
        assert pod_of(among)["terminationGracePeriodSeconds"] == grace


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def test_the_grace_period_outlasts_sleep_and_drain(sample):
    among = documents(GATEWAY, sample)
    drain = seconds(tomllib.loads(configuration(among)).get("process", {}).get("drain", "25s"))
    drain += seconds(tomllib.loads(configuration(among)).get("process", {}).get("drain_delay", "0s"))
    sleep = container_of(among).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod_of(among)["terminationGracePeriodSeconds"] >= drain + sleep + 5


def test_all_pods_meet_the_restricted_pod_security_standard(sample):
    among = documents(GATEWAY, sample)
    for pod in [pod_of(among)] + [one["spec"] for one in among if one["kind"] == "Pod"]:
        assert not [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
        for volume in pod["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "csi", "projected", "secret"}
        (container,) = pod["containers"]
        context = container["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsGroup"] == pod["securityContext"]["fsGroup"] == 65532
        assert context["runAsUser"] == pod["securityContext"]["runAsUser"] == 65532
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all(mount["readOnly"] is True and "subPath" not in mount for mount in container["volumeMounts"])


def test_no_secret_and_no_right_in_the_cluster_is_made(sample):
    made = {document["kind"] for document in documents(GATEWAY, sample)}
    assert not made & {"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_every_mount_has_its_volume_and_every_file_of_the_configuration_its_mount(sample):
    among = documents(GATEWAY, sample)
    pod, mounts = pod_of(among), container_of(among)["volumeMounts"]
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert len(set(volumes)) == len(volumes) and len({mount["mountPath"] for mount in mounts}) == len(mounts)
    assert {mount["name"] for mount in mounts} <= set(volumes)
    # the agent of Vault writes below its own directory, with a volume that its injector adds
    directories = [mount["mountPath"] for mount in mounts] + ["/vault/secrets"]
    for path in re.findall(r'= "(/(?:run|etc|vault)/[^"]+)"', configuration(among)):
        assert path.rpartition("/")[0] in directories, path


def test_ports_services_probes_and_policies_are_those_of_the_configuration(sample):
    among = documents(GATEWAY, sample)
    listeners = tomllib.loads(configuration(among))["listener"]
    outside = {int(one["address"].rpartition(":")[2]) for one in listeners.values()
               if not one["address"].startswith("127.")}
    container = container_of(among)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    admin = ports.pop("cs-admin")
    assert set(ports.values()) == outside
    for probe, path in [("startupProbe", "/livez"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]:
        assert container[probe]["httpGet"] == {"path": path, "port": "cs-admin"}
    (service,) = [one for one in among if one["kind"] == "Service" and "clusterIP" not in one["spec"]]
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert service["spec"]["selector"].items() <= labels(among).items()
    for policy in (one for one in among if one["kind"] == "NetworkPolicy"):
        opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert opened == outside | {admin}
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels(among).items()


def labels(among):
    return the("Deployment", among)["spec"]["template"]["metadata"]["labels"]


def test_all_selectors_find_the_pods_that_serve_and_not_the_pod_of_the_test():
    among = documents(GATEWAY, EVERYTHING)
    test = the("Pod", among)["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
        wanted = the(kind, among)["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= labels(among).items() and not wanted.items() <= test.items()
    for constraint in pod_of(among)["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels(among).items()


def test_names_that_yaml_would_read_as_something_else_stay_names():
    """`123` is a name to Kubernetes and Helm, and a number to YAML, which the API server refuses."""
    settings = ['keys.main.secret.name="1e3"', 'serviceAccount={"create":true,"name":"404"}', 'priorityClassName="1"',
                'tls.gateway={"secretName":"null","clientCaSecretName":"0x10"}',
                'confD.team={"configMap":"2026"}', 'keys.other={"csi":{"secretProviderClass":"12","secret":"true"}}']
    words = [word for setting in settings for word in ("--set-json", setting)]
    among = parsed(helm("template", "123", GATEWAY, "--values", SECRET, *words, "--kube-version", "1.37").stdout)
    for document in among:
        kubernetes_validate.validate(document, "1.37", strict=True)
    volumes = {volume["name"]: volume for volume in pod_of(among)["volumes"]}
    secrets = {volume["secret"]["secretName"] for volume in volumes.values() if "secret" in volume}
    assert secrets == {"1e3", "null", "0x10", "true"}


def test_a_listener_at_several_addresses_has_one_port_and_the_names_of_the_service():
    settings = ('config.listener.gateway.address=["[::]:8021", "0.0.0.0:8021", "unix:/run/countersign/socket"]',
                'service.ipFamilyPolicy="PreferDualStack"', 'service.externalTrafficPolicy="Local"',
                'service.type="LoadBalancer"')
    among = documents(GATEWAY, SECRET, settings=settings)
    gateway = tomllib.loads(configuration(among))["listener"]["gateway"]
    assert gateway["address"] == ["[::]:8021", "0.0.0.0:8021", "unix:/run/countersign/socket"]
    assert any(name.endswith(".svc:*") for name in gateway["hosts"])
    ports = {port["name"]: port["containerPort"] for port in container_of(among)["ports"]}
    assert sorted(ports.values()) == [8021, 8022]
    (service,) = [one for one in among if one["kind"] == "Service" and "clusterIP" not in one["spec"]]
    assert (service["spec"]["ipFamilyPolicy"], service["spec"]["externalTrafficPolicy"]) == ("PreferDualStack", "Local")
    kubernetes_validate.validate(service, "1.37", strict=True)
    inside = documents(GATEWAY, SECRET, settings=('config.listener.gateway.address=["127.0.0.1:8021"]',))
    assert not [one for one in inside if one["kind"] == "Service" and "clusterIP" not in one["spec"]]


@pytest.mark.parametrize("peers", ["clients", "monitoring", "dns", "endpoints"])
def test_an_empty_list_of_peers_lets_nobody_through(peers):
    """To Kubernetes an empty list in a rule means everybody."""
    policy = the("NetworkPolicy", documents(GATEWAY, SECRET, settings=[f"networkPolicy.{peers}=[]"]))["spec"]
    rules = [*(policy["ingress"] or []), *(policy["egress"] or [])]
    assert len(rules) == 4
    # the API server, whose address the chart does not know
    assert [sorted(rule) for rule in rules if not (rule.get("from") or rule.get("to"))] == [["ports"]]


def test_the_ports_that_may_be_reached_are_those_of_the_routes_and_no_private_range_is():
    policy = the("NetworkPolicy", documents(GATEWAY, EVERYTHING))["spec"]
    dns, endpoints, api, collector = policy["egress"]
    assert [port["port"] for port in dns["ports"]] == [53, 53]
    assert sorted(port["port"] for port in endpoints["ports"]) == [443, 8443]
    assert "169.254.0.0/16" in endpoints["to"][0]["ipBlock"]["except"]
    assert [port["port"] for port in api["ports"]] == [443, 6443] and "to" not in api
    assert collector["ports"] == [{"protocol": "TCP", "port": 4318}]
    # nobody asks the API server where no listener takes its tokens
    policy = the("NetworkPolicy", documents(GATEWAY, GATEWAY / "ci/pod-identity-values.yaml"))["spec"]
    addresses = [peer["ipBlock"]["cidr"] for rule in policy["egress"] for peer in rule.get("to", [])
                 if "ipBlock" in peer]
    assert "169.254.170.23/32" in addresses and "169.254.169.254/32" not in addresses


def test_the_ports_of_fallbacks_may_be_reached_too():
    fallback = 'config.route.importexport.fallback=[{"endpoint":"https://importexport.eu.example:9443/"}]'
    policy = the("NetworkPolicy", documents(GATEWAY, SECRET, settings=[fallback]))
    _, endpoints, _ = policy["spec"]["egress"]
    assert [port["port"] for port in endpoints["ports"]] == [443, 9443]


def test_the_policy_of_the_sidecars_sample_and_the_charts_let_out_to_the_same_places():
    sample = list(yaml.safe_load_all((HELM.parent / "kubernetes/sidecar.yaml").read_text()))
    theirs, ours = the("NetworkPolicy", sample)["spec"], the("NetworkPolicy", documents(GATEWAY, SECRET))["spec"]
    assert ours["egress"][:2] == theirs["egress"]
    assert ours["ingress"][1] == theirs["ingress"][0]


def test_the_build_for_aws_is_taken_with_a_key_of_aws_and_a_digest_goes_before_every_tag():
    images = {path.name.removesuffix("-values.yaml"): container_of(documents(GATEWAY, path))["image"]
              for path in SAMPLES}
    version = yaml.safe_load((GATEWAY / "Chart.yaml").read_text())["appVersion"]
    assert images["secret"].endswith(f":{version}") and images["irsa"].endswith(f":{version}-aws")
    assert images["pod-identity"].endswith(f":{version}-aws") and images["nothing"].endswith(":0.2.0-internal")
    assert images["everything"].startswith("registry.internal.example/mirror/countersign@sha256:")
    said = the("Deployment", documents(GATEWAY, SECRET, settings=['image.variant="aws"']))
    assert said["spec"]["template"]["spec"]["containers"][0]["image"].endswith("-aws")


def test_the_annotations_for_vault_are_those_of_the_sample_and_its_token_is_the_agents_alone():
    among = documents(GATEWAY, VAULT)
    ours = the("Deployment", among)["spec"]["template"]["metadata"]["annotations"]
    sample = yaml.safe_load((HELM.parent / "keys/vault-injector.yaml").read_text())["metadata"]["annotations"]
    # the sample has one key, in key.json, and the pod's own token
    for name, text in sample.items():
        assert ours[name.replace("key.json", "main.json")].strip() == text.strip(), name
    volume = ours["vault.hashicorp.com/agent-service-account-token-volume-name"]
    assert volume in [one["name"] for one in pod_of(among)["volumes"]]
    assert volume not in [mount["name"] for mount in container_of(among)["volumeMounts"]]
    # the pod of `helm test` ends only when its agent does
    assert the("Pod", among)["metadata"]["annotations"]["vault.hashicorp.com/agent-pre-populate-only"] == "true"


def test_a_token_of_the_api_server_is_mounted_only_where_its_keys_are_asked_for():
    for path in SAMPLES:
        among = documents(GATEWAY, path)
        asks = "kubernetes.default.svc/openid" in configuration(among)
        tokens = [volume for volume in pod_of(among)["volumes"] if volume["name"] == "countersign-api"]
        assert bool(tokens) == asks, path


def test_two_pods_are_never_away_at_once_and_one_alone_is_not_held_to_its_node():
    budget = the("PodDisruptionBudget", documents(GATEWAY, SECRET))["spec"]
    assert budget["maxUnavailable"] == 1
    among = documents(GATEWAY, SECRET, settings=["replicaCount=1"])
    assert "PodDisruptionBudget" not in {one["kind"] for one in among}


def test_the_autoscaler_sets_the_number_of_pods_alone():
    among = documents(GATEWAY, EVERYTHING)
    assert "replicas" not in the("Deployment", among)["spec"]
    scaler = the("HorizontalPodAutoscaler", among)["spec"]
    assert scaler["scaleTargetRef"]["name"] == the("Deployment", among)["metadata"]["name"]
    assert [one["type"] for one in scaler["metrics"]] == ["Resource", "Pods"]
    assert container_of(among)["resources"]["requests"]["cpu"], "without it the share of the processor has no meaning"


def test_the_notes_say_how_to_make_a_call(sample):
    said = helm("install", "release", GATEWAY, "--values", sample, "--dry-run=client", "--namespace", NAMESPACE).stdout
    notes = said.partition("\nNOTES:\n")[2]
    service = [one for one in documents(GATEWAY, sample)
               if one["kind"] == "Service" and "clusterIP" not in one["spec"]][0]
    assert f"://{service['metadata']['name']}.{NAMESPACE}.svc:{service['spec']['ports'][0]['port']}/" in notes
    assert "curl " in notes and "{{" not in notes


def test_nothing_is_rendered_twice_and_nothing_of_a_template_is_left(sample):
    text = rendered(GATEWAY, sample)
    among = documents(GATEWAY, sample)
    names = [(one["kind"], one["metadata"]["name"]) for one in among]
    assert len(set(names)) == len(names)
    assert "<no value>" not in text and "%!" not in text
