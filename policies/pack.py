"""The rules as policies of Pulumi's: one for each control, mandatory in production, advice elsewhere (control 70)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pulumi_policy as crossguard
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy, Severity, StackValidationPolicy

from components.settings import Settings, SettingsError, load, load_overlay
from components.settings.permissions import SecurityException
from policies import evaluate
from policies.finding import Finding, Resource
from policies.plain import plain
from policies.reviewed import excepted, exceptions

NAME = "slm"
PROJECT = Path(__file__).resolve().parent.parent
Policies = list[crossguard.Policy]


def serve(environment: Mapping[str, str]) -> None:
    """Answer Pulumi's questions until it ends. `environment` says which stack, and whether it is a preview."""
    settings = settings_of(environment)
    level = level_of(settings)
    own = settings.security.exceptions if settings else ()
    PolicyPack(NAME, policies(own, previewing=environment.get("PULUMI_DRY_RUN") == "true"), enforcement_level=level)


def settings_of(environment: Mapping[str, str]) -> Settings | None:
    """The settings of the stack that Pulumi works on; None where it has none that can be read.

    Such a stack is judged as production: nobody can lower its level by a description that does not load.
    """
    stack = environment.get("PULUMI_STACK", "")
    given = environment.get("PULUMI_OPTION_CONFIG_FILE")
    try:
        return load(stack, PROJECT, load_overlay(Path(given)) if given else {})
    except SettingsError:
        return None


def level_of(settings: Settings | None) -> EnforcementLevel:
    """Mandatory unless the stack says that it is for development."""
    is_dev = settings is not None and settings.environment != "prod"
    return EnforcementLevel.ADVISORY if is_dev else EnforcementLevel.MANDATORY


def policies(own: Iterable[SecurityException], *, previewing: bool) -> Policies:
    """One policy for each control, and one for the stack's own exceptions.

    A preview looks at everything together at its end, so that it tells all at once and its program is not cut short;
    an update refuses each resource before it is made.
    """
    own = tuple(own)
    allowed, numbers, seen = (*own, *exceptions()), sorted(evaluate.controls()), _Seen()
    made: Policies = [_keep(seen), *(_whole(number, allowed, seen, alone=previewing) for number in numbers)]
    if not previewing:
        made += [_resource(number, allowed, seen) for number in numbers]
    return [*made, _unused(own, seen)]


Exceptions = tuple[SecurityException, ...]


class _Seen:
    """The resources of a stack as they were asked for, and what was found in them.

    Of a whole stack Pulumi tells what each resource has become, with all that a provider or a cluster adds to it (the
    node port of a load balancer). The rules are about what was asked for, so that is kept as it comes by.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Resource] = {}
        self._urns: tuple[str, ...] | None = None
        self.resources: tuple[Resource, ...] = ()
        self.alone: tuple[tuple[str, Finding], ...] = ()
        self.together: tuple[Finding, ...] = ()

    def ask(self, args: crossguard.ResourceValidationArgs) -> Resource:
        """Keep a resource that Pulumi asks about."""
        self._asked[args.urn] = Resource(args.resource_type, args.name, plain(args.props), args.urn)
        return self._asked[args.urn]

    def of(self, args: crossguard.StackValidationArgs) -> _Seen:
        """Itself, with the stack that Pulumi asks about."""
        urns = tuple(one.urn for one in args.resources)
        if urns != self._urns:
            self._urns = urns
            self.resources = tuple(self._asked[urn] for urn in urns if urn in self._asked)
            self.alone = tuple((r.urn, one) for r in self.resources for one in evaluate.resource_findings(r))
            self.together = tuple(evaluate.stack_findings(self.resources))
        return self


def _keep(seen: _Seen) -> ResourceValidationPolicy:
    def validate(args: crossguard.ResourceValidationArgs, report: crossguard.ReportViolation) -> None:
        seen.ask(args)

    return ResourceValidationPolicy("inputs", "Keeps what is asked for, for the rules about whole stacks", validate)


def _resource(number: int, allowed: Exceptions, seen: _Seen) -> ResourceValidationPolicy:
    def validate(args: crossguard.ResourceValidationArgs, report: crossguard.ReportViolation) -> None:
        for one in _open(evaluate.resource_findings(seen.ask(args)), allowed, number):
            report(said(one), None)

    return ResourceValidationPolicy(f"control-{number:02}", _description(number), validate, severity=_severity(number))


def _whole(number: int, allowed: Exceptions, seen: _Seen, *, alone: bool) -> StackValidationPolicy:
    """`alone`: with what each resource alone shows."""

    def validate(args: crossguard.StackValidationArgs, report: crossguard.ReportViolation) -> None:
        now = seen.of(args)
        for urn in dict.fromkeys(urn for urn, _ in now.alone) if alone else ():
            for one in _open((f for at, f in now.alone if at == urn), allowed, number):
                report(said(one), urn)
        for one in _open(now.together, allowed, number):
            report(said(one), None)

    name = f"control-{number:02}" + ("" if alone else "-whole")
    return StackValidationPolicy(name, _description(number), validate, severity=_severity(number))


def _unused(own: Exceptions, seen: _Seen) -> StackValidationPolicy:
    def validate(args: crossguard.StackValidationArgs, report: crossguard.ReportViolation) -> None:
        for one in evaluate.judge(seen.of(args).resources, own).unused:
            report(f"slm:security.exceptions: {one} excuses nothing: it would hide what comes later — remove it", None)

    words = "Exceptions of the stack's file excuse something (control 71)"
    return StackValidationPolicy("control-71", words, validate, severity=Severity.LOW)


def _open(found: Iterable[Finding], allowed: Exceptions, number: int) -> list[Finding]:
    return excepted(dict.fromkeys(one for one in found if one.control == number), allowed)[0]


def said(one: Finding) -> str:
    """A finding as a person reads it: where, what could happen, what to do."""
    return f"{one.resource} {one.path}: {one.harm} — {one.fix}"


def _description(number: int) -> str:
    return f"Control {number} of docs/security.md"


def _severity(number: int) -> Severity:
    return Severity(Finding(number, "", "", "", "").severity)
