"""The weights that a stack's engines serve, or are converted from: fetched by the project's own fetch program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from components.fetching import Layout, fetch_plan
from components.model_sources import PathSource
from components.models import Model, Site, Weights
from components.settings import Settings
from components.settings.bundled import WEIGHTS
from ops.bundle.item import Item
from ops.errors import UserError
from ops.machine import PROJECT, Machine
from ops.pulumi_cli import Pulumi
from ops.site import discover


@dataclass(frozen=True)
class Form:
    """One form of a model's weights that goes into the bundle."""

    model: Model
    weights: Weights
    stack: str
    """A stack that serves it, which may have a token for its source."""

    @property
    def pin(self) -> str:
        return self.weights.pin()


def forms(by_stack: Iterable[tuple[str, Settings]]) -> list[Form]:
    """What is wanted, each once. Raises UserError for weights of which nobody knows what they should be."""
    found: dict[str, Form] = {}
    for stack, settings in by_stack:
        for name, engine in settings.hosted.items():
            model = settings.model_of(name)
            weights = model.origin_of(engine.weights_of(model)[0])
            if reasons := weights.unpinned():
                raise UserError(
                    f"model '{model.name}': {reasons[0]}",
                    harm="nobody could tell whether the bundle has the right weights, so none was made",
                    fix=f"make pin STACK={stack}",
                )
            found.setdefault(weights.pin(), Form(model, weights, stack))
    return list(found.values())


def gather(wanted: Iterable[Form], folder: Path, console: Console) -> list[Item]:
    """The files of all forms; what is not on this machine is fetched into `folder`, and goes on where it stopped.

    Raises UserError.
    """
    items = []
    for form in wanted:
        place = _local(form) or _fetched(form, folder / form.pin, console)
        for file in form.weights.files:
            path = place if place.is_file() else place / file.path
            items.append(Item(f"{WEIGHTS}/{form.pin}/{file.path}", path, sha256=file.sha256 or ""))
    return items


def _local(form: Form) -> Path | None:
    """Where a `path` source of this machine has all files of their sizes; their content is compared when written."""
    for source in form.weights.sources:
        if isinstance(source, PathSource):
            place = Path(source.path)
            paths = [place if place.is_file() else place / file.path for file in form.weights.files]
            if all(path.is_file() for path in paths):
                return place
    return None


def _fetched(form: Form, folder: Path, console: Console) -> Path:
    weights = form.weights.model_copy(
        update={"sources": tuple(s for s in form.weights.sources if not isinstance(s, PathSource))}
    )
    site = discover()
    layout: Layout = "file" if weights.format == "gguf" else "folder"
    plan = fetch_plan(form.model, weights, layout, str(folder), Site(index=site.index))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slm-fetch-")))
        _hand_tokens(plan, form, private)
        (private / "plan.json").write_text(json.dumps(plan))
        command = [sys.executable, "-m", "slm_fetch", str(private / "plan.json")]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT / "images/fetch")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stack.enter_context(process)
        status = stack.enter_context(console.status(f"weights of {form.model.name}"))
        try:
            for line in process.stdout or ():
                event = json.loads(line)
                if event.get("event") == "progress":
                    done, total = event.get("done", 0) / 1e6, event.get("total", 0) / 1e6
                    status.update(f"weights of {form.model.name}: {done:.0f} of {total:.0f} MB from {event['source']}")
        except BaseException:
            process.terminate()
            raise
        said = process.stderr.read() if process.stderr else ""
        if process.wait():
            raise UserError(
                f"the weights of '{form.model.name}' could not be fetched:\n{said.strip()}",
                harm="no bundle was made; what arrived is kept",
                fix="the same command goes on from there",
            )
    return folder


def _hand_tokens(plan: dict[str, Any], form: Form, folder: Path) -> None:
    """Put the tokens that were given to the stack where the fetch program finds them, for as long as it runs."""
    for number, source in enumerate(plan["sources"]):
        if not source.pop("token_file", None):
            continue
        if token := Pulumi(Machine(form.stack)).secret(source["token_secret"]):
            path = folder / f"token-{number}"
            path.touch(0o600)
            path.write_text(token)
            source["token_file"] = str(path)
