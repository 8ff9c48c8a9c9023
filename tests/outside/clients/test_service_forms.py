"""Every call that AWS's form services know passes: no operation has two parameters that could be taken for one another.

The forms are botocore's own, from its models of all services with the query or the ec2 protocol: for each operation one
call with every parameter, every member of every structure, and lists and maps of two items.
"""

import contextlib
import datetime
import http.client
import urllib.parse

import botocore.session
import pytest
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from importexport import KEY_ID, SECRET
from strict_recorder import StrictRecorder

# of the botocore that requirements.txt names. Written out, since finding them takes seconds: each process of pytest
# would spend them before the first test
SERVICES = [
    "autoscaling", "cloudformation", "cloudsearch", "cloudwatch", "docdb", "ec2", "elasticache", "elasticbeanstalk",
    "elb", "elbv2", "iam", "importexport", "neptune", "rds", "redshift", "sdb", "ses", "sns", "sts",
]  # fmt: skip
OPERATIONS = 2038  # or more
# a structure may contain itself; this often it is written out
DEEPEST = 2
OF_THE_ENDPOINT = 'limits.parameters = 100000\nlimits.body = "16 MiB"'


@pytest.fixture(scope="module")
def loader():
    return botocore.session.get_session().get_component("data_loader")


def form_service(loader, name):
    """The protocol and the model of a service that takes forms, or none."""
    model = ServiceModel(loader.load_service_model(name, "service-2"), name)
    protocols = {"query", "ec2"}.intersection(model.metadata.get("protocols", [model.metadata["protocol"]]))
    return (protocols.pop(), model) if protocols else None


def sample(shape, number, above=()):
    """A value of this shape that leaves nothing out; None where a structure contains itself too often."""
    if above.count(shape.name) > DEEPEST:
        return None
    above = (*above, shape.name)
    match shape.type_name:
        case "structure":
            members = {name: sample(member, number, above) for name, member in shape.members.items()}
            return {name: value for name, value in members.items() if value is not None}
        case "list":
            items = [sample(shape.member, number, above) for number in (1, 2)]
            return [item for item in items if item is not None] or None
        case "map":
            value = sample(shape.value, number, above)
            return None if value is None else {"One": value, "Two": value}
        case "boolean":
            return True
        case "integer" | "long":
            return number
        case "float" | "double":
            return 0.5
        case "timestamp":
            return datetime.datetime(2011, 6, 20, tzinfo=datetime.timezone.utc)
        case "blob":
            return b"data"
        case "string":
            return f"value {number}"
    raise AssertionError(f"{shape.type_name} is not known here")


def forms(protocol, model):
    """Each operation's name, and the form of a call with all its parameters."""
    serializer = create_serializer(protocol, include_validation=False)
    for name in model.operation_names:
        operation = model.operation_model(name)
        parameters = sample(operation.input_shape, 1) if operation.input_shape else {}
        yield name, serializer.serialize_to_request(parameters, operation)["body"]


def counted(name):
    """What countersign compares of a name."""
    return "".join(character for character in name.lower() if character not in "_- ")


@pytest.fixture(scope="module")
def recorder():
    with contextlib.closing(StrictRecorder(KEY_ID, SECRET)) as recorder:
        yield recorder
    assert recorder.complaints == []


@pytest.fixture(scope="module")
def signer(proxy, recorder):
    return proxy(f"http://{recorder.authority}/", route=OF_THE_ENDPOINT)


def test_all_form_services_are_tried(loader):
    found = {name: form_service(loader, name) for name in loader.list_available_services("service-2")}
    models = {name: service[1] for name, service in found.items() if service}
    assert sorted(models) == SERVICES
    assert sum(len(model.operation_names) for model in models.values()) >= OPERATIONS


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_of_a_form_service_passes_with_all_its_parameters(service, loader, signer, recorder):
    with contextlib.closing(http.client.HTTPConnection(signer.host, signer.port, timeout=60)) as connection:
        for name, form in forms(*form_service(loader, service)):
            fields = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/", urllib.parse.urlencode(form), fields)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, f"{name}: {said}"
            assert recorder.calls.pop() == {key: str(value) for key, value in form.items()}, name


@pytest.mark.parametrize("service", SERVICES)
def test_no_rule_about_a_parameter_refuses_a_call_that_spells_it_right(service, loader):
    """A condition refuses other spellings of its parameter, and parts of it. None is a parameter of its own."""
    for name, form in forms(*form_service(loader, service)):
        folded = sorted(map(counted, form))
        for one, next_one in zip(folded, folded[1:]):
            part = next_one.removeprefix(one) if next_one.startswith(one) else "other"
            assert part[:1].isalnum(), f"{name}: {next_one} could be taken for {one}"
