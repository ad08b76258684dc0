"""When a host is gone for ever: its stack's state is cleaned without it, and what is left behind there is listed."""

from __future__ import annotations

import json

from rich.console import Console

from ops.pulumi_cli import Pulumi
from ops.recovery import KINDS


def forget(pulumi: Pulumi, console: Console) -> list[str]:
    """Empty the state of a stack, and say what may still be on the host: containers, networks and volumes by name.

    The host itself is not asked. Keys are kept, so that the stack can be made anew. Raises UserError.
    """
    stack = pulumi.machine.stack
    document = json.loads(pulumi.check("stack", "export", "-s", stack))
    deployment = document.get("deployment") or {}
    left = []
    for resource in deployment.get("resources") or ():
        if kind := KINDS.get(resource["type"]):
            left.append(f"{kind.removesuffix('s')} {(resource.get('inputs') or {}).get('name', resource.get('id'))}")
    if deployment.get("resources"):
        deployment["resources"], deployment["pending_operations"] = [], []
        pulumi.check("stack", "import", "-s", stack, "--force", stdin=json.dumps(document))
    if left:
        console.print("  left behind on the host, if it comes back:")
        for item in sorted(left):
            console.print(f"    {item}", highlight=False)
        console.print(
            f"  remove it there: docker rm -f $(docker ps -aq --filter label=slm.stack={stack}); docker volume rm"
            f" $(docker volume ls -q --filter label=slm.stack={stack}); docker network rm"
            f" $(docker network ls -q --filter label=slm.stack={stack})",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return left
