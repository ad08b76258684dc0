"""Former names of Azure resources that no state of this project can hold."""

from __future__ import annotations

from copy import copy

import pulumi
from pulumi import Alias, ResourceTransformationArgs, ResourceTransformationResult

VERSIONED = "azure-native:"
"""How types begin that the SDK lists as former names of its resources."""


def without_versions(args: ResourceTransformationArgs) -> ResourceTransformationResult | None:
    """Take off the aliases by which the SDK names its resources' types in each older version of Azure's API.

    They help programs that once declared `azure-native:network/v20230201:Subnet` and now declare the type without a
    version. This one never did otherwise, and to work out those thousand names for every resource and its children took
    an eighth of a preview. Aliases of our own, for what a part was called or where it stood, stay.
    """
    if not args.type_.startswith(VERSIONED) or not isinstance(args.opts.aliases, list):
        return None
    opts = copy(args.opts)
    opts.aliases = [alias for alias in args.opts.aliases if not _of_a_version(alias)]
    return ResourceTransformationResult(args.props, opts)


def _of_a_version(alias: pulumi.Input[str | Alias]) -> bool:
    return isinstance(alias, Alias) and isinstance(alias.type_, str) and alias.type_.startswith(VERSIONED)
