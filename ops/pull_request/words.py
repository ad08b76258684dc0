"""Settings in plain words: what a field is called, and how its value is shown, secrets and prompts never (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.settings.secret_words import is_secret_field, looks_like_a_secret
from ops.pull_request.markdown import code

LABELS: Mapping[str, str] = {
    "kind": "kind",
    "target": "target",
    "model": "model",
    "served_model_name": "name that clients ask for",
    "weights": "form of the weights",
    "parallel": "requests at once",
    "context_length": "context of a request, in tokens",
    "memory": "memory limit",
    "cpus": "CPUs",
    "gpus": "GPUs",
    "startup": "seconds it may take to start",
    "drain": "seconds that running answers get at its end",
    "replicas": "copies",
    "scaling": "copies decided by demand",
    "scaling.min": "fewest copies",
    "scaling.max": "most copies",
    "scaling.idle_seconds": "seconds without requests until the last copy goes",
    "keep_alive": "how long an idle model stays loaded",
    "kv_cache_type": "precision of cached keys and values",
    "max_queue": "requests that may wait",
    "quantization": "quantisation",
    "gpu_memory_utilization": "share of the GPU's memory it takes",
    "port": "port",
    "bind": "published address",
    "hosts": "host names it answers to",
    "origins": "web pages that may call it",
    "tls": "encryption",
    "tls.minimum": "oldest TLS version",
    "tls.certificate": "secret with the certificate",
    "tls.key": "secret with the certificate's key",
    "limits.requests_per_minute": "requests of one key a minute",
    "limits.concurrent_requests": "requests of one key at once",
    "limits.body_kib": "largest request, in KiB",
    "memory_mib": "memory limit, in MiB",
    "memory_gib": "main memory, in GiB",
    "disk_gib": "disk for weights, in GiB",
    "location": "Azure region",
    "vm_size": "VM size",
    "min_nodes": "fewest nodes",
    "max_nodes": "most nodes",
    "spot": "spot nodes",
    "storage": "where weights lie",
    "exposure": "who reaches the gateway",
    "source_ranges": "ranges of callers",
    "kubernetes_version": "version of Kubernetes",
    "address": "address",
    "host_key": "SSH host key",
    "canary": "hosts that change first",
    "percent": "waves, in percent of all hosts",
    "on_failure": "after a failure",
    "on_unready": "a host that is not ready",
    "questions": "questions after each wave",
    "error_percent": "failed questions allowed, in percent",
    "retention.metrics_days": "days that figures are kept",
    "retention.logs_days": "days that logs are kept",
}

PROMPTS = frozenset({"system", "template", "chat_template", "ca_certificates", "stop"})
"""Fields that hold what models are told, or long texts that say nothing to a reader."""

NOTHING = "not set"
_ABSENT = object()


def label(path: str) -> str:
    """What a field is called; its path where it has no name."""
    if path in LABELS:
        return LABELS[path]
    first, _, rest = path.partition(".")
    name, _, field = rest.partition(".")
    return f"{LABELS.get(field, code(field))} of pool {code(name)}" if first == "pools" and field else code(path)


def shown(value: Any, path: str) -> str:
    """A value in Markdown."""
    fields = path.split(".")
    if value is None or value is _ABSENT:
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value) if fields[-1] == "port" else f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if fields[-1] in PROMPTS:
        return "(text)"
    if fields[-1] == "host_key":
        # It is as random as a secret, and public.
        return code(f"{str(value)[:24]}…{str(value)[-12:]}")
    if isinstance(value, str) and (is_secret_field(fields[-1]) or looks_like_a_secret(value) or "env" in fields[:-1]):
        return code("[secret]")
    if isinstance(value, list | tuple):
        return ", ".join(shown(one, path) for one in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{label(str(key))} {shown(one, f'{path}.{key}')}" for key, one in value.items()) or "none"
    return code(value)


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Path, old and new value of everything that differs; a part that comes or goes is one difference."""
    for key in dict.fromkeys([*after, *before]):
        old, new, path = before.get(key, _ABSENT), after.get(key, _ABSENT), f"{prefix}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{path}.")
        elif old != new:
            yield path, old, new


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One short sentence for each difference."""
    found = []
    for path, old, new in differences(before, after):
        was, becomes = shown(old, path), shown(new, path)
        same = was == becomes
        found.append(f"{label(path)}: {'changed' if same else f'{was} → {becomes}'}" + (f" {was}" if same else ""))
    return found
