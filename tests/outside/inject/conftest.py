"""What the tests of component and injection share: the sample, kubectl, and Kubernetes' schemas."""

import os
import pathlib

import kubernetes_tools
import pytest
import yaml
from kustomization import rendered
from sidecar_sample import KUBERNETES


@pytest.fixture(scope="session")
def countersign():
    """The program under test. Its absence is a failure: a skipped test would look like a passed one."""
    path = os.environ.get("COUNTERSIGN_BIN")
    if not path or not os.access(path, os.X_OK):
        pytest.fail(f"COUNTERSIGN_BIN ({path}) is not the countersign program; tests/run builds it and sets this")
    return pathlib.Path(path).resolve()


@pytest.fixture(scope="session")
def kubectl():
    try:
        return kubernetes_tools.program("kubectl")
    except kubernetes_tools.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def kustomize(kubectl, tmp_path):
    """Renders a kustomization: files by their names. It stands beside a link to deploy/kubernetes."""

    def render(files, succeeds=True):
        (tmp_path / "kubernetes").exists() or (tmp_path / "kubernetes").symlink_to(KUBERNETES)
        folder = tmp_path / "consumer"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
        return rendered(kubectl, folder, succeeds)

    return render
