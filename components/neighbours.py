"""Weights from another host of the site: what a host has to give, and the fetch job of one that takes (pure).

A neighbour is a source for one run. It is put before the sources of a job when the job starts, and is in no description
and no state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.workload import FILES_DIRECTORY, File, Name, SecretFile, Value, Volume, Workload

PLAN = "plan.json"
TOKEN, AUTHORITY = "neighbour-token", "neighbour-ca.pem"
"""Names of files of a fetch job that asks a neighbour; the first is the name of its secret as well."""


class Neighbour(Value):
    """A host that serves weights now: its URL, the token of this rollout, and who signed its certificate (PEM)."""

    endpoint: str
    token: str
    authority: str


class Neighbours(Value):
    """Which neighbour is asked for which of a host's volumes."""

    volumes: dict[Name, Neighbour]


class Given(Value):
    """A file of a volume that may be served: its path below the top of the volume, sha256, and size in bytes."""

    path: str
    sha256: str
    size_bytes: int


def fetching(volume: Volume) -> Workload | None:
    """The job that fetches into a volume from outside; None where weights are made otherwise."""
    return next((job for job in volume.fill if job.egress and any(file.name == PLAN for file in job.files)), None)


def record(job: Workload) -> str:
    """Path below the top of its volume of the record that a fetch job writes when all is there."""
    plan = _plan(job)
    return f"fetched/{'folder' if plan['layout'] == 'folder' else plan['files'][0]['path']}.json"


def given(job: Workload) -> tuple[Given, ...]:
    """The files that a fetch job puts into its volume, as far as neighbours may have them.

    None of weights that are not pinned, because a neighbour's bytes could not be checked, and none of weights that are
    copied to every host from the machine that deploys.
    """
    plan = _plan(job)
    files, kinds = plan["files"], {source["kind"] for source in plan["sources"]}
    if not files or "path" in kinds or any(not file["sha256"] or not file["size_bytes"] for file in files):
        return ()
    return tuple(
        Given(
            path=f"blobs/sha256-{file['sha256']}" if plan["layout"] == "ollama" else file["path"],
            sha256=file["sha256"],
            size_bytes=file["size_bytes"],
        )
        for file in files
    )


def content(files: tuple[Given, ...]) -> str | None:
    """Names what is in a volume, however the engine lays it out; None without files."""
    joined = "\n".join(sorted(file.sha256 for file in files))
    return hashlib.sha256(joined.encode()).hexdigest() if files else None


def with_neighbour(volume: Volume, neighbour: Neighbour) -> tuple[Volume, Mapping[str, str]]:
    """The volume with a fetch job that asks the neighbour first, and the secrets that the job has besides its own.

    The volume itself and no secret, when nothing is fetched into it.
    """
    job = fetching(volume)
    if job is None:
        return volume, {}
    plan = _plan(job)
    source = {
        "kind": "neighbour",
        "endpoint": neighbour.endpoint,
        "token_file": f"{FILES_DIRECTORY}/{TOKEN}",
        "token_secret": TOKEN,
        "ca_file": f"{FILES_DIRECTORY}/{AUTHORITY}",
    }
    plan["sources"] = [source, *plan["sources"]]
    files = [file for file in job.files if file.name != PLAN]
    files += [File(name=PLAN, content=json.dumps(plan)), File(name=AUTHORITY, content=neighbour.authority)]
    secrets = (*job.secrets, SecretFile(name=TOKEN, secret=TOKEN))
    asking = job.model_copy(update={"files": tuple(files), "secrets": secrets})
    fill = tuple(asking if one is job else one for one in volume.fill)
    return volume.model_copy(update={"fill": fill}), {TOKEN: neighbour.token}


def _plan(job: Workload) -> dict[str, Any]:
    text = next(file.content for file in job.files if file.name == PLAN)
    plan: dict[str, Any] = json.loads(text)
    return plan
