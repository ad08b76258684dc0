"""The steps of a conversion, each in a process of its own: its memory is given back, and its end is understood."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from slm_convert import report
from slm_convert.plan import Failure, Inconvertible, NoMemory, NoSpace, Plan

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Nothing here has a way out; these keep libraries from trying."""
OUT_OF_MEMORY = ("MemoryError", "can't allocate memory", "Cannot allocate memory", "std::bad_alloc", "bad allocation")
OUT_OF_SPACE = ("No space left on device", "Errno 28", "os error 28", "Disk quota exceeded")
MIB = 1024 * 1024


def from_gguf(plan: Plan, source: Path, target: Path, work: Path, dtype: str) -> None:
    """Write the GGUF file `source` as a Hugging Face folder. Raises Failure."""
    command = [sys.executable, "-m", "slm_convert.gguf_folder", str(source), str(target), dtype]
    _run(plan, "dequantising", "gguf", command, target, work, plan.parameters * (4 if dtype == "fp32" else 2))


def to_onnx(plan: Plan, source: Path, target: Path, work: Path) -> None:
    """Write the Hugging Face folder `source` as one for ONNX Runtime. Raises Failure."""
    command = [sys.executable, "-m", "slm_convert.onnx_folder", "-i", str(source), "-o", str(target)]
    command += ["-p", plan.precision, "-e", plan.device, "-c", str(work / "cache")]
    _run(plan, "building", "safetensors", command, target, work, plan.size)


def speak(plan: Plan, folder: Path, work: Path) -> str:
    """What the model in `folder` answers to a short question. Raises Inconvertible when it is nothing."""
    said = work / "said.txt"
    command = [sys.executable, "-m", "slm_convert.speak", plan.format, str(folder), str(said)]
    _run(plan, "trying out", plan.format, command, folder, work, plan.size)
    return said.read_text()


def _run(plan: Plan, step: str, origin: str, command: list[str], grows: Path, work: Path, total: int) -> None:
    """Run one step to its end, telling how `grows` grows. Raises Failure with the reason in words."""
    report.event("step", message=f"{step} {plan.name} ({origin})")
    (work / "tmp").mkdir(exist_ok=True)
    environment = os.environ | QUIET | {"TMPDIR": str(work / "tmp"), "HF_HOME": str(work / "tmp")}
    with (
        tempfile.TemporaryFile(dir=work, mode="w+") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=work
        ) as process,
    ):
        told, before = time.monotonic(), -1
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if time.monotonic() - told >= 2 and (done := size_of(grows)) != before:
                    told, before = time.monotonic(), done
                    report.progress(step, origin, done, total)
        finally:
            if process.poll() is None:
                process.kill()
        output.seek(0)
        lines = deque((line.rstrip() for line in output if line.strip()), maxlen=200)
    if process.returncode:
        raise _failure(plan, step, process.returncode, list(lines))


def _failure(plan: Plan, step: str, code: int, lines: list[str]) -> Failure:
    text = "\n".join(lines)
    if any(mark in text for mark in OUT_OF_SPACE):
        return NoSpace(
            f"the disk was full while {step} {plan.name}. What was written is removed. Free some space where Docker"
            " keeps its volumes (docker system df shows what it holds), and run up again."
        )
    if code == -signal.SIGKILL or any(mark in text for mark in OUT_OF_MEMORY):
        return NoMemory(
            f"{step} {plan.name} needed more than the {memory_limit_mib()} MiB this container may use and was stopped."
            " Nothing was changed. A larger limit cannot help where the machine has no more memory: convert on a"
            " larger one, or give this form of the weights sources of its own (ready-made folders are on the hub)."
        )
    reason = next((line for line in reversed(lines) if not line.startswith(" ")), f"it ended with code {code}")
    return Inconvertible(
        f"{step} {plan.name} failed: {reason[:400]}\nNothing was changed. It ends so for these weights every time: use"
        " another form of them, or weights that are made for this engine."
    )


def memory_limit_mib() -> int:
    """The container's memory limit in MiB (control groups 2, then 1), or all there is."""
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(int(Path(name).read_text()), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) // MIB
        except (OSError, ValueError):
            continue
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB


def peak_mib() -> int:
    """The most memory any step so far held, in MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def size_of(folder: Path) -> int:
    """Bytes of all files below."""
    total = 0
    for parent, _folders, files in os.walk(folder):
        for file in files:
            try:
                total += (Path(parent) / file).stat().st_size
            except FileNotFoundError:
                continue
    return total
