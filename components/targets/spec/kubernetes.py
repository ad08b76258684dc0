"""A Kubernetes cluster that exists already, as the stack file describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.targets.spec.paths import FilePath
from components.workload import Name, Value


class Kubernetes(Value):
    """A cluster that exists already, by a kubeconfig file on the machine that runs the tool."""

    kind: Literal["kubernetes"] = "kubernetes"
    kubeconfig: FilePath
    context: str | None = Field(None, min_length=1, description="context of the kubeconfig; its current one by default")
    namespace: Name = "slm"
    gpus: int = Field(0, ge=0, description="GPUs of all nodes together")

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return f"{self.kubeconfig}, namespace {self.namespace}"

    @property
    def undeployable(self) -> str | None:
        return "a target of kind kubernetes cannot be deployed to yet"
