"""The steps of a conversion end in processes of their own: what their ends mean."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.unit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/convert"))
planning, steps = (importlib.import_module(f"slm_convert.{name}") for name in ("plan", "steps"))

PLAN = planning.Plan(
    name="tiny",
    pin="1" * 64,
    source=Path(),
    source_format="gguf",
    files={},
    directory=Path(),
    format="onnx",
    precision="int4",
    device="cpu",
    size=1000,
    parameters=1000,
    provenance={},
)


def run(code: str, folder: Path) -> None:
    grows = folder / "result"
    grows.mkdir()
    steps._run(PLAN, "building", "safetensors", [sys.executable, "-c", code], grows, folder, 1000)


def test_a_step_tells_how_its_result_grows_and_never_seems_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = steps.report.progress

    def tell(step: str, origin: str, done: int, total: int) -> None:
        progress(step, origin, done, total)
        if done:
            (tmp_path / "told").touch()

    monkeypatch.setattr(steps.report, "progress", tell)
    # The step ends once it was told of, however late that is.
    waits = "for _ in range(1200):\n    time.sleep(0.05)\n    if pathlib.Path('told').exists():\n        break"
    run(f"import pathlib, time\npathlib.Path('result/a').write_bytes(b'x' * 5000)\n{waits}", tmp_path)
    told: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0]["event"] == "step"
    assert {"event": "progress", "what": "building", "source": "safetensors", "done": 999, "total": 1000} in told


def test_a_step_cannot_look_for_anything_outside(tmp_path: Path) -> None:
    run("import os; assert os.environ['HF_HUB_OFFLINE'] == os.environ['DO_NOT_TRACK'] == '1'", tmp_path)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "NoMemory", "MiB this container may use"),
        ("raise MemoryError", "NoMemory", "convert on a"),
        ("import errno; raise OSError(errno.ENOSPC, 'No space left on device')", "NoSpace", "Free some space"),
        ("raise SystemExit('Exception: no such architecture')", "Inconvertible", "no such architecture"),
        ("import sys; sys.exit(3)", "Inconvertible", "code 3"),
    ],
)
def test_the_end_of_a_step_is_told_by_its_cause(tmp_path: Path, code: str, kind: str, words: str) -> None:
    with pytest.raises(planning.Failure, match=words) as failed:
        run(code, tmp_path)
    assert type(failed.value).__name__ == kind
    assert len(str(failed.value).splitlines()) < 4


def test_each_kind_of_failure_has_an_exit_code_of_its_own() -> None:
    kinds = (planning.PlanError, planning.NoSpace, planning.Inconvertible, planning.NoMemory)
    assert [kind.code for kind in kinds] == [2, 3, 4, 5]


def test_the_builder_is_asked_for_what_the_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(steps, "_run", lambda *a: asked.append(a[3]))
    steps.to_onnx(PLAN, Path("/in"), Path("/out"), tmp_path)
    assert asked[0][1:] == [
        *("-m", "slm_convert.onnx_folder", "-i", "/in", "-o", "/out"),
        *("-p", "int4", "-e", "cpu", "-c", str(tmp_path / "cache")),
    ]


def test_two_sets_of_rotary_parameters_go_where_the_builder_looks() -> None:
    flatten = importlib.import_module("slm_convert.onnx_folder").flatten
    full, local = {"rope_type": "default", "rope_theta": 1e6}, {"rope_type": "default", "rope_theta": 1e4}
    gemma = SimpleNamespace(rope_parameters={"full_attention": full, "sliding_attention": local})
    flatten(gemma)
    assert (gemma.rope_parameters, gemma.rope_theta, gemma.rope_local_base_freq) == (full, 1e6, 1e4)
    other = SimpleNamespace(rope_parameters=full)
    flatten(other)
    assert vars(other) == {"rope_parameters": full}
