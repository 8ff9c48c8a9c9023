"""The library: what a chart of somebody else gets is what deploy/kubernetes/sidecar.yaml shows."""

import re
import tomllib

import kubernetes_validate
import yaml
from charts import (CONSUMER, HELM, SIDECAR, VERSIONS, configuration, consumer_chart, documents, helm, parsed, pod_of,
                    rendered, the)

SAMPLE = list(yaml.safe_load_all((HELM.parent / "kubernetes/sidecar.yaml").read_text()))


def sidecar_of(among):
    (found,) = [one for one in pod_of(among)["initContainers"] if one["name"] == "countersign"]
    return found


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


def test_the_container_of_the_library_is_the_one_of_the_sample():
    ours, theirs = sidecar_of(documents(consumer_chart())), sidecar_of(SAMPLE)
    assert without(ours, "image") == without(theirs, "image")
    assert ours["image"].rpartition(":")[2] == theirs["image"].rpartition(":")[2]


def test_the_volumes_and_the_pod_of_the_library_are_those_of_the_sample():
    ours, theirs = pod_of(documents(consumer_chart())), pod_of(SAMPLE)
    volumes = {volume["name"]: volume for volume in ours["volumes"]}
    volumes["countersign-config"]["configMap"] |= {"name": "countersign"}
    assert list(volumes.values()) == theirs["volumes"]
    taken = ("automountServiceAccountToken", "enableServiceLinks", "securityContext", "terminationGracePeriodSeconds")
    assert {name: ours[name] for name in taken} == {name: theirs[name] for name in taken}


def test_the_configuration_of_the_library_is_the_one_of_the_sample():
    assert tomllib.loads(configuration(documents(consumer_chart()))) == tomllib.loads(configuration(SAMPLE))


def test_the_configuration_of_the_longest_release_is_one_to_the_guard():
    """Helm allows 53 characters. A name without the word at its end would be cut from what the guard knows."""
    release = "r" + 51 * "-" + "r"
    among = parsed(helm("template", release, consumer_chart(), "--kube-version", "1.37").stdout)
    (volume,) = [one for one in pod_of(among)["volumes"] if one["name"] == "countersign-config"]
    name = volume["configMap"]["name"]
    assert len(name) <= 63 and re.fullmatch("(.*-)?countersign(-.*)?", name)
    assert name in [one["metadata"]["name"] for one in among if one["kind"] == "ConfigMap"]


def test_every_kubernetes_with_native_sidecars_accepts_the_chart_that_uses_the_library():
    for version in VERSIONS:
        for document in documents(consumer_chart()):
            kubernetes_validate.validate(document, version, strict=True)


def test_a_chart_that_uses_the_library_lints_and_the_library_alone_renders_nothing():
    assert "[ERROR]" not in helm("lint", "--strict", consumer_chart()).stdout
    assert "library charts are not installable" in helm("template", "x", SIDECAR, check=False).stderr


def test_keys_of_each_source_reach_the_sidecar():
    for source, mounted in [
        ('{"secret":{"name":"k","file":"key.json"}}', 'file = "/run/secrets/countersign/key.json"'),
        ('{"csi":{"secretProviderClass":"k","file":"key.json"}}', 'file = "/run/secrets/countersign/key.json"'),
        ('{"vault":{"role":"r","secret":"aws/creds/x"}}', 'file = "/vault/secrets/main.json"'),
        ('{"aws":{"source":"container"}}', 'source = "container"'),
    ]:
        among = documents(consumer_chart(), settings=["countersign-sidecar.keys.main.secret=null", *parts(source)])
        assert mounted in configuration(among)
        annotations = the("Deployment", among)["spec"]["template"]["metadata"]["annotations"]
        assert ("vault.hashicorp.com/agent-inject" in annotations) == ("vault" in source)
        assert sidecar_of(among)["image"].endswith("-aws") == source.startswith('{"aws"')


def parts(source):
    kind, fields = re.fullmatch(r'{"(\w+)":(.*)}', source).groups()
    return [f"countersign-sidecar.keys.main.{kind}={fields}"]


def test_the_readme_shows_the_chart_that_is_tested():
    """Each line of the templates that the README shows stands in the chart of the tests."""
    readme = (SIDECAR / "README.md").read_text()
    templates = "".join(path.read_text() for path in CONSUMER.glob("templates/*"))
    for include in re.findall(r"{{-? include [^}]*}}", readme):
        assert include in templates, include
    library = (SIDECAR / "templates/_sidecar.tpl").read_text()
    for defined in re.findall(r'define "(countersign\.sidecar\.\w+)"', library):
        internal = defined.rpartition(".")[2] in ("values", "settings", "configMapName")
        assert internal or f"`{defined}`" in readme, defined
    assert "countersign" in rendered(consumer_chart())
