"""What the rehearsal's tests share: Pulumi with the stand-ins in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rehearsal import plugins
from rehearsal.providers.azure.schema_cache import schema
from tests.rehearsal.azure_project import LOCAL_KUBECONFIG, AzureProject


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PULUMI_HOME with the stand-ins. The SDK's types are read here once, so that no plugin has to."""
    schema()
    found = tmp_path_factory.mktemp("home")
    plugins.prepare(found)
    return found


@pytest.fixture(scope="session")
def aks(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureProject]:
    """An AKS stack that is up. Tests leave it as it is declared without knobs."""
    project = AzureProject(tmp_path_factory.mktemp("aks") / "project", home, "aks")
    (project.azure / "kubeconfig").write_text(yaml.safe_dump(LOCAL_KUBECONFIG))
    project.up().must_succeed()
    yield project
    project.destroy().must_succeed()
    assert project.cloud.resources() == []
