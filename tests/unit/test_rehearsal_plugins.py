"""The plugins of a rehearsal: real ones linked, stand-ins under a real one's name, and nothing from anywhere else."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from rehearsal import plugins
from rehearsal.plugins import StandIn
from tools.errors import ToolError
from tools.installer import Installer
from tools.places import pulumi_home

pytestmark = pytest.mark.unit

THIS = StandIn("this", "pulumi", "this")
"""Python's own module `this` in place of a plugin."""


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    """Whose real plugins are installed, each as a file that holds its name."""
    installer = Installer(cache=tmp_path / "cache")
    for tool in installer.table.values():
        if tool.plugin:
            program = installer.folder(tool.name) / tool.executable
            program.parent.mkdir(parents=True)
            program.write_text(tool.name)
            program.chmod(0o755)
    return installer


def test_the_engine_finds_the_real_plugins_at_their_versions(installer: Installer, tmp_path: Path) -> None:
    plugins.prepare(tmp_path / "home", (), installer)
    docker = installer.table["pulumi-resource-docker"]
    found = tmp_path / "home" / "plugins" / f"resource-docker-v{docker.version}" / "pulumi-resource-docker"
    assert found.read_text() == docker.name
    assert found.resolve() == (installer.folder(docker.name) / docker.executable).resolve()


def test_a_stand_in_runs_its_module_at_the_version_of_the_sdk(installer: Installer, tmp_path: Path) -> None:
    plugins.prepare(tmp_path / "home", [THIS], installer)
    program = tmp_path / "home" / "plugins" / f"resource-this-v{version('pulumi')}" / "pulumi-resource-this"
    done = subprocess.run([program], cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    assert "Beautiful is better than ugly." in done.stdout


def test_preparing_again_changes_nothing(installer: Installer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    plugins.prepare(home, [THIS], installer)
    before = sorted(home.rglob("*"))
    plugins.prepare(home, [THIS], installer)
    assert sorted(home.rglob("*")) == before


def test_a_real_plugin_that_is_missing_is_an_error_that_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="plugin is not installed") as error:
        plugins.prepare(tmp_path / "home", (), Installer(cache=tmp_path / "empty"))
    assert "--rehearsal" in error.value.fix


def test_a_rehearsal_never_uses_the_persons_plugins_nor_downloads_official_ones(
    installer: Installer, tmp_path: Path
) -> None:
    found = plugins.environment(tmp_path / "home", installer)
    assert found["PULUMI_HOME"] == str(tmp_path / "home") != str(pulumi_home(installer.cache))
    assert found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_azures_stand_in_has_the_name_and_version_the_program_asks_for() -> None:
    assert (plugins.AZURE.plugin, plugins.AZURE.version) == ("azure-native", version("pulumi-azure-native"))
