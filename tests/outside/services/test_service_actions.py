"""The Actions that are known of AWS's services are those of botocore's models, and endpoints' names lead to them."""

import botocore.session
import pytest
import service_actions


def test_the_actions_of_services_are_those_of_the_installed_botocore():
    assert service_actions.FILE.read_text() == service_actions.text(), "run service_actions.py"


def known():
    """The suffixes, and the sections by the labels of their endpoints."""
    sections = service_actions.FILE.read_text().split("\n[")[1:]
    split = [section.split("]", 1) for section in sections]
    labels = {rest.split("\n", 1)[0].strip(): name for name, rest in split[1:]}
    return split[0][1].split(), labels


def endpoints():
    """The name of each service that takes forms, with the names of its endpoints in all regions."""
    session = botocore.session.get_session()
    for model in service_actions.services(session.get_component("data_loader")):
        for partition in session.get_available_partitions():
            for region in session.get_available_regions(model.service_name, partition, allow_non_regional=True):
                resolver = session.get_component("endpoint_resolver")
                made = resolver.construct_endpoint(model.endpoint_prefix, region, partition_name=partition)
                if made:
                    yield model.signing_name, made["hostname"]


@pytest.mark.filterwarnings("ignore:Fetching the endpoint_resolver component")
def test_the_names_of_all_endpoints_have_a_known_suffix_and_the_label_of_their_service():
    suffixes, labels = known()
    found = list(endpoints())
    assert len(found) > 300
    for service, host in found:
        suffix = next((suffix for suffix in suffixes if host.endswith(f".{suffix}")), None)
        assert suffix, host
        words = [label.removesuffix("-fips") for label in host.removesuffix(f".{suffix}").split(".")]
        assert next((labels[word] for word in words if word in labels), None) == service, host


@pytest.mark.parametrize(("service", "action"), [("sdb", "BatchPutAttributes"), ("ec2", "RunInstances")])
def test_a_service_has_its_actions(service, action):
    section = service_actions.FILE.read_text().split(f"\n[{service}]", 1)[1].split("\n[")[0]
    assert action in section.split()
