"""Whether a host's Docker engine can give NVIDIA GPUs to containers, and as many as are described (pure).

A container asks for them as `docker run --gpus` does. Docker answers by NVIDIA's runtime hook, or from version 29 on by
CDI (moby/moby#50228), for which the host needs a CDI description of its GPUs. That an engine has CDI at all says
nothing: newer ones have it switched on without any GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops.errors import UserError
from ops.hosts.facts import HostFacts

RUNTIME, RUNTIME_HOOK, CDI_HOOK = "nvidia", "nvidia-container-runtime-hook", "nvidia-cdi-hook"
CDI_KIND = "nvidia.com/gpu="
CDI_SINCE = 29
"""The first major version of Docker that may answer `--gpus` by CDI."""

_TOOLKIT = "install nvidia-container-toolkit on the host, then: nvidia-ctk runtime configure --runtime=docker"
_HARM = "no container could use a GPU"


def require(gpus: int, info: Mapping[str, Any], facts: HostFacts) -> None:
    """Raise UserError unless the engine that describes itself as `info` can give `gpus` of them to containers."""
    if not gpus:
        return
    described = f"it is described with {gpus} GPU{'s' if gpus > 1 else ''}"
    if facts.gpus is not None and facts.gpus < gpus:
        raise UserError(
            f"{described}, and its NVIDIA driver has {facts.gpus}",
            harm="what asks for more of them would not start",
            fix="correct gpus in the stack's file, or see what nvidia-smi says on the host",
        )
    if RUNTIME in (info.get("Runtimes") or {}) or RUNTIME_HOOK in facts.nvidia:
        return
    version = str(info.get("ServerVersion", ""))
    if not discovered(info):
        raise UserError(
            f"{described}, and its Docker engine has neither the nvidia runtime nor a GPU by CDI",
            harm=_HARM,
            fix=f"{_TOOLKIT} (or with CDI: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml)",
        )
    if _major(version) < CDI_SINCE or CDI_HOOK not in facts.nvidia:
        lacks = f"is version {version}" if _major(version) < CDI_SINCE else f"finds no {CDI_HOOK}"
        raise UserError(
            f"{described}, which its Docker engine knows by CDI only, and it {lacks}",
            harm=f"{_HARM}: without the nvidia runtime that takes version {CDI_SINCE} and {CDI_HOOK}",
            fix=_TOOLKIT,
        )


def discovered(info: Mapping[str, Any]) -> int:
    """How many names of NVIDIA GPUs the engine knows by CDI; one GPU may have several, and there is one for all."""
    devices = info.get("DiscoveredDevices") or ()
    return sum(str(one.get("ID", "")).startswith(CDI_KIND) for one in devices if one.get("Source") == "cdi")


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
