"""Programs of tools/tools.toml that images hold: compiled from their modules here, where no image registry answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ops.errors import UserError
from ops.images.content import programs
from tools.errors import ToolError
from tools.installer import Installer


def ensure(names: Iterable[str]) -> None:
    """Have these tools ready, all in one go: what compiles for one is half of what compiles for another.

    Raises UserError.
    """
    if not (wanted := list(dict.fromkeys(names))):
        return
    try:
        Installer().ensure(wanted)
    except ToolError as error:
        raise UserError(
            error.what,
            harm=f"the images that hold {', '.join(wanted)} cannot be built, and no registry serves them",
            fix=error.fix or "give the Docker engine a way to a registry, then run the command again",
        ) from None


def copy(folder: Path) -> None:
    """Put the programs that PROGRAMS of this folder names into it. Raises UserError when one cannot be had."""
    names = programs(folder)
    ensure(names)
    installer = Installer()
    for name in names:
        for executable in installer.table[name].programs:
            shutil.copy2(installer.folder(name) / executable, folder / Path(executable).name)
