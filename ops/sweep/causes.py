"""Why a stack could not be removed, and what a person must do, out of what Pulumi said (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ops.sweep.backend import TIMED_OUT
from ops.sweep.contents import KUBERNETES, Contents, Item

FORGET = "APPLY=1 FORGET={stack}"
KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"incorrect passphrase|passphrase must be set|constructing secrets manager|Forbidden.*vault|AKV\w*Error",
        "its secrets cannot be opened: the passphrase or the key is lost, or not given here",
        "PULUMI_CONFIG_PASSPHRASE_FILE=… make sweep APPLY=1; is it lost for ever: remove by hand what is listed, then"
        " make sweep " + FORGET,
    ),
    (
        r"no resource plugin|could not load plugin|Could not find plugin|failed to load plugin",
        "its state was written with a newer plugin than this checkout has",
        "run make sweep from a checkout as new as the stack's branch: {seen}",
    ),
    (
        r"unsupported checkpoint|unsupported deployment version|newer than what this version",
        "its state was written by a newer Pulumi than this checkout's",
        "run make sweep from a checkout with that Pulumi; or remove its file in the backend once nothing of it runs",
    ),
    (
        r"snapshot integrity",
        "its state is damaged",
        "pulumi state repair -s {stack} in a checkout, then make sweep again; or remove by hand what is listed, then"
        " make sweep " + FORGET,
    ),
    (
        r"cluster is unreachable|unable to load schema information|configured Kubernetes cluster|no such host.*443",
        "its cluster does not answer",
        "start it, or mend the way to it, and run make sweep again; is it gone for ever: make sweep " + FORGET,
    ),
    (
        r"finalizer|timed out waiting|Timeout occurred .*deletion|not (?:been )?deleted|timeout while waiting",
        "the cluster does not let go of an object: a finalizer waits for a controller that does not end",
        "kubectl get -o jsonpath='{{.metadata.finalizers}}' of what is listed; mend its controller, or take the"
        " finalizer away when nothing outside depends on it; then make sweep again",
    ),
    (
        r"Cannot connect to the Docker daemon|error during connect|error initializing Docker client|command \[ssh|"
        r"ssh: connect|Host key verification failed|failed to (?:connect|ping).*[Dd]ocker|Error pinging Docker server",
        "its Docker host does not answer",
        "start it, or mend the way to it, and run make sweep again; is it gone for ever: make sweep " + FORGET,
    ),
    (
        re.escape(TIMED_OUT),
        "its removal did not end in time",
        "look at what is listed; more destroy_minutes in review.yaml when it was only slow",
    ),
)


def explain(stack: str, output: str, left: Contents) -> list[str]:
    """What a person must do about a stack whose removal failed with this output, `left` being what is still there."""
    for pattern, what, fix in KNOWN:
        if found := re.search(f".*(?:{pattern}).*", output, re.IGNORECASE):
            if _about_kubernetes(what) and not any(item.type.startswith(KUBERNETES) for item in left.items):
                continue
            lines = [f"{what}: {fix.format(stack=stack, seen=found.group(0).strip()[:200])}"]
            return [*lines, *still_there(left.items)]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    # Its own word for what is wrong comes before stack traces and advice.
    errors = [line for line in lines if line.lower().startswith(("error:", "panic:"))]
    return [f"Pulumi said: {' / '.join((errors or lines)[-3:])[:400]}", *still_there(left.items)]


def protected(stack: str, left: Contents) -> list[str]:
    """What a person must decide about resources that are protected: somebody wanted them to stay."""
    return [
        f"{item.words} is protected: pulumi state unprotect '{item.urn}' -s {stack} --yes, then make sweep again"
        for item in left.protected
    ]


def still_there(items: Sequence[Item]) -> list[str]:
    """The things that were not removed, a line each; of many, how many more."""
    most = 12
    lines = [f"still there: {item.words}" for item in items[:most]]
    return lines + ([f"still there: {len(items) - most} more"] if len(items) > most else [])


def _about_kubernetes(what: str) -> bool:
    return "cluster" in what
