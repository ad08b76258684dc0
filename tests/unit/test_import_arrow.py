"""The import arrow of docs/architecture.md: workload <- engines, workload <- targets, both <- stack <- __main__."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]


def imports(path: Path) -> set[str]:
    """Every module a file imports, inside functions and type-checking blocks too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder: str) -> list[Path]:
    found = sorted((PROJECT / "components" / folder).rglob("*.py"))
    assert found, f"components/{folder} has no files: this test would check nothing"
    return found


def offenders(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(PROJECT)} imports {module}"
        for path in files(folder)
        for module in sorted(imports(path))
        if any(module == word or module.startswith(f"{word}.") for word in forbidden)
    ]


def test_engines_know_neither_targets_nor_pulumi() -> None:
    forbidden = ("components.targets", "components.stack", "components.plan", "pulumi", "pulumi_docker")
    assert offenders("engines", *forbidden) == []


def test_targets_know_no_engine_and_no_gateway() -> None:
    forbidden = ("components.engines", "components.gateway", "components.models", "components.plan")
    assert offenders("targets", *forbidden, "components.settings") == []


@pytest.mark.parametrize("folder", ["catalog", "gateway", "settings", "sizing"])
def test_descriptions_are_pure(folder: str) -> None:
    assert offenders(folder, "pulumi", "pulumi_docker", "pulumi_kubernetes", "docker", "components.stack") == []


WITH_PULUMI = {"cluster.py", "identity.py", "objects.py", "provider.py"}
"""Of the Kubernetes target, what declares resources; all the rest decides, and is rendered and tested without."""


def test_what_a_cluster_is_told_is_decided_without_pulumi() -> None:
    found = offenders("targets/kubernetes", "pulumi", "pulumi_kubernetes", "components.stack")
    assert {line.split(" ")[0].rpartition("/")[2] for line in found} == WITH_PULUMI


def test_manifests_are_rendered_without_loading_pulumi() -> None:
    script = "import sys, components.manifests; print(sorted(m for m in sys.modules if m.startswith('pulumi')))"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_components_know_no_command_line_tool() -> None:
    assert offenders("", "ops", "tools", "typer", "rich") == []


def test_workload_imports_nothing_but_pydantic_and_the_standard_library() -> None:
    found = {module.split(".")[0] for module in imports(PROJECT / "components" / "workload.py")}
    assert found <= {"__future__", "pathlib", "typing", "pydantic"}
