"""What the tests of component and injection share: the sample, kubectl, and Kubernetes' schemas."""

import kubernetes_tools
import pytest
import yaml
from deploy.conftest import countersign  # noqa: F401
from kustomization import rendered
from sidecar_sample import KUBERNETES


@pytest.fixture(scope="session")
def kubectl():
    try:
        return kubernetes_tools.program("kubectl")
    except kubernetes_tools.Unavailable as error:
        if kubernetes_tools.wrong_processor():
            pytest.skip(str(error))
        pytest.fail(str(error))


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
