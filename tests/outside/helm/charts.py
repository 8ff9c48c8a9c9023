"""The charts, rendered by Helm with their sample values: what the tests of this folder look at."""

import functools
import pathlib
import shutil
import subprocess
import tempfile

import kubernetes_tools
import pytest
import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
HELM = TOP / "deploy/helm"
GATEWAY, SIDECAR = HELM / "countersign", HELM / "countersign-sidecar"
CONSUMER = pathlib.Path(__file__).resolve().parent / "consumer"
SAMPLES = sorted((GATEWAY / "ci").glob("*-values.yaml"))
# the first that has native sidecars, to the last that is known here
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
NAMESPACE = "signing"
TIMEOUT = 120  # seconds; on a busy machine


def program(name):
    """The path of helm or kubectl. On a processor that their wheel is not for, the test is skipped with the reason."""
    try:
        return kubernetes_tools.program(name)
    except kubernetes_tools.Unavailable as reason:
        if kubernetes_tools.wrong_processor():
            pytest.skip(str(reason))
        pytest.fail(str(reason))


def helm(*words, check=True, **options):
    """Runs helm with its own folders in a place that nobody else uses."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [program("helm"), *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT, check=False,
            env={"HOME": home, "PATH": "/usr/bin:/bin"}, **options,
        )
    assert not check or done.returncode == 0, f"helm {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done


def arguments(files, settings, version):
    words = [word for file in files for word in ("--values", file)]
    words += [word for setting in settings for word in ("--set-json", setting)]
    return [*words, "--kube-version", version, "--namespace", NAMESPACE]


@functools.cache
def rendered(chart, *files, settings=(), version="1.37"):
    """What `helm template` prints."""
    return helm("template", "release", chart, *arguments(files, settings, version)).stdout


def documents(chart, *files, settings=(), version="1.37"):
    """The same as documents, which nobody may change: others get the same ones."""
    return parsed(rendered(chart, *files, settings=tuple(settings), version=version))


@functools.cache
def parsed(text):
    # libyaml's reader: the dashboard takes Python's a second
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def refused(chart, *files, settings=()):
    """The message with which helm refuses these values."""
    done = helm("template", "release", chart, *arguments(files, settings, "1.37"), check=False)
    assert done.returncode != 0, done.stdout
    return done.stderr


def the(kind, among, name=None):
    """The one document of this kind, with this name if there are several."""
    (found,) = [one for one in among if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    return found


def pod_of(among):
    return the("Deployment", among)["spec"]["template"]["spec"]


def container_of(among):
    (container,) = [one for one in pod_of(among)["containers"] if one["name"] == "countersign"]
    return container


def configuration(among):
    (text,) = [one["data"]["countersign.toml"] for one in among
               if one["kind"] == "ConfigMap" and "countersign.toml" in one["data"]]
    return text


@functools.cache
def consumer_chart():
    """The chart of somebody else, with the library as Helm fetches it for a chart that depends on it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="countersign-consumer-"))
    shutil.copytree(CONSUMER, place / "consumer")
    shutil.copytree(SIDECAR, place / "countersign-sidecar")
    helm("dependency", "build", place / "consumer")
    return place / "consumer"
