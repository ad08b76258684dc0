"""What the azure-native SDK says about the inputs and outputs of a resource, by the names that go over the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["string", "integer", "number", "boolean", "object", "list", "map", "any"]


class Shape(BaseModel):
    """The type of a value. `of` is what a list or map holds, `ref` the name of an object's type.

    `values` are an enumeration's, empty where any value of the kind will do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    of: Shape | None = None
    ref: str = ""
    values: tuple[str, ...] = ()
    required: bool = False


Fields = dict[str, Shape]


class ResourceShape(BaseModel):
    """A resource's inputs and outputs, and the version of Azure's API that the SDK's default is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Fields
    outputs: Fields
    api_version: str


class Schema(BaseModel):
    """Resources by type (`containerservice:AgentPool`), and the object types that their fields refer to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sdk_version: str
    resources: dict[str, ResourceShape]
    types: dict[str, Fields] = Field(default_factory=dict)

    def fields_of(self, shape: Shape) -> Fields:
        """The fields of an object shape; empty for every other kind."""
        return self.types.get(shape.ref, {}) if shape.kind == "object" else {}
