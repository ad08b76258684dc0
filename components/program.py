"""From Pulumi's configuration to settings and targets; a user's mistake ends the program with a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

import pulumi

from components import keeping
from components.settings import Settings, SettingsError, from_pulumi_config, passphrase_problem
from components.sizing import cautions
from components.sizing.auto import resolved
from components.sizing.cost import costs
from components.targets.kubernetes.kubeconfig import KubeconfigError
from components.targets.placement import Target, UnsupportedError
from components.targets.spec import Aks
from components.yaml_file import YamlError

if TYPE_CHECKING:
    from components.targets.aks.watched import Watched

PROJECT = Path(__file__).resolve().parent.parent


def read_settings() -> Settings:
    """The stack's settings: its committed file, overlaid by what Pulumi's configuration says.

    Raises pulumi.RunError with every problem found, for what cannot fit, cannot be deployed yet or was never prepared,
    and in production for a passphrase that protects nothing. A state or secrets kept weakly end an update; a preview
    tells of them. What fits only tightly is a warning.
    """
    values = pulumi.runtime.config.CONFIG.get()
    secret_keys = pulumi.runtime.config._SECRET_KEYS.get()
    try:
        settings = from_pulumi_config(pulumi.get_stack(), PROJECT, values, secret_keys)
        settings.require_deployable(pulumi.get_stack())
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    for caution in cautions(settings):
        pulumi.warn(f"sizing: {caution}")
    for cost in costs(settings):
        pulumi.info(cost.summary)
    stack = pulumi.get_stack()
    _require_safe_keeping(settings, stack)
    if roles := settings.unprepared():
        raise pulumi.RunError(
            f"stack '{stack}' has no image for {', '.join(roles)} on this machine, so nothing can be started: run"
            f' make up STACK={stack} once, or eval "$(make -s env STACK={stack})" if it has been'
        )
    return settings


def end_quietly_when_cancelled() -> None:
    """An interrupted program says nothing: Pulumi interrupts it on Ctrl-C, and when a policy or failure ended the run.

    Whoever interrupted has said why; a traceback of a program that did nothing wrong would hide it.
    """
    told = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            told(kind, error, trace)

    sys.excepthook = hook


@contextmanager
def told_in_words() -> Iterator[None]:
    """What a target cannot do, and a cluster that is not there, end the program with a sentence and no traceback."""
    try:
        yield
    except (UnsupportedError, KubeconfigError) as error:
        raise pulumi.RunError(str(error)) from None


def _require_safe_keeping(settings: Settings, stack: str) -> None:
    """End a production stack's program where its secrets or its state are kept weakly (control 63)."""
    passphrase = _passphrase() if settings.environment == "prod" else None
    if passphrase is not None and (problem := passphrase_problem(passphrase)):
        raise pulumi.RunError(f"stack '{stack}' is production: {problem}")
    try:
        weak = keeping.problems(settings, stack, PROJECT, os.environ)
    except YamlError as error:
        raise pulumi.RunError(str(error)) from None
    if weak and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"stack '{stack}' is production: {'; '.join(weak)}. Nothing was changed")
    for one in weak:
        pulumi.warn(f"an update will be refused: {one}")


def _passphrase() -> str | None:
    """The passphrase Pulumi was started with, None where another secrets provider is used."""
    if file := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return Path(file).read_text().strip()
    return os.environ.get("PULUMI_CONFIG_PASSPHRASE")


def managed(settings: Settings, target: str, stack: str) -> Watched | None:
    """What Azure's monitoring is told of the stack on an AKS target; None where it watches nothing there."""
    own, spec = settings.monitoring, settings.targets[target]
    if own is None or not own.managed or own.target != target or not isinstance(spec, Aks):
        return None
    from components import plan
    from components.monitoring.azure_managed import watched
    from components.targets.aks.site import site_of
    from components.targets.kubernetes.names import Names

    naming = Names(site_of(spec, managed=True), stack)
    described = [planned.workload for planned in plan.plan(settings, dict.fromkeys(settings.targets, naming))]
    return watched(settings, described, plan.scrape_jobs(settings, naming))


def connect(settings: Settings) -> dict[str, Target]:
    """A realiser for each target of the settings; the SDK of a kind of target is imported only when one is used."""
    targets: dict[str, Target] = {}
    for name, spec in settings.targets.items():
        if spec.kind == "docker":
            from components.targets.docker.host import DockerHost

            targets[name] = DockerHost(name, spec, pulumi.get_stack())
        elif spec.kind == "kubernetes":
            from components.targets.kubernetes.existing import existing_cluster

            targets[name] = existing_cluster(name, spec, pulumi.get_stack())
        else:
            from components.targets.aks.target import AksTarget

            told = managed(settings, name, pulumi.get_stack())
            targets[name] = AksTarget(name, cast(Aks, resolved(settings, name)), pulumi.get_stack(), told).kubernetes
    return targets
