"""From Pulumi's configuration to settings and targets; a user's mistake ends the program with a sentence."""

from __future__ import annotations

from pathlib import Path

import pulumi

from components.settings import Settings, SettingsError, from_pulumi_config
from components.targets.placement import Target

PROJECT = Path(__file__).resolve().parent.parent


def read_settings() -> Settings:
    """The stack's settings: its committed file, overlaid by what Pulumi's configuration says.

    Raises pulumi.RunError with every problem found, and for what cannot be deployed yet.
    """
    values = pulumi.runtime.config.CONFIG.get()
    secret_keys = pulumi.runtime.config._SECRET_KEYS.get()
    try:
        settings = from_pulumi_config(pulumi.get_stack(), PROJECT, values, secret_keys)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    if reasons := settings.unsupported():
        raise pulumi.RunError("; ".join(reasons))
    return settings


def connect(settings: Settings) -> dict[str, Target]:
    """A realiser for each target of the settings; the SDK of a kind of target is imported only when one is used."""
    targets: dict[str, Target] = {}
    for name, spec in settings.targets.items():
        if spec.kind == "docker":
            from components.targets.docker.host import DockerHost

            targets[name] = DockerHost(name, spec, pulumi.get_stack())
    return targets
