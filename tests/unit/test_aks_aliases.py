"""Former names that the SDK gives its resources."""

from __future__ import annotations

import pulumi
import pytest
from pulumi import Alias, ResourceOptions, ResourceTransformationArgs

from components.targets.aks.aliases import without_versions

pytestmark = pytest.mark.unit
OURS = Alias(name="called-so-before")
VERSION = Alias(type_="azure-native:network/v20230201:Subnet")


def _args(type_: str, aliases: list[pulumi.Input[str | Alias]] | None) -> ResourceTransformationArgs:
    return ResourceTransformationArgs(None, type_, "subnet", {"a": 1}, ResourceOptions(aliases=aliases))  # type: ignore[arg-type]


def test_names_of_older_versions_go_and_our_own_stay() -> None:
    args = _args("azure-native:network:Subnet", [VERSION, OURS, "urn:pulumi:prod::slm::x::y"])
    changed = without_versions(args)
    assert changed is not None
    assert changed.opts.aliases == [OURS, "urn:pulumi:prod::slm::x::y"]
    assert changed.props == {"a": 1}
    assert args.opts.aliases == [VERSION, OURS, "urn:pulumi:prod::slm::x::y"]


def test_other_resources_keep_theirs() -> None:
    assert without_versions(_args("slm:aks:network", [VERSION])) is None
    assert without_versions(_args("azure-native:network:Subnet", None)) is None
