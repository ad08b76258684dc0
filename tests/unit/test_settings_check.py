"""`make check`: the table, the verdict and the exit code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from ops import check
from tests.unit.settings_base import DIGEST, changed, load_changed

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]


def outcome(stack: str, directory: Path) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=120)
    code = check.run(stack, directory, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def write(directory: Path, stack: str, change: dict[str, Any], **document: Any) -> None:
    text = yaml.safe_dump({**document, "config": changed(change)})
    (directory / f"Pulumi.{stack}.yaml").write_text(text)


@pytest.mark.parametrize(
    ("stack", "code", "address"),
    [
        ("dev", 0, "http://127.0.0.1:8080"),
        ("prod", 0, "https://slm.example.com"),
        ("edge", 1, "http://127.0.0.1:8080"),
    ],
)
def test_the_committed_stacks_print_their_table_and_one_verdict(stack: str, code: int, address: str) -> None:
    found, text = outcome(stack, PROJECT)
    assert found == code
    for word in ("engine chat", "ollama", "sources", "memory", "haproxy", f"gateway: {address}/v1"):
        assert word in text
    assert text.count("deployable: ") == 1


def test_a_misspelt_stack_file_is_shown_without_a_table_or_traceback(tmp_path: Path) -> None:
    write(tmp_path, "dev", {"engines": {"chat": {"paralel": 1}}})
    code, text = outcome("dev", tmp_path)
    assert code == 1
    assert "did you mean 'parallel'" in text
    assert "Traceback" not in text
    assert "gateway:" not in text


def test_what_is_not_pinned_is_said_in_dev_and_refused_in_prod(tmp_path: Path) -> None:
    sources = [{"kind": "ollama", "name": "phi4-mini"}]
    loose = {"models": {"qwen2.5-coder-0.5b-instruct": {"weights": {"gguf-q4_k_m": {"sources": sources}}}}}
    write(tmp_path, "dev", loose)
    code, text = outcome("dev", tmp_path)
    assert code == 0
    assert "not pinned: model 'qwen2.5-coder-0.5b-instruct'" in text
    write(tmp_path, "dev", {**loose, "environment": "prod"}, secretsprovider="passphrase")
    code, text = outcome("dev", tmp_path)
    assert code == 1
    assert "refused in production — make pin STACK=dev" in text


def test_the_machines_recorded_choices_are_in_the_table(tmp_path: Path) -> None:
    write(tmp_path, "dev", {})
    own = tmp_path / ".slm" / "dev" / "Pulumi.dev.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump({"config": {"slm:model": "phi4-mini", "slm:images": {"ollama": DIGEST}}}))
    _, text = outcome("dev", tmp_path)
    assert "phi4-mini (MIT)" in text
    assert DIGEST[:19] in text


def test_bad_config_23_two_stacks_on_one_port_of_one_host_are_named(tmp_path: Path) -> None:
    write(tmp_path, "dev", {})
    write(tmp_path, "two", {})
    code, text = outcome("two", tmp_path)
    assert code == 1
    assert "8080 used by the gateway of stack 'two' and the gateway of stack 'dev'" in text
    write(tmp_path, "two", {"gateway": {"port": 8081}})
    assert outcome("two", tmp_path)[0] == 0


def test_a_chat_page_on_another_stacks_port_is_named_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "dev", {})
    write(tmp_path, "two", {"gateway": {"port": 8081}, "webui": {"target": "laptop", "port": 8080}})
    code, text = outcome("two", tmp_path)
    assert code == 1
    assert "8080 used by the webui of stack 'two' and the gateway of stack 'dev'" in text
    assert "slm:webui.port" in text
    assert "│ webui" in text


def test_stacks_on_different_hosts_or_addresses_share_a_port_number(tmp_path: Path) -> None:
    write(tmp_path, "dev", {})
    here = load_changed({"gateway": {"bind": "127.0.0.2"}}, tmp_path)
    write(tmp_path, "two", {})
    assert check.port_clashes(here, "dev", tmp_path) == []
    everywhere = load_changed({"gateway": {"bind": "0.0.0.0", "tls": {"certificate": "c", "key": "k"}}}, tmp_path)
    assert len(check.port_clashes(everywhere, "dev", tmp_path)) == 1
