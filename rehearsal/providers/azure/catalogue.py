"""The table of simulated resources (`resources.toml`)."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from components.workload import Value

_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"

Names = Literal["random", "copy", "guid"]


class Resource(Value):
    """A simulated resource: its path in Azure, how it is named, and what a change of an input means."""

    id: str
    names: Names
    replaces: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def path_inputs(self) -> tuple[str, ...]:
        """The inputs its id is made of; the last of them is its own name."""
        found = re.findall(r"\{(\w+)\}", self.id.replace("{group}", _GROUP))
        return tuple(name for name in found if name != "subscriptionId")

    @property
    def name_input(self) -> str:
        """The input that holds its name."""
        return self.path_inputs[-1]

    @property
    def replacing(self) -> frozenset[str]:
        """Paths of inputs whose change replaces it."""
        return frozenset((*self.path_inputs, *self.replaces))

    @property
    def type_name(self) -> str:
        """Azure's name of the type, `Microsoft.KeyVault/vaults/secrets`."""
        segments = self.id.rpartition("/providers/")[2].split("/")
        if segments[0] == "{group}" or not self.id.count("/providers/"):
            return "Microsoft.Resources/resourceGroups"
        return "/".join([segments[0], *segments[1::2]])

    def arm_id(self, inputs: dict[str, object], subscription: str) -> str:
        """Its id. Raises KeyError for an input that is missing."""
        values = {name: str(inputs[name]).strip("/") for name in self.path_inputs}
        # A scope or a resource's URI is a path of its own, and begins with the slash that the others need.
        values |= {name: f"/{value}" for name, value in values.items() if name in ("scope", "resourceUri")}
        return self.id.replace("{group}", _GROUP).format(subscriptionId=subscription, **values)


@cache
def catalogue() -> dict[str, Resource]:
    """all simulated resources by type. Raises ValueError naming the row that is wrong."""
    table = tomllib.loads((Path(__file__).parent / "resources.toml").read_text())
    return {resource_type: Resource.model_validate(row) for resource_type, row in table.items()}
