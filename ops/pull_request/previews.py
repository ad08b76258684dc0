"""The previews of a stack or of the hosts of a fleet: asked for, read from files, or not there and why."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from components.settings import SettingsError, load, load_overlay
from ops.errors import UserError
from ops.machine import Machine
from ops.previewed import Preview, parse, preview
from ops.pulumi_cli import Pulumi


@dataclass(frozen=True)
class Asked:
    """What Pulumi said of one host, or of the stack (`host` empty); None and why where it could not be asked."""

    host: str
    preview: Preview | None
    problem: str = ""


def ask(stack: str, hosts: Sequence[str], project: Path, parallel: int = 1) -> list[Asked]:
    """Ask Pulumi what `up` would do, for the stack or for each host. What cannot be asked is told, never raised."""
    if not hosts:
        return [_ask(Machine(stack, project))]
    with ThreadPoolExecutor(max_workers=max(1, parallel)) as threads:
        return list(threads.map(lambda host: _ask(Machine(f"{stack}.{host}", project)), hosts))


def _ask(machine: Machine) -> Asked:
    host = machine.stack.partition(".")[2]
    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        settings.require_deployable(machine.stack)
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        return Asked(host, _told(preview(pulumi), machine.project))
    except SettingsError as error:
        return Asked(host, None, f"it must not be deployed as it is: {error.problems[0]}")
    except UserError as error:
        return Asked(host, None, _without_paths(error.what, machine.project))
    except OSError as error:
        return Asked(host, None, f"Pulumi could not be started ({error.strerror})")


def read(path: Path, hosts: Sequence[str], project: Path) -> list[Asked]:
    """Previews that were made before: a file of `pulumi preview --json`, for a fleet a folder with HOST.json.

    Raises UserError for what is neither.
    """
    if hosts and path.is_dir():
        return [_read(path / f"{host}.json", host, project) for host in hosts]
    if hosts or not path.is_file():
        what = (
            f"PREVIEW={path.name} is no folder with a file for each host"
            if hosts
            else f"PREVIEW={path.name} is no file"
        )
        raise UserError(
            what, harm="nothing would be known of resources", fix="pulumi preview --json > FILE, or STATIC=1"
        )
    return [_read(path, "", project)]


def _read(path: Path, host: str, project: Path) -> Asked:
    try:
        return Asked(host, _told(parse(path.read_text()), project))
    except FileNotFoundError:
        return Asked(host, None, f"there is no {path.name}")
    except (OSError, ValueError) as error:
        return Asked(host, None, f"{path.name} is no preview ({type(error).__name__})")


def _told(found: Preview, project: Path) -> Preview:
    """The preview with what was said in it, without folders of this machine."""
    said = [one.model_copy(update={"message": _without_paths(one.message, project)}) for one in found.diagnostics]
    return found.model_copy(update={"diagnostics": tuple(said)})


def _without_paths(said: str, project: Path) -> str:
    """What was said without folders of this machine."""
    return said.replace(str(project), ".").replace(str(Path.home()), "~")
