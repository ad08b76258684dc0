"""Resources that exist already and are taken over instead of made: a list in the stack's file, `slm:adopt`.

Pulumi compares what is there with what the program describes. What differs it changes or replaces in the same
deployment, so `make import` proposes only what would stay as it is. Once a resource is in the state its entry says
nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

import pulumi
from pulumi import ResourceTransformationArgs, ResourceTransformationResult

from components.settings.adoption import Adoption


class Adopting:
    """Gives each listed resource the id of what it takes over, while the program declares it."""

    def __init__(self, adoptions: Iterable[Adoption]) -> None:
        self._wanted = {one.resource: one for one in adoptions}
        self._met: set[str] = set()

    def register(self) -> None:
        """From now on every resource that is declared is looked up in the list."""
        if self._wanted:
            pulumi.runtime.register_stack_transformation(self.transform)

    def transform(self, args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
        """The resource with the id of what is there; None where it is in no list."""
        wanted = self._wanted.get(args.name)
        # A component has no id; one may be called like its resource.
        if wanted is None or not isinstance(args.resource, pulumi.CustomResource):
            return None
        self._met.add(args.name)
        opts = copy(args.opts)
        opts.import_ = wanted.id
        if wanted.ignore:
            opts.ignore_changes = [*(opts.ignore_changes or ()), *wanted.ignore]
        return ResourceTransformationResult(args.props, opts)

    def require_all_met(self) -> None:
        """Raise pulumi.RunError for entries that name no resource of the program: nothing is dropped in silence."""
        if unknown := sorted(self._wanted.keys() - self._met):
            raise pulumi.RunError(
                f"slm:adopt: the stack has no resource {', '.join(unknown)}, so nothing would be taken over: correct"
                " the name (make preview names resources), or take the entry out"
            )
