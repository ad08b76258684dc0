"""The words of messages: what pydantic's error types mean to who wrote the file, and fields that may not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails

from components.models import Sha256
from components.workload import Image, Name

WHY_NOT: Mapping[tuple[str, str], tuple[str, str]] = {
    ("engines", "bind"): ("engines are never published; expose the gateway", "set slm:gateway.bind"),
    ("engines", "ports"): ("engines are never published; expose the gateway", "set slm:gateway.port"),
    ("engines", "publish"): ("engines are never published; expose the gateway", "set slm:gateway.port"),
    ("engines", "trust_remote_code"): ("code from a model repository is never run here", "remove it"),
    ("engines", "extra_args"): ("managed or forbidden flag: arguments are decided by the engine class", "remove it"),
    ("engines", "args"): ("managed or forbidden flag: arguments are decided by the engine class", "remove it"),
    ("", "privileged"): ("forbidden (CIS 5.5): a privileged container owns its host", "remove it"),
    ("", "network_mode"): ("forbidden (CIS 5.10): the host's network has no isolation", "remove it"),
    ("", "host_network"): ("forbidden (CIS 5.10): the host's network has no isolation", "remove it"),
    ("", "pid"): ("forbidden (CIS 5.16): the host's processes stay hidden", "remove it"),
    ("", "ipc"): ("forbidden (CIS 5.17): the host's shared memory stays closed", "remove it"),
    ("", "mounts"): ("forbidden (CIS 5.6, 5.32): no path of the host is mounted, least docker.sock", "remove it"),
    ("", "volumes"): ("forbidden (CIS 5.6, 5.32): no path of the host is mounted, least docker.sock", "remove it"),
    ("", "cap_add"): ("capabilities are dropped; only NET_BIND_SERVICE may ever be added", "remove it"),
    ("", "capabilities"): ("capabilities are dropped; only NET_BIND_SERVICE may ever be added", "remove it"),
    ("", "seccomp"): ("forbidden (CIS 5.22): the default seccomp profile always applies", "remove it"),
    ("", "security_opt"): ("forbidden (CIS 5.22): the default seccomp profile always applies", "remove it"),
    ("", "user"): ("non-root uid required: the catalogue says which user an image runs as", "remove it"),
}
"""(section or '', field) of what other tools offer and this one refuses, with the reason."""


def _pattern(kind: Any) -> str:
    return str(TypeAdapter(kind).json_schema()["pattern"])


_BY_PATTERN: Mapping[str, tuple[str, str]] = {
    _pattern(Name): ("not a usable name", "use a-z0-9-, start with a letter, max 40"),
    _pattern(Image): ("not a pinned image", "pin by digest: image@sha256:… with 64 hex characters"),
    _pattern(Sha256): ("digest must be 64 hex characters", "copy the whole sha256"),
}
_EXPECTED: Mapping[str, str] = {
    "string": "string",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "dict": "mapping",
    "model": "mapping",
    "tuple": "list",
    "list": "list",
    "date": "date",
}


def kind_of_value(value: object) -> str:
    """What a person would call a value read from YAML."""
    names = {bool: "bool", int: "number", float: "number", str: "string", dict: "mapping", list: "list", tuple: "list"}
    return names.get(type(value), "nothing" if value is None else type(value).__name__)


def advice(detail: ErrorDetails, section: str, field: str, node: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong and the fix, for an error type that pydantic itself raised."""
    kind, context = detail["type"], detail.get("ctx") or {}
    expected = _EXPECTED.get(kind.removesuffix("_type").removesuffix("_attributes"))
    if kind == "missing":
        return f"'{field}' is missing", "add it"
    if kind in ("int_from_float", "int_type") and isinstance(detail["input"], float):
        return f"whole {'GPUs' if field == 'gpus' else 'numbers'} only", "round it"
    if expected and kind.endswith("_type"):
        fix = "put it in quotes" if expected == "string" and detail["input"] is not None else f"write a {expected}"
        return f"expected {expected}, got {kind_of_value(detail['input'])}", fix
    if kind.startswith(("greater_than", "less_than")):
        reason = "ports < 1024 only on the gateway; " if (section, field) == ("engines", "port") else ""
        return f"{reason}must be {_range(node, detail['msg'])}", "choose a value inside"
    if kind == "literal_error":
        return f"must be one of {context['expected'].replace(' or ', ', ')}", "choose one"
    if kind == "union_tag_invalid":
        return f"kind must be one of {context['expected_tags'].replace(chr(39), '')}", "choose one"
    if kind == "union_tag_not_found":
        return "kind is missing, so nobody knows what this is", "add kind"
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return _BY_PATTERN.get(pattern, ("not written as expected", f"it must match {pattern}"))
    if kind.startswith("date"):
        return "not a date", "write it as 2026-12-31"
    if kind == "too_short":
        return f"at least {context['min_length']} is required", "add one"
    return detail["msg"][:1].lower() + detail["msg"][1:], "see docs or the schema"


def _range(node: Mapping[str, Any], message: str) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f"{low}-{high}"
    if low is not None:
        return f"at least {low}"
    if high is not None:
        return f"at most {high}"
    return message.lower().removeprefix("input should be ")
