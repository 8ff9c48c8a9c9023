"""boto 2.49.0 of 2018, which sends most calls as a GET, on a Python of today; and its services, each with calls."""

import datetime
import importlib
import inspect
import sys
import types

import six

# boto 2 brings a `six` that Python 3.12 cannot import any more, and asks for a module that is gone since
sys.modules["boto.vendored.six"], sys.modules["boto.vendored.six.moves"] = six, six.moves
for part in ("http_client", "queue", "urllib", "urllib.parse", "urllib.request", "urllib.error"):
    sys.modules[f"boto.vendored.six.moves.{part}"] = importlib.import_module(f"six.moves.{part}")
sys.modules.setdefault("imp", types.ModuleType("imp"))

from boto.auth import QuerySignatureV2AuthHandler  # noqa: E402
from boto.cloudformation.connection import CloudFormationConnection  # noqa: E402
from boto.ec2 import autoscale  # noqa: E402
from boto.ec2.autoscale import AutoScaleConnection, LaunchConfiguration, ScalingPolicy, Tag  # noqa: E402
from boto.ec2.cloudwatch import CloudWatchConnection, MetricAlarm  # noqa: E402
from boto.ec2.connection import EC2Connection  # noqa: E402
from boto.ec2.elb import ELBConnection, HealthCheck  # noqa: E402
from boto.emr.connection import EmrConnection  # noqa: E402
from boto.emr.step import StreamingStep  # noqa: E402
from boto.exception import BotoServerError  # noqa: E402
from boto.iam.connection import IAMConnection  # noqa: E402
from boto.regioninfo import RegionInfo  # noqa: E402
from boto.sdb.connection import SDBConnection  # noqa: E402
from boto.sns.connection import SNSConnection  # noqa: E402

AWKWARD = "1+1=2 & 100% \"é\" 漢 😀 <a>\n;~*'()"
THEN = datetime.datetime(2011, 6, 20, 22, 30, 59)
TEMPLATE = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'

# What takes more than texts: a call of each, as its users write it.
CALLS = {
    SDBConnection: {
        "put_attributes": lambda c: c.put_attributes("d", "item & 1", {AWKWARD: AWKWARD, "colors": ["red", "blue"]}),
        "batch_put_attributes": lambda c: c.batch_put_attributes("d", {f"i{n}": {"a": AWKWARD} for n in range(25)}),
        "batch_delete_attributes": lambda c: c.batch_delete_attributes("d", {"i": {"a": None}}),
        "select": lambda c: c.select("d", "select * from `d` where a like '%+%' and b = \"é\""),
    },
    EmrConnection: {
        "run_jobflow": lambda c: c.run_jobflow("flow", "s3://logs/", steps=[StreamingStep(
            "step", "s3://m.py", "s3://r.py", input="s3://in", output="s3://out", step_args=["-D", "a=b c"])]),
        "add_jobflow_steps": lambda c: c.add_jobflow_steps("j-1", [StreamingStep("step", "m", "r", input="i")]),
        "add_tags": lambda c: c.add_tags("j-1", {"key": AWKWARD, "alone": None}),
        "set_termination_protection": lambda c: c.set_termination_protection("j-1", True),
        "set_visible_to_all_users": lambda c: c.set_visible_to_all_users("j-1", False),
        "describe_jobflows": lambda c: c.describe_jobflows(states=["RUNNING"], created_after=THEN),
    },
    AutoScaleConnection: {
        "create_launch_configuration": lambda c: c.create_launch_configuration(LaunchConfiguration(
            name="lc", image_id="ami-1", key_name="k", security_groups=["a", "b"], user_data=b"#!/bin/sh\n\xff")),
        "create_auto_scaling_group": lambda c: c.create_auto_scaling_group(autoscale.AutoScalingGroup(
            group_name="g", launch_config="lc", availability_zones=["a", "b"], min_size=1, max_size=4, connection=c)),
        "create_scaling_policy": lambda c: c.create_scaling_policy(ScalingPolicy(
            name="p", as_name="g", adjustment_type="ChangeInCapacity", scaling_adjustment=-1, cooldown=60)),
        "create_or_update_tags": lambda c: c.create_or_update_tags([Tag(key="k", value=AWKWARD, resource_id="g")]),
        "delete_tags": lambda c: c.delete_tags([Tag(key="k", value="v", resource_id="g")]),
    },
    CloudWatchConnection: {
        "put_metric_data": lambda c: c.put_metric_data("N", "m", value=1.5, unit="Count", dimensions={"d": AWKWARD}),
        "get_metric_statistics": lambda c: c.get_metric_statistics(60, THEN, THEN, "m", "N", ["Sum", "Average"]),
        "put_metric_alarm": lambda c: c.put_metric_alarm(MetricAlarm(
            c, "alarm", "m", "N", "Average", ">=", 80.0, 60, 2, alarm_actions=["arn:aws:sns:r:1:t"])),
    },
    CloudFormationConnection: {
        "create_stack": lambda c: c.create_stack("stack", template_body=TEMPLATE, parameters=[("p", AWKWARD)],
                                                 timeout_in_minutes=5, tags={"k": "v"}),
        "describe_stack_resource": lambda c: c.describe_stack_resource("stack", "Topic"),
    },
    SNSConnection: {
        "publish": lambda c: c.publish("arn:aws:sns:us-east-1:1:t", AWKWARD, subject="ü"),
        "set_topic_attributes": lambda c: c.set_topic_attributes("arn", "Policy", '{"a": "b"}'),
    },
    IAMConnection: {"put_user_policy": lambda c: c.put_user_policy("u", "p", '{"Statement": [{"Effect": "Deny"}]}')},
    ELBConnection: {
        "create_load_balancer": lambda c: c.create_load_balancer("lb", ["a", "b"], [(80, 8080, "http")]),
        "create_load_balancer_listeners": lambda c: c.create_load_balancer_listeners("lb", [(80, 8080, "tcp")]),
        "configure_health_check": lambda c: c.configure_health_check("lb", HealthCheck("a", 3, "HTTP:80/")),
    },
    EC2Connection: {
        "run_instances": lambda c: c.run_instances("ami-1", user_data="#!/bin/sh\necho é\n", security_groups=["a"]),
        "create_tags": lambda c: c.create_tags(["i-1", "i-2"], {"Name": AWKWARD}),
        "import_key_pair": lambda c: c.import_key_pair("k", b"ssh-rsa AAAA+/="),
        "get_all_instances": lambda c: c.get_all_instances(filters={"tag:Name": "a b", "instance-state-name": ["x"]}),
    },
}

