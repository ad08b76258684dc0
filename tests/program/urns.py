"""The names under which a stack's resources are in its state, and which of a release's names another one loses.

A name (URN) is the types of all parents, the resource's own type, and its name. When one is lost, Pulumi deletes the
resource and makes another one: a volume, a vault, a cluster. An alias says what a resource was called before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
from pulumi import Alias

from tests.program.aks_recorder import AksRecorder

GOLDEN = Path(__file__).parent / "urns"
WRITE = "SLM_WRITE_URNS"
"""The variable with which the tests write the lists anew, for a change that somebody means."""

OF_THE_SDK = ("azure-native:", "kubernetes:")
"""How types begin whose former names the SDKs themselves list; they are no names of ours."""


@dataclass(frozen=True)
class Urn:
    """What follows the stack and the project in a URN. `path` has the types of all parents, joined by `$`."""

    path: str
    name: str

    def __str__(self) -> str:
        # Weights of another pin are meant to be another volume, beside the old one.
        return f"{self.path}::{re.sub(r'-[0-9a-f]{12}(-[0-9a-f]{6})?(?=-|$)', '-<pin>', self.name)}"


@dataclass
class UrnRecorder(AksRecorder):
    """A recorder that works out the URNs of what is registered, and those that its aliases stand for."""

    urns: dict[int, Urn] = field(default_factory=dict)
    former: dict[int, set[Urn]] = field(default_factory=dict)
    kept: list[pulumi.Resource] = field(default_factory=list)

    def transform(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        parent = args.opts.parent
        above = self.urns.get(id(parent))
        self.urns[id(args.resource)] = _below(above, args.type_, args.name)
        self.former[id(args.resource)] = set(self._former(args, above))
        # An id is another object's once this one is gone.
        self.kept.append(args.resource)
        return super().transform(args)

    def _former(self, args: pulumi.ResourceTransformationArgs, above: Urn | None) -> Iterable[Urn]:
        here = [above, *self.former.get(id(args.opts.parent), ())]
        for known in here[1:]:
            name = args.name
            if above and known and name.startswith(above.name):
                name = known.name + name.removeprefix(above.name)
            yield _below(known, args.type_, name)
        for alias in args.opts.aliases if isinstance(args.opts.aliases, list) else ():
            if isinstance(alias, Alias):
                if isinstance(alias.type_, str) and alias.type_.startswith(OF_THE_SDK):
                    continue
                under = here if alias.parent is ... else [self.urns.get(id(alias.parent))]
                for one in under:
                    yield _below(one, _given(alias.type_, args.type_), _given(alias.name, args.name))
            elif isinstance(alias, str):
                _, _, path, name = alias.split("::", 3)
                yield Urn(path, name)

    @property
    def present(self) -> set[str]:
        """Every resource's URN, without stack and project."""
        return {str(urn) for urn in self.urns.values()}

    @property
    def kept_by_alias(self) -> set[str]:
        """The URNs under which states of older releases may have one of them."""
        return {str(urn) for one in self.former.values() for urn in one}


def _below(above: Urn | None, type_: str, name: str) -> Urn:
    root = above is None or above.path == "pulumi:pulumi:Stack"
    return Urn(type_ if root or above is None else f"{above.path}${type_}", name)


def _given(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise


def lost(released: Iterable[str], recorder: UrnRecorder) -> list[str]:
    """What is wrong with a release's names: one sentence for each that is lost, and for each that is not listed yet."""
    known = set(released)
    problems = [
        f"{urn} is lost: a deployment would delete this resource and make another one. Renamed or moved: give the"
        " resource opts=ResourceOptions(aliases=[Alias(name=…, type_=…, parent=…)]) with what was. Meant to go: take"
        " the line out of the list"
        for urn in sorted(known - recorder.present - recorder.kept_by_alias)
    ]
    problems += [f"{urn} is new: add it to the list ({WRITE}=1)" for urn in sorted(recorder.present - known)]
    # A name that an alias keeps leaves the list with the release after: states must have been updated by then.
    return problems


def read(stack: str) -> list[str]:
    """The list of a stack, without comments. Raises FileNotFoundError."""
    lines = (GOLDEN / f"{stack}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def write(stack: str, recorder: UrnRecorder, released: Iterable[str]) -> None:
    """Write a stack's list: what is there, and what only an alias keeps."""
    GOLDEN.mkdir(exist_ok=True)
    held = recorder.present | (set(released) & recorder.kept_by_alias)
    (GOLDEN / f"{stack}.txt").write_text("".join(f"{urn}\n" for urn in sorted(held)))
