"""Which cluster a kubeconfig file leads to (pure but for reading the file)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(ValueError):
    """A kubeconfig file that leads nowhere; the message names the file, the harm and the fix."""


def server_of(file: str, context: str | None) -> str:
    """The address of the API server that `context` of the file leads to (its current one without).

    Raises KubeconfigError.
    """
    path = Path(file).expanduser()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(
            f"kubeconfig {file} cannot be read ({error.strerror}), so no cluster can be reached — copy it there, or"
            " change kubeconfig of the target"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise KubeconfigError(f"kubeconfig {file} is no YAML — copy it from the cluster again") from None
    whole = document if isinstance(document, dict) else {}
    wanted = context or whole.get("current-context")
    if not wanted:
        raise KubeconfigError(f"kubeconfig {file} has no current context — name one in context of the target")
    found = _named(whole, "contexts", wanted)
    if found is None:
        known = ", ".join(sorted(str(entry.get("name")) for entry in _entries(whole, "contexts"))) or "none"
        raise KubeconfigError(f"kubeconfig {file} has no context '{wanted}' — use one of: {known}")
    cluster = _named(whole, "clusters", str((found.get("context") or {}).get("cluster")))
    server = ((cluster or {}).get("cluster") or {}).get("server")
    if not server:
        raise KubeconfigError(
            f"kubeconfig {file}: context '{wanted}' names no cluster — copy it from the cluster again"
        )
    return str(server)


def _entries(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in document.get(kind) or [] if isinstance(entry, dict)]


def _named(document: dict[str, Any], kind: str, name: str) -> dict[str, Any] | None:
    return next((entry for entry in _entries(document, kind) if entry.get("name") == name), None)
