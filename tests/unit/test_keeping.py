"""What the program itself says of where a production stack's state and secrets are kept (control 63)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components import keeping
from components.settings import Settings, load

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
SHARED = "azblob://state?storage_account=a"
VAULT = "azurekeyvault://v.vault.azure.net/keys/k"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: slm\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(f"secretsprovider: {VAULT}\n")
    return tmp_path


@pytest.fixture(scope="module")
def prod() -> Settings:
    return load("prod", PROJECT)


def problems(settings: Settings, project: Path, **environment: str) -> list[str]:
    return keeping.problems(settings, "prod", project, environment, home=project)


def test_control_63_state_in_a_folder_is_refused(prod: Settings, project: Path) -> None:
    (problem,) = problems(prod, project, PULUMI_BACKEND_URL="file:///srv/state")
    assert "on this machine alone" in problem


def test_control_63_a_passphrase_is_refused(prod: Settings, project: Path) -> None:
    (project / "Pulumi.prod.yaml").write_text("secretsprovider: passphrase\n")
    (problem,) = problems(prod, project, PULUMI_BACKEND_URL=SHARED)
    assert "secretsprovider passphrase" in problem


def test_control_63_what_pulumi_was_told_outweighs_what_the_stacks_file_says(prod: Settings, project: Path) -> None:
    (project / "own.yaml").write_text("encryptionsalt: v1:x\n")
    own = str(project / "own.yaml")
    (problem,) = problems(prod, project, PULUMI_BACKEND_URL=SHARED, PULUMI_OPTION_CONFIG_FILE=own)
    assert "secretsprovider passphrase" in problem


def test_a_vault_and_a_shared_state_are_accepted(prod: Settings, project: Path) -> None:
    assert problems(prod, project, PULUMI_BACKEND_URL=SHARED) == []


def test_the_state_is_where_somebody_logged_in_last(prod: Settings, project: Path) -> None:
    assert "on this machine alone" in problems(prod, project)[0]
    folder = project / ".pulumi"
    folder.mkdir()
    (folder / "credentials.json").write_text(json.dumps({"current": SHARED}))
    assert problems(prod, project) == []
    (folder / "credentials.json").write_text("{")
    assert "on this machine alone" in problems(prod, project)[0]


def test_the_state_is_where_the_project_says(prod: Settings, project: Path) -> None:
    (project / "Pulumi.yaml").write_text(f"name: slm\nbackend:\n  url: {SHARED}\n")
    assert problems(prod, project) == []


def test_a_rehearsals_own_state_is_no_production(prod: Settings, project: Path) -> None:
    life = {"SLM_REHEARSAL_AZURE": str(project / "azure")}
    assert problems(prod, project, PULUMI_BACKEND_URL=f"file://{project}/state", **life) == []
    assert problems(prod, project, PULUMI_BACKEND_URL="file:///srv/state", **life) != []


def test_other_stacks_keep_their_state_where_they_like(project: Path) -> None:
    assert keeping.problems(load("dev", PROJECT), "dev", project, {"PULUMI_BACKEND_URL": "file:///x"}) == []
