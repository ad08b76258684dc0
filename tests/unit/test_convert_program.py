"""The conversion program: what it says, records and refuses. Its steps are stand-ins here; the real ones run in
tests/docker/test_convert_container.py."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/convert"))
program, planning, steps, store = (
    importlib.import_module(f"slm_convert.{name}") for name in ("__main__", "plan", "steps", "store")
)

GGUF = b"GGUF" * 1000
Step = Callable[..., None]


class Converter:
    """The program on two folders, with steps that write what they are told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source, self.target = folder / "source", folder / "target"
        self.source.mkdir()
        self.target.mkdir()
        (self.source / "tiny.gguf").write_bytes(GGUF)
        self.ran: list[str] = []
        self.answer = "The capital of France is Paris."
        self.plan: dict[str, Any] = {
            "name": "tiny",
            "parameters": 1000,
            "input": {
                "format": "gguf",
                "directory": str(self.source),
                "pin": "1" * 64,
                "files": [{"path": "tiny.gguf", "size_bytes": 4000, "sha256": hashlib.sha256(GGUF).hexdigest()}],
                "sources": [{"kind": "huggingface", "repo": "maker/tiny", "revision": "e" * 40}],
            },
            "output": {
                "format": "safetensors",
                "precision": "bf16",
                "device": None,
                "directory": str(self.target),
                "pin": "2" * 64,
                "size_bytes": 2000,
            },
        }
        self.path = folder / "plan.json"
        monkeypatch.setattr(steps, "_run", self._step)
        monkeypatch.setattr(store, "version", lambda name: f"{name} 1.0")

    def _step(self, plan: Any, step: str, origin: str, command: list[str], grows: Path, work: Path, total: int) -> None:
        self.ran.append(step)
        if step == "trying out":
            (work / "said.txt").write_text(self.answer)
            return
        (grows / "sub").mkdir(parents=True)
        (grows / "config.json").write_text("{}")
        (grows / "sub/model.bin").write_bytes(step.encode())
        options = [{"cuda": {}}] if plan.device == "cuda" else []
        decoder = {"filename": "sub/model.bin", "session_options": {"provider_options": options}}
        (grows / "genai_config.json").write_text(json.dumps({"model": {"type": "tiny", "decoder": decoder}}))

    def run(self, **output: Any) -> int:
        self.plan["output"] |= output
        self.path.write_text(json.dumps(self.plan))
        self.ran.clear()
        return int(program.main([str(self.path)]))

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.target / "conversion.json").read_text())
        return found

    def files(self) -> set[str]:
        return {str(p.relative_to(self.target)) for p in self.target.rglob("*") if p.is_file()} - {".converting.lock"}


@pytest.fixture
def converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Converter:
    return Converter(tmp_path, monkeypatch)


RESULT = {"config.json", "genai_config.json", "sub/model.bin", "conversion.json"}


def test_the_result_lies_at_the_top_with_a_record_of_all_that_made_it(
    converter: Converter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converter.run() == 0
    assert converter.files() == RESULT
    record = converter.record
    assert record["source"]["sources"] == converter.plan["input"]["sources"]
    assert record["source"]["pin"] == "1" * 64
    assert record["tools"]["torch"] == "torch 1.0"
    assert record["tried"]["answer"] == converter.answer
    listed = record["files"]["sub/model.bin"]
    assert listed["sha256"] == hashlib.sha256(b"dequantising").hexdigest()
    assert listed["bytes"] == 12
    assert not (converter.target / ".converting").exists()
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["event"] == "done"
    assert done["source"] == "conversion of gguf"
    assert len(done["sha256"]) == 64


def test_other_users_can_read_the_result(converter: Converter) -> None:
    converter.run()
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in converter.target.rglob("*") if path.name in RESULT)


def test_the_second_run_does_nothing_and_says_so(converter: Converter, capsys: pytest.CaptureFixture[str]) -> None:
    converter.run()
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert converter.run() == 0
    assert converter.ran == []
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["event"], said["sha256"]) == ("present", first["sha256"])


@pytest.mark.parametrize(
    ("damage", "again"), [("touched", False), ("other bytes", True), ("shorter", True), ("gone", True)]
)
def test_what_was_changed_since_is_made_again(converter: Converter, damage: str, again: bool) -> None:
    converter.run()
    file = converter.target / "sub/model.bin"
    content = {"touched": file.read_bytes(), "other bytes": b"x" * 12, "shorter": b"x"}.get(damage)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
        os.utime(file, (1, 1))
    assert converter.run() == 0
    assert bool(converter.ran) == again
    assert file.read_bytes() == b"dequantising"


def test_another_pin_replaces_the_whole_folder(converter: Converter) -> None:
    converter.run()
    (converter.target / "stray.bin").write_text("of another form")
    assert converter.run(pin="3" * 64) == 0
    assert converter.files() == RESULT
    assert converter.record["pin"] == "3" * 64


def test_what_a_killed_run_left_is_removed(converter: Converter, capsys: pytest.CaptureFixture[str]) -> None:
    left = converter.target / ".converting/result/half.bin"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    assert converter.run() == 0
    assert converter.files() == RESULT
    assert '"cleaned"' in capsys.readouterr().out


def test_gguf_becomes_onnx_in_one_go(converter: Converter) -> None:
    assert converter.run(format="onnx", precision="int4", device="cpu") == 0
    assert converter.ran == ["dequantising", "building", "trying out"]
    assert (converter.target / "sub/model.bin").read_bytes() == b"building"


def test_a_folder_for_gpus_is_checked_and_the_record_says_that_it_did_not_run(converter: Converter) -> None:
    assert converter.run(format="onnx", precision="fp16", device="cuda") == 0
    assert "trying out" not in converter.ran
    assert converter.record["tried"]["answer"] is None
    assert "without one" in converter.record["tried"]["how"]


@pytest.mark.parametrize("answer", ["", "  \n", "!!!!!!!!"])
def test_a_result_that_says_nothing_is_thrown_away_and_the_one_before_stays(
    converter: Converter, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    converter.run()
    converter.answer = answer
    assert converter.run(pin="3" * 64) == 4
    assert "answers a question with nothing" in capsys.readouterr().err
    assert converter.record["pin"] == "2" * 64
    assert not (converter.target / ".converting").exists()


def test_an_input_that_is_not_the_pinned_one_is_refused(
    converter: Converter, capsys: pytest.CaptureFixture[str]
) -> None:
    (converter.source / "tiny.gguf").write_bytes(b"GGUX" * 1000)
    assert converter.run() == 4
    assert converter.ran == []
    assert "not the file that is pinned" in capsys.readouterr().err


def test_a_disk_that_is_too_small_is_told_before_anything_is_done(
    converter: Converter, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converter.run(size_bytes=10**18) == 3
    assert converter.ran == []
    assert "GB are free" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"format": "gguf"}, "nothing converts gguf weights to gguf"),
        ({"precision": "q4_k_m"}, "bf16, fp16, fp32, not with 'q4_k_m'"),
        ({"device": "npu"}, "cpu, cuda, not 'npu'"),
        ({"directory": "/nowhere"}, "mount the volume there"),
        ({"size_bytes": "much"}, "not usable"),
    ],
)
def test_a_plan_that_cannot_be_done_is_refused_in_words(
    converter: Converter, output: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converter.run(**output) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown


def test_several_gguf_files_without_a_name_are_refused(converter: Converter) -> None:
    converter.plan["input"]["files"] = []
    (converter.source / "second.gguf").write_bytes(GGUF)
    assert converter.run() == 2
