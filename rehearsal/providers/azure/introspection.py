"""Reads the azure-native SDK's own classes: wire names, required fields, types and enumerations.

The SDK itself accepts `count="abc"` or an unknown key of a dictionary without a word; what its classes say about
themselves is enough to refuse both. Importing the SDK takes seconds, so `schema_cache` keeps the result.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import typing
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, get_args, get_origin

from rehearsal.providers.azure.schema import Fields, ResourceShape, Schema, Shape

PACKAGE = "pulumi_azure_native"
_PLAIN: dict[Any, Shape] = {
    str: Shape(kind="string"),
    bool: Shape(kind="boolean"),
    int: Shape(kind="integer"),
    float: Shape(kind="number"),
}


def sdk_version() -> str:
    """The installed SDK's version, which is the plugin's too."""
    return version("pulumi-azure-native")


def introspect(resource_types: Iterable[str]) -> Schema:
    """The schema of these resources. Raises AttributeError for a type the SDK has no class for."""
    reader = _Reader()
    resources = {resource_type: reader.resource(resource_type) for resource_type in resource_types}
    return Schema(sdk_version=sdk_version(), resources=resources, types=reader.types)


class _Reader:
    def __init__(self) -> None:
        self.types: dict[str, Fields] = {}

    def resource(self, resource_type: str) -> ResourceShape:
        module_name, name = resource_type.split(":")
        module = importlib.import_module(f"{PACKAGE}.{module_name}")
        resource = getattr(module, name)
        file = importlib.import_module(resource.__module__)
        # Where a nested type has the resource's name, the SDK calls the resource's arguments `InitArgs`.
        arguments = getattr(file, f"{name}InitArgs", None) or getattr(file, f"{name}Args")
        documented = re.search(r"Uses Azure REST API version ([0-9a-z-]+)", inspect.getsource(file))
        return ResourceShape(
            inputs=self.fields(arguments),
            outputs=self.fields(resource),
            api_version=documented.group(1) if documented else "",
        )

    def fields(self, owner: Any) -> Fields:
        """The fields of a class of arguments, of a resource or of an output type."""
        parameters = inspect.signature(owner.__init__).parameters
        is_arguments = owner.__name__.endswith("Args")
        return {
            wire: self.shape(_hints(getter)["return"]).model_copy(
                update={"required": is_arguments and parameters[name].default is inspect.Parameter.empty}
            )
            for name, wire, getter in _getters(owner)
        }

    def shape(self, annotation: Any) -> Shape:
        alternatives = list(_alternatives(annotation))
        enums = [a for a in alternatives if inspect.isclass(a) and issubclass(a, enum.Enum)]
        if enums:
            values = tuple(str(member.value) for member in enums[0])
            return Shape(kind="string", values=values)
        annotation = alternatives[0] if alternatives else Any
        if annotation in _PLAIN:
            return _PLAIN[annotation]
        origin = get_origin(annotation)
        if origin in (Sequence, list):
            return Shape(kind="list", of=self.shape(get_args(annotation)[0]))
        if origin in (Mapping, dict):
            return Shape(kind="map", of=self.shape(get_args(annotation)[1]))
        if inspect.isclass(annotation) and annotation.__module__.startswith(PACKAGE):
            return self._object(annotation)
        return Shape(kind="any")

    def _object(self, owner: Any) -> Shape:
        # Arguments and outputs of one name differ (a list of identities goes in, a map comes out).
        ref = f"{owner.__module__.removeprefix(PACKAGE + '.').split('.')[0]}:{owner.__name__}"
        if ref not in self.types:
            self.types[ref] = {}  # A type may contain itself: the name is taken before its fields are read.
            self.types[ref] = self.fields(owner)
        return Shape(kind="object", ref=ref)


def _getters(owner: Any) -> Iterator[tuple[str, str, Any]]:
    for name, member in vars(owner).items():
        if isinstance(member, property) and (wire := getattr(member.fget, "_pulumi_name", None)):
            yield name, wire, member.fget


def _hints(getter: Any) -> dict[str, Any]:
    import pulumi

    # `pulumi.Input` names `Output[T]` as text, which is looked up where the SDK's module is, and is not there.
    return typing.get_type_hints(getter, localns={"Output": pulumi.Output, "T": Any})


def _alternatives(annotation: Any) -> Iterator[Any]:
    """What a plain value may be: `Optional`, `Input` and `Output` taken off."""
    import pulumi

    origin = get_origin(annotation)
    if origin is pulumi.Output:
        yield from _alternatives(get_args(annotation)[0])
    elif origin is typing.Union:
        for part in get_args(annotation):
            if part is not type(None) and get_origin(part) not in (Awaitable, pulumi.Output):
                yield from _alternatives(part)
    else:
        yield annotation
