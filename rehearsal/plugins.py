"""The Pulumi plugins of a rehearsal, in a PULUMI_HOME of their own: real ones, and stand-ins under a real one's name.

A stand-in never comes near the person's own plugins: a deployment that met one there would deploy nothing.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.environment import toolchain_environment
from tools.errors import ToolError
from tools.installer import Installer
from tools.places import CHECKOUT


@dataclass(frozen=True)
class StandIn:
    """A Python module of this checkout that answers in place of the plugin.

    The engine asks for a plugin by the version of the program's SDK, so the stand-in takes the version of `package`.
    """

    plugin: str
    package: str
    module: str

    @property
    def version(self) -> str:
        """The version of the Python SDK that is installed."""
        return version(self.package)

    @property
    def script(self) -> str:
        """What the engine runs: this Python, whatever PATH says."""
        command = f"exec {shlex.quote(sys.executable)} -m {self.module}"
        return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(CHECKOUT))} {command} "$@"\n'


AZURE = StandIn("azure-native", "pulumi-azure-native", "rehearsal.providers.azure")


def prepare(home: Path, stand_ins: Iterable[StandIn] = (AZURE,), installer: Installer | None = None) -> None:
    """Fill `home` with the stand-ins and links to the real plugins of tools.toml; cheap when it is filled already.

    Raises ToolError when a real plugin is not installed.
    """
    installer = installer or Installer()
    for tool in installer.table.values():
        if not tool.plugin:
            continue
        program = installer.folder(tool.name) / tool.executable
        if not os.access(program, os.X_OK):
            raise ToolError(
                f"Pulumi's {tool.plugin} plugin is not installed; looked for {program}",
                harm="no rehearsal can run",
                fix="python3 tools/bootstrap.py --rehearsal    downloads or builds what is missing, once",
            )
        place = _place(home, tool.plugin, tool.version)
        place.unlink(missing_ok=True)
        place.symlink_to(program)
    for stand_in in stand_ins:
        place = _place(home, stand_in.plugin, stand_in.version)
        place.write_text(stand_in.script)
        place.chmod(0o755)


def environment(home: Path, installer: Installer | None = None) -> dict[str, str]:
    """The variables under which Pulumi uses the plugins of `home`, and no others.

    Nothing is downloaded: where the program asks for a version that is not here, the official plugin would come and
    reach for the real cloud.
    """
    return {
        **toolchain_environment(installer),
        "PULUMI_HOME": str(home),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _place(home: Path, plugin: str, of: str) -> Path:
    """Where the engine looks for the plugin's program."""
    folder = home / "plugins" / f"resource-{plugin}-v{of}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"pulumi-resource-{plugin}"
