"""Whether an agent that reads a file of scrape jobs would find whom to ask (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Object = dict[str, Any]


def asked(jobs: Sequence[Object]) -> Iterator[tuple[str, str, int]]:
    """Job, host and port of everything that the jobs ask by name; nodes are asked by no name."""
    for job in jobs:
        through = [rule for rule in job.get("relabel_configs", ()) if rule.get("target_label") == "__address__"]
        if through:
            # An exporter is asked in the place of the targets, which are its parameters.
            host, _, port = through[0]["replacement"].rpartition(":")
            yield job["job_name"], host, int(port)
            continue
        for found_by in job.get("dns_sd_configs", ()):
            yield from ((job["job_name"], name, int(found_by["port"])) for name in found_by["names"])
        for static in job.get("static_configs", ()):
            for target in static["targets"]:
                host, _, port = target.rpartition(":")
                yield job["job_name"], host, int(port)


def unanswered(jobs: Sequence[Object], services: Sequence[Object], ready: dict[str, int]) -> Iterator[str]:
    """Jobs whose name is no Service, whose port it has not, or which reach fewer copies than are ready.

    `ready` is how many pods of a workload are, by its name.
    """
    known = {_host(one): one for one in services}
    for job, host, port in asked(jobs):
        service = known.get(host)
        if service is None:
            yield f"job {job} asks {host}, and there is no such Service"
            continue
        if port not in {one["port"] for one in service["spec"]["ports"]}:
            yield f"job {job} asks {host}:{port}, and the Service has no such port"
        workload = service["spec"]["selector"]["app.kubernetes.io/name"]
        copies = ready.get(workload, 0)
        if not copies:
            yield f"job {job} asks {host}, which no ready pod stands behind"
        if copies > 1 and service["spec"].get("clusterIP") != "None":
            yield f"job {job} asks {host}, one address for {copies} copies: figures of one would be taken for another's"


def _host(service: Object) -> str:
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
