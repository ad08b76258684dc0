"""Where Pulumi keeps a stack's state and what protects its secrets, as the running program can see it (control 63)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.settings import Settings
from components.settings.stack_file import file_name
from components.targets.spec import Aks
from components.yaml_file import read

REHEARSAL = "SLM_REHEARSAL_AZURE"
"""The variable by which the stand-in for Azure finds what it has made: a folder beside the rehearsal's own state."""


def matters(settings: Settings) -> bool:
    """Whether it is asked of a stack: in production on Azure."""
    return settings.environment == "prod" and any(isinstance(spec, Aks) for spec in settings.targets.values())


def problems(
    settings: Settings, stack: str, project: Path, environment: Mapping[str, str], home: Path | None = None
) -> list[str]:
    """Why a production stack on Azure must not be deployed from here, each as "what — fix".

    `environment` is this process's; `home` the user's own folder. The state of a rehearsal is in a folder that ends
    with it, and the Azure it stands for is simulated: nothing is asked of it.
    """
    if not matters(settings):
        return []
    url = backend(project, environment, home or Path.home())
    if _is_rehearsed(url, environment):
        return []
    from components.targets.aks.backend import backend_problem, secrets_provider_problem

    provider = secrets_provider(stack, project, environment)
    found = (backend_problem(url), secrets_provider_problem(provider))
    return [problem for problem in found if problem]


def backend(project: Path, environment: Mapping[str, str], home: Path) -> str | None:
    """The address of the state, looked for where Pulumi looks: variable, project file, then whoever logged in last."""
    if url := environment.get("PULUMI_BACKEND_URL"):
        return url
    if url := (read(project / "Pulumi.yaml").get("backend") or {}).get("url"):
        return str(url)
    credentials = Path(environment.get("PULUMI_HOME") or home / ".pulumi") / "credentials.json"
    try:
        current = json.loads(credentials.read_text()).get("current")
    except (OSError, ValueError):
        return None
    return str(current) if current else None


def secrets_provider(stack: str, project: Path, environment: Mapping[str, str]) -> str | None:
    """What encrypts the stack's secrets, by the file that Pulumi was given, or by the stack's own."""
    given = environment.get("PULUMI_OPTION_CONFIG_FILE")
    for path in (*([Path(given)] if given else []), project / file_name(stack)):
        document = read(path) if path.exists() else {}
        if provider := document.get("secretsprovider"):
            return str(provider)
        if "encryptionsalt" in document:
            return "passphrase"
    return None


def _is_rehearsed(url: str | None, environment: Mapping[str, str]) -> bool:
    azure = environment.get(REHEARSAL)
    return bool(azure) and url == f"file://{Path(azure or '').parent / 'state'}"
