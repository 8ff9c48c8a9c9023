"""The types of Kubernetes' CEL for Google's CEL in C++: `Object.spec.containers{...}` and `JSONPatch{...}` as messages.

The API server knows the names of these types and leaves their fields to the decoder of the patched object. Here each
type that an expression names becomes a message with the fields of Kubernetes' own schema, so that a misspelt field or a
number for a text does not compile.
"""

import json
import pathlib
import re

import kubernetes_validate
from google.protobuf import any_pb2, descriptor_pool, duration_pb2, json_format, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto

SCHEMAS = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
TYPE = re.compile(r"\bObject((?:\.\w+)*)\s*\{")
PLAIN = {"string": Field.TYPE_STRING, "boolean": Field.TYPE_BOOL, "integer": Field.TYPE_INT32}


def message_name(path):
    return "__".join(("Object", *path))


def with_message_names(expression):
    """`Object.spec.volumes{` as the name of a message: a package and a message may not share a name."""
    return TYPE.sub(lambda found: message_name(found[1].split(".")[1:]) + "{", expression)


class Types:
    """The messages that some expressions name, for one kind and version."""

    def __init__(self, expressions, version, kind="io.k8s.api.core.v1.Pod"):
        self.definitions = json.loads((SCHEMAS / f"v{version}.0-local-strict/_definitions.json").read_text())["$defs"]
        self.root = self.definitions[kind]
        paths = {tuple(found[1].split(".")[1:]) for text in expressions for found in TYPE.finditer(text)}
        self.pool = descriptor_pool.DescriptorPool()
        for module in (struct_pb2, any_pb2, wrappers_pb2, duration_pb2, timestamp_pb2):
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        # proto2 tells a field that is set to false from one that is not set
        file = FileDescriptorProto(name="kubernetes.proto", syntax="proto2",
                                   dependency=["google/protobuf/struct.proto"])
        for path in sorted(paths):
            self.add_message(file, path, paths)
        patch = file.message_type.add(name="JSONPatch")
        for number, name in enumerate(("op", "from", "path"), 1):
            patch.field.add(name=name, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
        add_value(patch, "value", 4)
        self.pool.AddSerializedFile(file.SerializeToString())

    def add_message(self, file, path, paths):
        message = file.message_type.add(name=message_name(path))
        for number, (name, schema) in enumerate(self.schema(path)["properties"].items(), 1):
            if name.startswith("$"):
                continue
            schema, repeated = self.resolved(schema)
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if (*path, name) in paths:
                message.field.add(name=name, number=number, label=label, type=Field.TYPE_MESSAGE,
                                  type_name="." + message_name((*path, name)))
            elif (plain := PLAIN.get(kind_of(schema))) is not None:
                message.field.add(name=name, number=number, label=label, type=plain)
            else:
                add_value(message, name, number)

    def schema(self, path):
        """The schema of the object at a path, lists gone through. A path that does not exist is a KeyError."""
        found = self.root
        for name in path:
            found, _ = self.resolved(found["properties"][name])
        return found

    def resolved(self, schema):
        """What a field holds, references followed, and whether it holds many of it."""
        schema = self.followed(schema)
        return (self.followed(schema["items"]), True) if kind_of(schema) == "array" else (schema, False)

    def followed(self, schema):
        while reference := reference_of(schema):
            schema = self.definitions[reference.rsplit("/", 1)[1]]
        return schema


def reference_of(schema):
    choices = [schema, *schema.get("oneOf", []), *schema.get("allOf", []), *schema.get("anyOf", [])]
    return next((choice["$ref"] for choice in choices if "$ref" in choice), None)


def kind_of(schema):
    kinds = schema.get("type", [])
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    return kinds[0] if len(kinds) == 1 else None


def add_value(message, name, number):
    message.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL, type=Field.TYPE_MESSAGE,
                      type_name=".google.protobuf.Value")


def plain(value):
    """A message as JSON; whole numbers, which its `Value` has as floats, as such."""
    return whole(json_format.MessageToDict(value, preserving_proto_field_name=True))


def whole(value):
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
