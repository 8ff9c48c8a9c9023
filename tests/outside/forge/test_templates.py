"""Forms for issues, owners of code, and what proposes updates: they are complete, and name what exists."""

import re

import pytest
import yaml
from project_env import PROJECT
from workflows import TOP

GITHUB = TOP / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
NEEDS = {
    "markdown": {"value"},
    "textarea": {"label"},
    "input": {"label"},
    "dropdown": {"label", "options"},
    "checkboxes": {"label", "options"},
}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_has_what_the_forge_asks_for(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    for field in form["body"]:
        assert NEEDS[field["type"]] <= field["attributes"].keys(), field
        assert field.keys() <= {"type", "id", "attributes", "validations"}
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_a_vulnerability_is_sent_to_the_private_form_and_not_into_an_issue():
    config = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE/config.yml").read_text())
    assert config["blank_issues_enabled"] is False
    urls = [link["url"] for link in config["contact_links"]]
    assert all(url.startswith(PROJECT["REPOSITORY_URL"] + "/") for url in urls)
    assert f"{PROJECT['REPOSITORY_URL']}/security/advisories/new" in urls
    bug = (GITHUB / "ISSUE_TEMPLATE/bug.yml").read_text()
    assert "privately" in bug and "SECURITY.md" in bug
    assert "SECURITY.md" in (GITHUB / "pull_request_template.md").read_text()


def test_owners_are_those_of_the_project_and_own_what_exists():
    address = re.search(r"<(.*)>", PROJECT["MAINTAINER"])[1]
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == ["*", address]
    for pattern, *owners in lines[1:]:
        assert owners == [address]
        path = TOP / pattern.strip("/")
        assert path.exists() and pattern.endswith("/") == path.is_dir(), pattern


def test_updates_are_proposed_for_every_list_of_what_others_wrote():
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    listed = {(update["package-ecosystem"], update["directory"]) for update in updates}
    assert listed == {
        ("github-actions", "/"), ("cargo", "/"), ("pip", "/tests/outside"), ("npm", "/tests/outside/clients/node")
    }
    for ecosystem, directory in listed - {("github-actions", "/")}:
        name = {"cargo": "Cargo.lock", "pip": "requirements.txt", "npm": "package-lock.json"}[ecosystem]
        assert (TOP / directory.strip("/") / name).is_file()
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
