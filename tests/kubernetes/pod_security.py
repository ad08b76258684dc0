"""The Pod Security Standards as Kubernetes' own admission checks them, without a cluster: the tool `pss-evaluator`."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Self

from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.security import LEVEL
from tools.installer import Installer

TOOL = "pss-evaluator"
GET = "python3 tools/bootstrap.py --rehearsal"


class PodSecurity:
    """One evaluator for many questions; it ends with its `with` block."""

    def __enter__(self) -> Self:
        program = Installer().folder(TOOL) / TOOL
        assert program.exists(), f"{program} is missing, and with it every check of pods — {GET} gets it"
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def refusal(self, template: Manifest, version: str, level: str = LEVEL) -> str:
        """The sentence an API server would end its refusal of such a pod with; empty for one it admits."""
        question = {"level": level, "version": version, "metadata": template["metadata"], "spec": template["spec"]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["allowed"] == (not answer["forbidden"])
        return str(answer["message"])
