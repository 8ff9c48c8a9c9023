"""What is made of other files is as they are now: schemas, tables of the READMEs, copies, versions, names."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import jsonschema
import pytest
import yaml
from charts import GATEWAY, HELM, SIDECAR, TOP
from project_env import PROJECT


def generate(folder):
    command = [sys.executable, HELM / "generate", folder]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_schemas_readmes_and_copies_are_what_the_generator_makes(tmp_path):
    copy = tmp_path / "helm"
    shutil.copytree(HELM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for chart in ("countersign", "countersign-sidecar"):
        (copy / chart / "values.schema.json").unlink()
        readme = copy / chart / "README.md"
        readme.write_text(re.sub(r"(?s)(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", r"\1\3", readme.read_text()))
    shutil.rmtree(copy / "countersign/files")
    (copy / "countersign/files").mkdir()
    done = generate(copy)
    assert done.returncode == 0, done.stderr
    for path in HELM.rglob("*"):
        if path.is_file() and path.parent.name != "__pycache__":
            made = copy / path.relative_to(HELM)
            assert made.read_bytes() == path.read_bytes(), f"{path}: run deploy/helm/generate"


def test_a_value_without_a_description_is_refused_with_its_line(tmp_path):
    shutil.copytree(HELM, tmp_path / "helm")
    values = tmp_path / "helm/countersign/values.yaml"
    values.write_text(values.read_text() + "undescribed: 1\n")
    done = generate(tmp_path / "helm")
    line = values.read_text().count("\n")
    assert done.returncode == 65 and f"line {line}: undescribed has no description" in done.stderr


@pytest.mark.parametrize("chart", [GATEWAY, SIDECAR], ids=lambda path: path.name)
def test_another_validator_takes_the_schema_and_the_defaults(chart):
    schema = json.loads((chart / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    values = yaml.safe_load((chart / "values.yaml").read_text())
    jsonschema.Draft7Validator(schema).validate(values)
    jsonschema.Draft7Validator(schema).validate({**values, "global": {"anything": 1}})


@pytest.mark.parametrize("chart", [GATEWAY, SIDECAR], ids=lambda path: path.name)
def test_the_chart_has_the_programs_version_and_the_publishers_names(chart):
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    version = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
    assert about["version"] == about["appVersion"] == version
    assert about["home"] == PROJECT["HOMEPAGE_URL"] and about["sources"] == [PROJECT["REPOSITORY_URL"]]
    (maintainer,) = about["maintainers"]
    assert f"{maintainer['name']} <{maintainer['email']}>" == PROJECT["MAINTAINER"]
    image = yaml.safe_load((chart / "values.yaml").read_text())["image"]
    assert image["repository"] == PROJECT["IMAGE_REPOSITORY"] and not image["tag"]
    assert f"    version: {version}\n" in (SIDECAR / "README.md").read_text()
    licence = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["license"]
    assert about["annotations"]["artifacthub.io/license"] == licence


def test_nothing_in_the_values_is_a_secret_or_names_one_that_has_to_be_there():
    values = yaml.safe_load((GATEWAY / "values.yaml").read_text())
    assert values["keys"] == values["tls"] == values["config"]["key"] == values["config"]["route"] == {}
    text = (GATEWAY / "values.yaml").read_text()
    assert not re.search(r"AKIA|AGE-SECRET|PRIVATE KEY", text)
