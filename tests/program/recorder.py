"""A recorder for programs under Pulumi's mocks: what was registered, under which parent, with which provider."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

SECRET_MARK = "4dabf18193072939515e22adb298388d"


@dataclass(frozen=True)
class Seen:
    """One registered resource as the engine is asked for it."""

    type: str
    name: str
    parent: str | None
    parent_type: str | None
    options: pulumi.ResourceOptions
    is_provider: bool
    is_component: bool


@dataclass
class Recorder(Mocks):
    """Answers every registration with its own inputs and keeps them; `seen` comes from a stack transformation.

    `outputs` are those of the stack, plain or as Outputs.
    """

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.inputs[args.name] = dict(args.inputs)
        self.types[args.name] = args.typ
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: MockCallArgs) -> dict[Any, Any]:
        raise AssertionError(f"the program must not look anything up while it declares: {args.token}")

    def transform(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        """Record the registration, then take off what only an engine with a state could use: hooks and aliases.

        The Azure SDK lists every older API version of a resource as an alias, and a URN is worked out for each: most of
        the time that declaring a cluster takes.
        """
        parent = args.opts.parent
        self.seen.append(
            Seen(
                type=args.type_,
                name=args.name,
                parent=getattr(parent, "_name", None),
                parent_type=getattr(parent, "_type", None),
                options=args.opts,
                is_provider=args.type_.startswith("pulumi:providers:"),
                is_component=isinstance(args.resource, pulumi.ComponentResource),
            )
        )
        bare = copy(args.opts)
        bare.hooks = None
        bare.aliases = None
        return pulumi.ResourceTransformationResult(args.props, bare)


def is_secret(value: Any) -> bool:
    """Whether an input arrived marked as secret."""
    return isinstance(value, dict) and SECRET_MARK in value
