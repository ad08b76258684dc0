"""The program: python3 -m slm_convert PLAN.json. Exit codes are in README.md."""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from slm_convert import report, steps
from slm_convert.plan import Failure, Inconvertible, NoSpace, Plan, PlanError, read_plan
from slm_convert.store import Store, check_input, digest


def convert(plan: Plan) -> dict[str, Any]:
    """The record of the converted weights, made now or before. Raises Failure."""
    store, started = Store(plan), time.monotonic()
    if record := store.present():
        report.event("present", message=f"{plan.name} is already there", sha256=digest(record["files"]))
        return record
    with store.opened() as work:
        if record := store.present():
            return record
        check_input(plan)
        store.check_space()
        folder = _convert(plan, work)
        record = store.accept(folder, _tried(plan, folder, work), started)
    facts = {"sha256": digest(record["files"]), "bytes": sum(f["bytes"] for f in record["files"].values())}
    seconds, peak = record["seconds"], record["peak_mib"]
    source = f"conversion of {plan.source_format}"
    report.event("done", message=f"{plan.name} is made", source=source, seconds=seconds, peak_mib=peak, **facts)
    return record


def _convert(plan: Plan, work: Path) -> Path:
    """The folder with the result, made in `work`."""
    source, result = plan.source, work / "result"
    if plan.source_format == "gguf":
        files = [plan.source / name for name in plan.files] or sorted(plan.source.glob("*.gguf"))
        if len(files) != 1:
            raise PlanError(f"{plan.source} holds {len(files)} GGUF files, and one is needed")
        source = work / "result" if plan.format == "safetensors" else work / "huggingface"
        dtype = plan.precision if plan.format == "safetensors" else "bf16"
        steps.from_gguf(plan, files[0], source, work, dtype)
    if plan.format == "onnx":
        steps.to_onnx(plan, source, result, work)
        if not (result / "genai_config.json").is_file():
            raise Inconvertible(f"the builder made no genai_config.json for {plan.name}")
    return result


def _tried(plan: Plan, folder: Path, work: Path) -> dict[str, Any]:
    """How the result was tried out. Raises Inconvertible when it does not work."""
    if plan.format == "onnx" and plan.device == "cuda":
        settings = json.loads((folder / "genai_config.json").read_text())
        named = folder / settings["model"]["decoder"]["filename"]
        providers = settings["model"]["decoder"]["session_options"]["provider_options"]
        if not named.is_file() or not any("cuda" in provider for provider in providers):
            raise Inconvertible(f"the folder made for {plan.name} is not one for a GPU, or not complete")
        return {"how": "files and settings only: a folder for GPUs cannot run without one", "answer": None}
    answer = steps.speak(plan, folder, work).strip()
    if not any(letter.isalnum() for letter in answer):
        raise Inconvertible(
            f"{plan.name} answers a question with nothing after its conversion ({answer[:40]!r}), so it was thrown away"
        )
    return {"how": "generated on the CPU", "answer": answer}


def main(arguments: list[str]) -> int:
    """Run with a plan and give the exit code."""
    try:
        if len(arguments) != 1:
            raise PlanError("usage: python3 -m slm_convert PLAN.json")
        convert(read_plan(Path(arguments[0])))
    except Failure as error:
        report.failure(str(error))
        return error.code
    except OSError as error:
        report.failure(f"the volume cannot be written: {error.strerror} ({error.filename})")
        return NoSpace.code if error.errno in (errno.ENOSPC, errno.EDQUOT) else PlanError.code
    return 0


def _stop(number: int, _frame: FrameType | None) -> None:
    # As the container's first process it would otherwise ignore SIGTERM. The work folder is removed on the way out.
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    sys.exit(main(sys.argv[1:]))
