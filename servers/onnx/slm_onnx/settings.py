"""Settings of the server: environment variables `SLM_ONNX_<NAME>`, or `--<name>` on the command line, which wins."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PREFIX = "SLM_ONNX_"

Provider = Literal["cuda", "cpu"]


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class Settings(BaseModel):
    """What the server is told at its start.

    `chat_template`: a Jinja file to use instead of the folder's own template.
    `providers`: execution providers in order of preference; one that is missing is passed over unless it is the only
    one. `parallel`: requests generated at the same time, each with up to `context_length` tokens; `max_queue` more may
    wait. `batching`: `slots` is this server's own continuous batching, `library` is onnxruntime-genai's engine, `auto`
    chooses (see batching.py). `threads`: 0 takes the CPU limit. `drain_seconds`: how long running answers may take
    after SIGTERM. `prefill_chunk`: prompt tokens read in one step while nobody else is being answered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    folder: Path = Path("/models/onnx")
    chat_template: Path | None = None
    model: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")
    host: str = "0.0.0.0"
    port: int = Field(8080, ge=1, le=65535)
    providers: Annotated[tuple[Provider, ...], BeforeValidator(_split)] = Field(("cuda", "cpu"), min_length=1)
    batching: Literal["auto", "slots", "library"] = "auto"
    context_length: int = Field(4096, ge=16)
    parallel: int = Field(4, ge=1, le=64)
    max_queue: int = Field(64, ge=0, le=4096)
    threads: int = Field(0, ge=0, le=1024)
    prefill_chunk: int = Field(256, ge=8, le=4096)
    prefix_cache: bool = True
    drain_seconds: float = Field(60, ge=0, le=3600)
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from the command line over the environment. Raises pydantic's ValidationError; exits on bad options."""
    parser = argparse.ArgumentParser(prog="slm_onnx", description="Serve one ONNX Runtime genai folder")
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, default=None, help=default)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    known = {
        name: environment[PREFIX + name.upper()]
        for name in Settings.model_fields
        if PREFIX + name.upper() in environment
    }
    return Settings.model_validate(known | given)


def cpu_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs this process may use, at least 1: the smaller of the container's quota and its allowed cores."""
    cores = len(os.sched_getaffinity(0))
    quotas = (_numbers(cgroup / "cpu.max"), _numbers(cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us"))
    for quota in quotas:
        if quota is not None:
            return max(1, min(cores, math.ceil(quota[0] / quota[1])))
    return cores


def _numbers(*files: Path) -> tuple[int, int] | None:
    """Quota and period in microseconds, None where there is no limit or another version of cgroups."""
    try:
        words = " ".join(file.read_text(encoding="ascii") for file in files).split()
    except OSError:
        return None
    if len(words) != 2 or not words[0].isdecimal() or not words[1].isdecimal() or int(words[1]) == 0:
        return None
    return int(words[0]), int(words[1])
