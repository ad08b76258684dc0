"""`make review` and `make review-down`: a stack for one pull request, up the same way as any other, and gone again."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from components.settings import Settings, SettingsError, load, load_overlay
from components.settings.review import OWNER, Review, stack_of
from components.targets.spec import Docker
from ops import docker_client, smoke_test, up
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine
from ops.place import endpoint_of
from ops.pulumi_cli import Pulumi
from ops.review import description, host_ports, ports
from ops.review.rules import Rules, rules
from ops.review.told import Told, gone


def run(
    pull_request: int, owner: str, hours: int | None, base: str, file: Path | None, machine: Machine, console: Console
) -> None:
    """Bring the review stack up, smoke-test it, and write what its pull request is told. Raises UserError.

    A run for a stack that exists updates it and begins its time anew.
    """
    project, stack, known = machine.project, machine.stack, rules(machine.project)
    if not re.fullmatch(OWNER, owner):
        raise UserError(
            f"'{owner[:60]}' is no account name",
            harm="nobody could be asked about the stack",
            fix=f"make review PR={pull_request} OWNER=name",
        )
    settings = load(base or known.base, project)
    description.usable(settings, base or known.base)
    review = _review(owner, pull_request, _hours(hours, known), base or known.base, settings)
    _require_kept_secrets(machine, known)
    with FileLock(_lock_file(project)):
        _describe(project, review, settings, known, console)
    review = note(machine, review, console)
    file = file or machine.directory / "review.md"
    try:
        up.run(stack, None, console)
        smoke_test.run(stack, console)
    except (UserError, SettingsError) as error:
        Told(review=review, failed=str(error)).write(file)
        raise
    told = _told(machine, review)
    told.write(file)
    console.print(told.markdown(), markup=False, highlight=False)
    console.print(f"  written to {file} and {file.with_suffix('.json').name}", highlight=False)


def down(pull_request: int, file: Path | None, project: Path, console: Console) -> int:
    """Remove the review stack and all that is of it; gives the exit code: 1 when a person must do something."""
    from ops.sweep.command import remove

    outcome = remove(stack_of(pull_request), project, console)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(gone(pull_request, outcome.removed, outcome.todo), encoding="utf-8")
    return 1 if outcome.todo else 0


def note(machine: Machine, review: Review, console: Console) -> Review:
    """Write down whose the stack is and when it ends, before anything of it is made: as tags and as configuration.

    Gives what is written: a stack that is there keeps its beginning, also where this machine hears of it only now.
    """
    with machine.lock(f"make review PR={review.pull_request}"):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        if before := (load_overlay(machine.config_file).get("slm:review") or {}).get("created"):
            review = Review.model_validate({**review.told(), "created": before})
        machine.record({"review": review.told()})
        for key, value in review.told().items():
            done = pulumi.run("stack", "tag", "set", f"slm:{key}", str(value), "-s", machine.stack)
            if done.code != 0:
                # The configuration says it too; the sweeper reads either.
                console.print(
                    "  this backend keeps no tags of stacks: the stack's configuration alone says when it ends"
                )
                break
    return review


def _require_kept_secrets(machine: Machine, known: Rules) -> None:
    """Raise UserError where the stack's secrets would be behind a passphrase that ends with this machine."""
    environment = Pulumi(machine).environment()
    # A runner empties its checkout before each job, and what lies in it.
    shared = environment["PULUMI_BACKEND_URL"] != f"file://{machine.backend}"
    own = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE") == str(machine.passphrase_file)
    if shared and own and (known.secretsprovider or "passphrase") == "passphrase":
        raise UserError(
            "the state of this review stack is kept elsewhere, and its passphrase would be in this checkout alone",
            harm="the next job could neither update nor remove the stack",
            fix="secretsprovider: azurekeyvault://… in review.yaml, or PULUMI_CONFIG_PASSPHRASE_FILE for every job",
        )


def _hours(given: int | None, known: Rules) -> int:
    hours = known.hours if given is None else given
    if not 1 <= hours <= known.longest_hours:
        raise UserError(
            f"a review stack lives for 1 to {known.longest_hours} hours, not {hours}",
            harm="what nobody removes costs money and takes ports",
            fix="HOURS=48, or longest_hours in review.yaml; label or run it again to begin its time anew",
        )
    return hours


def _review(owner: str, pull_request: int, hours: int, base: str, settings: Settings) -> Review:
    now = datetime.now(UTC).replace(microsecond=0)
    target = settings.targets[settings.gateway.target]
    local = isinstance(target, Docker) and not target.remote
    return Review.model_validate(
        {
            "owner": owner,
            "pull_request": pull_request,
            "created": now,
            "expires": now + timedelta(hours=hours),
            "base": base,
            "host": socket.gethostname() if local else None,
        }
    )


def _describe(project: Path, review: Review, settings: Settings, known: Rules, console: Console) -> None:
    """Write the stack's own description, with ports that nobody else has."""
    target, block = settings.targets[settings.gateway.target], list[int]()
    if isinstance(target, Docker):
        client, number = docker_client.of(settings), review.pull_request
        taken = host_ports.taken_by_others(client, number, project, here=not target.remote)
        block = ports.choose(number, taken, known, host_ports.own_port(client, number, project))
        console.print(f"  ports {block[0]} to {block[-1]} are this review stack's", highlight=False)
    document = description.described(
        description.base_document(review.base, project), settings, review.pull_request, block, known.secretsprovider
    )
    description.write(project, review.base, document, review.pull_request)


def _told(machine: Machine, review: Review) -> Told:
    settings = load(machine.stack, machine.project, load_overlay(machine.config_file))
    pages = []
    if page := settings.webui:
        pages.append(("Chat page", f"http{'s' if page.tls else ''}://{page.bind}:{page.port}"))
    if settings.monitoring and (grafana := settings.monitoring.grafana) and settings.has_image("grafana"):
        pages.append(("Grafana", f"http{'s' if grafana.tls else ''}://{grafana.bind}:{grafana.port}"))
    served = tuple(engine.served_name for engine in settings.engines.values())
    return Told(review=review, endpoint=endpoint_of(settings, machine.stack), models=served, pages=tuple(pages))


def _lock_file(project: Path) -> Path:
    folder = project / STATE_DIRECTORY
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "review.lock"
