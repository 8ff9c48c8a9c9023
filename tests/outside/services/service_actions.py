"""Writes src/query/services/actions.txt from botocore's models of the services that take forms.

    target/venv/bin/python tests/outside/services/service_actions.py            writes the file
    target/venv/bin/python tests/outside/services/service_actions.py --check    fails when the file is stale
"""

import pathlib
import sys
import textwrap

import botocore
import botocore.session
from botocore.model import ServiceModel

TOP = pathlib.Path(__file__).resolve().parents[3]
FILE = TOP / "src/query/services/actions.txt"

HEAD = """\
# The Actions of AWS's services that take forms: those whose models have the protocol "query" or "ec2".
# Source: the service models of botocore {version} (https://github.com/boto/botocore, Apache License 2.0).
# Written by tests/outside/services/service_actions.py, which compares it with the installed botocore too.
#
# Below [suffixes] stands what the names of endpoints end in, in all partitions. `[NAME] LABEL` is a service, by its
# signing name, and the label that stands for it in the names of its endpoints; its Actions follow, in order. Services
# that share an endpoint share a section.
"""


def services(loader):
    """The model of each service that takes forms."""
    for name in loader.list_available_services("service-2"):
        model = ServiceModel(loader.load_service_model(name, "service-2"), name)
        protocols = model.metadata.get("protocols", [model.metadata["protocol"]])
        if {"query", "ec2"}.intersection(protocols):
            yield model


def suffixes(loader):
    """The suffixes of endpoints' names in all partitions."""
    outputs = [partition["outputs"] for partition in loader.load_data("partitions")["partitions"]]
    return sorted({output[key] for output in outputs for key in ("dnsSuffix", "dualStackDnsSuffix")})


def wrapped(words):
    """Words in lines, as long as the lines of the source."""
    return textwrap.fill(" ".join(words), 120, break_on_hyphens=False)


def text():
    """The whole file."""
    loader = botocore.session.get_session().get_component("data_loader")
    actions = {}
    for model in services(loader):
        actions.setdefault((model.signing_name, model.endpoint_prefix), set()).update(model.operation_names)
    lines = [HEAD.format(version=botocore.__version__), "[suffixes]", wrapped(suffixes(loader)), ""]
    for (name, label), names in sorted(actions.items()):
        lines += [f"[{name}] {label}", wrapped(sorted(names)), ""]
    return "\n".join(lines)


def main():
    made = text()
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text() != made:
            raise SystemExit(f"{FILE} is stale: run {pathlib.Path(sys.argv[0])}")
    else:
        FILE.write_text(made)


if __name__ == "__main__":
    main()
