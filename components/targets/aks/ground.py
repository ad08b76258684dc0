"""What every Azure resource of one target has in common: provider, resource groups, place, tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_azure_native as azure_native
from pulumi import ResourceOptions
from pulumi_azure_native import resources

from components.targets.aks.names import Names
from components.targets.spec import Aks


@dataclass(frozen=True)
class Ground:
    """Handed to every part; `parent` is the target itself.

    `group` is deleted with the stack, `data_group` holds what may outlive it.
    """

    name: str
    parent: pulumi.Resource
    spec: Aks
    names: Names
    provider: azure_native.Provider
    group: resources.ResourceGroup
    data_group: resources.ResourceGroup

    @property
    def tags(self) -> dict[str, str]:
        """Tags of every resource that takes some."""
        return tags(self.spec, self.names)

    def under(self, parent: pulumi.Resource, **options: Any) -> ResourceOptions:
        """Options of a resource below a part: its parent and this target's provider, and whatever else it needs."""
        return ResourceOptions(parent=parent, provider=self.provider, **options)

    def common(self) -> dict[str, Any]:
        """Arguments of a resource that is deleted with the stack: where it is, and its tags."""
        return {"resource_group_name": self.group.name, "location": self.spec.location, "tags": self.tags}

    def kept(self) -> dict[str, Any]:
        """The same of a resource that may outlive it."""
        return {**self.common(), "resource_group_name": self.data_group.name}


def lay(parent: pulumi.Resource, name: str, spec: Aks, stack: str) -> Ground:
    """Make provider and resource groups, and give what all other parts stand on."""
    names = Names(stack)
    provider = azure_native.Provider(
        f"{name}-azure",
        azure_native.ProviderArgs(location=spec.location, subscription_id=spec.subscription_id),
        opts=ResourceOptions(parent=parent),
    )

    def group(what: str, azure_name: str, **options: Any) -> resources.ResourceGroup:
        return resources.ResourceGroup(
            f"{name}-{what}",
            resource_group_name=azure_name,
            location=spec.location,
            tags=tags(spec, names),
            opts=ResourceOptions(parent=parent, provider=provider, **options),
        )

    return Ground(
        name=name,
        parent=parent,
        spec=spec,
        names=names,
        provider=provider,
        group=group("group", names.group),
        # A group takes everything in it along, so it is kept for the sake of whatever in it is.
        data_group=group(
            "data-group",
            names.data_group,
            protect=spec.protect.data or spec.protect.vault,
            retain_on_delete=spec.retain.data or spec.retain.vault,
            import_=adopted(spec, names),
        ),
    )


def adopted(spec: Aks, names: Names, below: str = "") -> str | None:
    """The id of what an earlier teardown retained in the group of data, to be taken over; None to make it anew."""
    if not spec.adopt:
        return None
    return f"/subscriptions/{spec.subscription_id}/resourceGroups/{names.data_group}{below}"


def tags(spec: Aks, names: Names) -> dict[str, str]:
    """The stack file's tags and our own, by which what is left of a stack can be found."""
    return {**spec.tags, "slm-stack": names.stack}
