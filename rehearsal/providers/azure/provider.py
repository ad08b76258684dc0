"""The plugin's decisions: what Pulumi asks of azure-native, answered with the simulated Resource Manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rehearsal.providers.azure.catalogue import Resource, catalogue
from rehearsal.providers.azure.difference import Change, changes, delete_before_replace
from rehearsal.providers.azure.errors import PluginError
from rehearsal.providers.azure.failures import Failure, did_you_mean
from rehearsal.providers.azure.manager import Manager
from rehearsal.providers.azure.naming import with_defaults
from rehearsal.providers.azure.projection import as_inputs, previewed, refreshed
from rehearsal.providers.azure.rules import rule_failures
from rehearsal.providers.azure.shape_check import shape_failures
from rehearsal.providers.azure.values import UNKNOWN, Properties, has_unknown

PREFIX = "azure-native:"


@dataclass(frozen=True)
class Difference:
    """The changes of a resource's inputs, and whether the old one goes before a new one comes."""

    changes: list[Change]
    delete_first: bool


class Provider:
    """azure-native over one simulated Azure. `location` is the provider's configured one."""

    def __init__(self, manager: Manager, location: str | None = None) -> None:
        self.manager = manager
        self.location = location
        self.schema = manager.schema

    def check(
        self, pulumi_type: str, urn: str, seed: bytes, proposed: str | None, olds: Properties, news: Properties
    ) -> tuple[Properties, list[Failure]]:
        """The inputs with what the plugin fills in, and everything that is wrong with them."""
        resource_type, row = self.row(pulumi_type)
        shape = self.schema.resources[resource_type]
        inputs = with_defaults(
            row, shape, urn=urn, seed=seed, proposed=proposed, olds=olds, news=news, location=self._default_location
        )
        failures = list(shape_failures(self.schema, resource_type, inputs))
        if row.name_input not in inputs and not any(failure.path == row.name_input for failure in failures):
            failures.append(Failure(row.name_input, f"missing required property '{row.name_input}'"))
        if not failures:  # Rules take names and types for granted.
            failures = list(rule_failures(resource_type, inputs))
        return inputs, failures

    def diff(self, pulumi_type: str, olds: Properties, news: Properties) -> Difference:
        """What the new inputs change."""
        _, row = self.row(pulumi_type)
        found = changes(row, olds, news)
        return Difference(found, delete_before_replace(found, olds))

    def create(self, pulumi_type: str, inputs: Properties) -> tuple[str, Properties]:
        """Make it; its id and outputs."""
        resource_type, row = self.row(pulumi_type)
        arm_id = row.arm_id(inputs, self.manager.subscription.subscription)
        return arm_id, self.manager.create(resource_type, arm_id, inputs)

    def update(self, pulumi_type: str, arm_id: str, inputs: Properties) -> Properties:
        """Change it; its outputs."""
        return self.manager.update(self.row(pulumi_type)[0], arm_id, inputs)

    def preview(self, pulumi_type: str, inputs: Properties, olds: Properties) -> Properties:
        """What can be said of its outputs beforehand. Its name and place stay, once it is there."""
        resource_type, _ = self.row(pulumi_type)
        stable = {name: olds[name] for name in ("name", "location") if name in olds}
        return previewed(self.schema, resource_type, inputs) | stable

    def read(
        self, pulumi_type: str, arm_id: str, inputs: Properties | None, olds: Properties
    ) -> tuple[Properties, Properties] | None:
        """Inputs and outputs as Azure has them now, None when it is gone. Without `inputs` it is being imported."""
        resource_type, row = self.row(pulumi_type)
        outputs = self.manager.read(resource_type, arm_id)
        if outputs is None:
            return None
        now = as_inputs(self.schema, resource_type, outputs)
        left_out = [part for part in row.parts if part not in (inputs or {})]
        now = {name: value for name, value in now.items() if name not in left_out}
        if inputs is None:
            record = self.manager.store.get(arm_id)
            path = {name: record.inputs[name] for name in row.path_inputs if record and name in record.inputs}
            return now | path, outputs
        before = as_inputs(self.schema, resource_type, olds)
        before = {name: value for name, value in before.items() if name not in left_out}
        return refreshed(inputs, before, now), outputs

    def delete(self, pulumi_type: str, arm_id: str) -> None:
        """Delete it."""
        self.manager.delete(self.row(pulumi_type)[0], arm_id)

    def row(self, pulumi_type: str) -> tuple[str, Resource]:
        """The type as the table names it, and its row. Raises PluginError for a type that is not simulated."""
        resource_type = pulumi_type.removeprefix(PREFIX)
        if resource_type not in catalogue():
            hint = did_you_mean(resource_type, catalogue())
            raise PluginError(
                f"the azure-native stand-in does not simulate {pulumi_type}{hint or ''} — add it to resources.toml "
                "beside the stand-in, or leave it out of a rehearsed stack"
            )
        return resource_type, catalogue()[resource_type]

    def _default_location(self, inputs: Properties) -> Any:
        """The configured place, else that of the resource's group, which a preview may not know yet."""
        if self.location:
            return self.location
        group = inputs.get("resourceGroupName")
        if has_unknown(group):
            return UNKNOWN
        found = self.manager.store.get(
            f"/subscriptions/{self.manager.subscription.subscription}/resourceGroups/{group}"
        )
        return found.outputs.get("location") if found else None
