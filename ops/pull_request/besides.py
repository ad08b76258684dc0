"""What a preview changes although the descriptions do not say so: something done by hand, or the program (pure)."""

from __future__ import annotations

import re

from ops.pull_request.markdown import listed
from ops.pull_request.previews import Asked
from ops.pull_request.sides import Place

SERVICE = re.compile(
    r"docker:index/container:Container|kubernetes:apps/v1:(Deployment|StatefulSet|DaemonSet)|"
    r"azure-native:containerservice[^:]*:(AgentPool|ManagedCluster)"
)
ENDS = re.compile(r"-(container|deployment|statefulset|daemonset)$")
FILES = "-files"
"""How the name ends of what only carries files into a volume, and never runs."""

OPS = frozenset({"update", "replace", "delete"})


def besides(places: list[Place], asked: list[Asked], expected: set[str]) -> str:
    """One sentence about services that only the previews change; empty where there are none.

    `expected` are the workloads that change by the descriptions. Where a description changes a cluster's own machines,
    the rollout has told of them.
    """
    clusters = any(place.changes and any(place.after.costs if place.after else ()) for place in places)
    found: dict[str, None] = {}
    for one in asked:
        for step in one.preview.changes if one.preview else ():
            if step.op not in OPS or not SERVICE.fullmatch(step.type) or step.name.endswith(FILES):
                continue
            if ENDS.sub("", step.name) in expected or (clusters and step.type.startswith("azure")):
                continue
            found[step.name] = None
    if not found:
        return ""
    return f"besides, **the preview changes what the descriptions do not**: {listed(sorted(found))}"
