"""An API server's admission of one request, by the policies of deploy/kubernetes/inject: selectors, conditions,
variables, patches and validations. Google's CEL in C++ compiles and evaluates the expressions; jsonpatch patches.
"""

import copy

import jsonpatch
import yaml
from cel_expr_python import cel
from cel_types import Types, plain, with_message_names
from sidecar_sample import KUBERNETES

VERSION = "1.36"
FILES = [path for path in sorted((KUBERNETES / "inject").glob("*.yaml")) if path.name != "kustomization.yaml"]
DOCUMENTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]
VARIABLES = ("object", "oldObject", "request", "params", "variables")


def of_kind(kind):
    return [document for document in DOCUMENTS if document["kind"] == kind]


(PARAMETERS,) = of_kind("ConfigMap")
POLICIES = {document["metadata"]["name"]: document["spec"]
            for kind in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy") for document in of_kind(kind)}
BINDINGS = [document["spec"] for kind in ("MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBinding")
            for document in of_kind(kind)]


class Denied(Exception):
    """The request is refused; the message is what the user sees."""


class Request:
    """What the API server is asked: an operation on a pod, or a command in one."""

    def __init__(self, obj, namespace, old=None, operation=None, resource="pods", rights=()):
        self.object, self.old, self.namespace, self.resource = obj, old, namespace, resource
        self.operation = operation or ("UPDATE" if old else "CREATE")
        # what the user may do in the namespace: "get /secrets"
        self.rights = list(rights)

    def data(self, params, variables):
        return {"object": self.object, "oldObject": self.old,
                "request": {"operation": self.operation, "namespace": "team"},
                "params": params, "variables": variables, "authorizer": {"rights": self.rights}}


def expressions(spec):
    """Every expression of a policy."""
    found = [entry["expression"] for part in ("matchConditions", "variables", "validations")
             for entry in spec.get(part, [])]
    found += [entry["messageExpression"] for entry in spec.get("validations", []) if "messageExpression" in entry]
    return found + [mutation["jsonPatch"]["expression"] for mutation in spec.get("mutations", [])]


QUESTION = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)


def asked_for(part):
    """A step of `authorizer.group("").resource("secrets")...`: the question so far, with one part more."""
    def step(question, value):
        return {**question, part: value}
    return step


def allowed(question):
    assert question["namespace"] == "team"
    return f"{question['check']} {question['group']}/{question['resource']}" in question["rights"]


def member(name, impl, result, *parameters):
    overload = cel.Overload(id=f"authorizer_{name}", return_type=result, is_member=True, impl=impl,
                            parameters=[QUESTION, *parameters])
    return cel.FunctionDecl(name, [overload])


# Kubernetes' own functions, which ask its authorizer.
AUTHORIZER = [member(part, asked_for(part), QUESTION, cel.Type.STRING)
              for part in ("group", "resource", "namespace", "check")]
AUTHORIZER.append(member("allowed", allowed, cel.Type.BOOL))

ENVIRONMENT = cel.NewEnv(
    descriptor_pool=Types([text for spec in POLICIES.values() for text in expressions(spec)], VERSION).pool,
    variables={**{name: cel.Type.DYN for name in VARIABLES}, "authorizer": QUESTION}, functions=AUTHORIZER)
COMPILED = {}


def compiled(expression):
    if expression not in COMPILED:
        COMPILED[expression] = ENVIRONMENT.compile(with_message_names(expression))
    return COMPILED[expression]


def evaluate(expression, data):
    value = compiled(expression).eval(data=data)
    if value.type() == cel.Type.ERROR:
        raise Denied(f"{value.value()}")
    return value.plain_value()


def selects(selector, labels):
    """Whether a label selector matches, as Kubernetes defines it."""
    wanted = [(key, "In", [value]) for key, value in selector.get("matchLabels", {}).items()]
    wanted += [(entry["key"], entry["operator"], entry.get("values"))
               for entry in selector.get("matchExpressions", [])]
    verdicts = {"In": lambda key, values: key in labels and labels[key] in values,
                "NotIn": lambda key, values: key not in labels or labels[key] not in values,
                "Exists": lambda key, _: key in labels}
    return all(verdicts[operator](key, values) for key, operator, values in wanted)


def applies(binding, spec, request):
    rules = spec["matchConstraints"]["resourceRules"]
    if not any(request.operation in rule["operations"] and request.resource in rule["resources"] for rule in rules):
        return False
    match = binding["matchResources"]
    pods = [pod for pod in (request.object, request.old) if pod]
    return (selects(match.get("namespaceSelector", {}), request.namespace) and
            any(selects(match.get("objectSelector", {}), pod.get("metadata", {}).get("labels", {})) for pod in pods))


def variables_of(spec, request, params):
    variables = {}
    for variable in spec.get("variables", []):
        variables[variable["name"]] = evaluate(variable["expression"], request.data(params, variables))
    return variables


def admit(request, params=PARAMETERS, policies=POLICIES):
    """The object after every policy that applies; Denied where one refuses or fails, for all of them say Fail."""
    for binding in BINDINGS:
        spec = policies.get(binding["policyName"])
        if spec is None or not applies(binding, spec, request):
            continue
        assert spec["failurePolicy"] == "Fail"
        conditions = [entry["expression"] for entry in spec.get("matchConditions", [])]
        if not all(evaluate(condition, request.data(params, {})) for condition in conditions):
            continue
        for mutation in spec.get("mutations", []):
            request.object = patched(mutation, request, request.data(params, variables_of(spec, request, params)))
        for validation in spec.get("validations", []):
            validate(validation, request.data(params, variables_of(spec, request, params)))
    return request.object


def patched(mutation, request, data):
    patches = evaluate(mutation["jsonPatch"]["expression"], data)
    return jsonpatch.apply_patch(copy.deepcopy(request.object), [plain(patch) for patch in patches])


def validate(validation, data):
    if not evaluate(validation["expression"], data):
        text = validation.get("messageExpression")
        raise Denied(evaluate(text, data) if text else validation["message"])
