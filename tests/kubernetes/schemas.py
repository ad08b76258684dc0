"""Kubernetes' own schemas, several versions of them, without a cluster: an unknown field or a wrong type is found."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource

from components.targets.kubernetes.names import Manifest

Schema = dict[str, Any]

ADDED = {"ScaledObject", "SecretProviderClass", "VerticalPodAutoscaler"}
"""Kinds that are no part of Kubernetes: an API server that knows their definitions checks them."""


def problems(manifest: Manifest, version: str) -> list[str]:
    """What is wrong with an object as of a version (`1.34`), each as "path: what".

    Raises KeyError for a kind that this version does not have.
    """
    validator = _validator(version, manifest["kind"], manifest["apiVersion"])
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(manifest)]


@cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator:
    folder = f"kubernetes-json-schema/v{_full(version)}-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError:
        raise KeyError(f"Kubernetes {version} has no {kind} of {api_version}") from None
    return Draft202012Validator(schema, registry=_definitions(folder))


@cache
def _definitions(folder: str) -> Registry[Schema]:
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", folder)) @ Registry()


def _full(version: str) -> str:
    [found] = {full for full in all_versions() if major_minor(full) == version}
    return found