# How many of its Actions a service is called with here, at least.
LEAST = {SDBConnection: 10, EmrConnection: 16, AutoScaleConnection: 33, CloudWatchConnection: 10,
         CloudFormationConnection: 14, SNSConnection: 20, IAMConnection: 85, ELBConnection: 19, EC2Connection: 85}


def connect(service, host, port, key, path="/"):
    """A connection of this class to `host`, in the clear and without repetitions."""
    where = {"host": host} if service is IAMConnection else {"region": RegionInfo(name="us-east-1", endpoint=host)}
    made = service(*key, is_secure=False, port=port, path=path, **where)
    made.num_retries = 0
    return made


def sign_with_version_2(connection):
    """Has a connection sign as boto 2 did before Version 4, and as tools for OpenStack still ask it to."""
    connection._auth_handler = QuerySignatureV2AuthHandler(connection.host, None, connection.provider)


def calls(service):
    """Calls of every public method: those above, and all that take nothing but texts with a text for each."""
    for name, method in sorted(inspect.getmembers(service, inspect.isfunction)):
        if name in CALLS[service]:
            yield name, CALLS[service][name]
        elif name in vars(service) and not name.startswith("_"):
            parameters = list(inspect.signature(method).parameters.values())[1:]
            texts = [f"a {p.name}" for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
            yield name, lambda connection, name=name, texts=texts: getattr(connection, name)(*texts)


class Sent:
    """A hook of boto 2: what it sent, and the status of each answer."""

    def __init__(self):
        self.requests = []

    def handle_request_data(self, request, response, error=False):
        texts = {name: value.decode() if isinstance(value, bytes) else str(value)
                 for name, value in request.params.items()}
        self.requests.append((request.method, texts, response and response.status))


def run(connection, call, sent):
    """What a call sent. boto 2 may have wanted something else than a text, or more of an answer that is empty; a
    refusal is an error."""
    before = len(sent.requests)
    try:
        call(connection)
    except BotoServerError:
        raise
    except Exception:  # noqa: BLE001, S110
        pass
    return sent.requests[before:]
