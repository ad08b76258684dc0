"""The description of a review stack: its base's, with ports, a namespace and volumes of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.catalog import merge
from components.settings import Settings
from components.settings.review import stack_of
from components.settings.stack_file import file_of, read_document
from components.targets.spec import Aks, Kubernetes
from ops.errors import UserError
from ops.review.ports import published

HEADER = """\
# The review stack of a pull request, made by `make review` from {base}. git ignores it; `make review-down` removes it.
"""


def usable(settings: Settings, base: str) -> None:
    """Raise UserError for a description that no review stack may be made from."""
    clouds = [name for name, spec in settings.targets.items() if isinstance(spec, Aks)]
    why = ""
    if settings.fleet:
        why = "describes a fleet of hosts that serve people"
    elif settings.environment == "prod":
        why = "is production"
    elif clouds:
        why = f"makes a whole cluster of its own (target '{clouds[0]}', kind aks)"
    if why:
        raise UserError(
            f"no review stack can be made from '{base}': it {why}",
            harm="a branch nobody has reviewed would get what it must not have",
            fix="FROM=dev, or a description of environment dev on Docker or on a cluster that exists",
        )


def described(
    document: Mapping[str, Any], settings: Settings, pull_request: int, ports: list[int], provider: str | None = None
) -> dict[str, Any]:
    """The document of the review stack: everything of it is named after the pull request, and nothing outlives it.

    `provider` encrypts its secrets, where it is not the base's.
    """
    stack = stack_of(pull_request)
    config = dict(document["config"])
    overlay = published(config, ports) if ports else {}
    clusters = {name: spec for name, spec in settings.targets.items() if isinstance(spec, Kubernetes)}
    if clusters:
        # The namespace keeps two stacks on a cluster apart, and volumes that are kept would keep it.
        overlay["slm:targets"] = {
            name: {"namespace": f"{spec.namespace[: 39 - len(stack)]}-{stack}", "keep_volumes": False}
            for name, spec in clusters.items()
        }
    # What opens the base's keys is none of the review stack's, which has keys of its own.
    own = {key: value for key, value in document.items() if key not in ("encryptionsalt", "encryptedkey")}
    if provider:
        own["secretsprovider"] = provider
    return {**own, "config": merge(config, overlay)}


def write(project: Path, base: str, document: Mapping[str, Any], pull_request: int) -> Path:
    """Write `Pulumi.pr-<n>.yaml`; gives its path."""
    path = project / f"Pulumi.{stack_of(pull_request)}.yaml"
    text = HEADER.format(base=f"Pulumi.{base}.yaml") + yaml.safe_dump(dict(document), sort_keys=False, width=120)
    path.write_text(text, encoding="utf-8")
    return path


def base_document(base: str, project: Path) -> dict[str, Any]:
    """The committed description of the base as plain data. Raises SettingsError."""
    return read_document(project / file_of(base, project))
