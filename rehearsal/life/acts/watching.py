"""Who watches the stack, and whether they could."""

from __future__ import annotations

from collections import Counter

import yaml

from rehearsal.control_plane.api import Object
from rehearsal.life.judging import scrape
from rehearsal.life.judging.objects import is_ready, workload_of
from rehearsal.life.objects import Objects
from rehearsal.life.stage import Act, Stage

CONFIG = "/api/v1/namespaces/kube-system/configmaps/ama-metrics-prometheus-config"


def watched(stage: Stage) -> None:
    """Azure watches the stack: the cluster's figures go to its workspace, every group of rules looks at that and at
    this cluster, alerts are sent to people. What its agent reads names Services that are there, at ports that they
    have, and each copy by an address of its own. What alerts ask of figures is tested elsewhere; no agent runs here."""
    world, live = stage.world, Objects(stage.world)
    cluster = world.cloud.resources("containerservice:ManagedCluster")[0]
    workspace = world.cloud.resources("monitor:AzureMonitorWorkspace")
    stage.require(workspace, "there is no workspace for figures")
    ties = world.cloud.resources("monitor:DataCollectionRuleAssociation")
    stage.require(
        any(one.inputs["resourceUri"].lower() == cluster.id.lower() for one in ties),
        "no rule collects from the cluster",
    )
    groups = world.cloud.resources("alertsmanagement:PrometheusRuleGroup")
    both = {cluster.id.lower(), workspace[0].id.lower()}
    elsewhere = [one.name for one in groups if {scope.lower() for scope in one.inputs["scopes"]} != both]
    stage.none(elsewhere, "groups of rules that look elsewhere")
    rules = [rule for one in groups for rule in one.inputs["rules"]]
    alerts = [rule for rule in rules if rule.get("alert")]
    stage.none((rule["alert"] for rule in alerts if not rule.get("actions")), "alerts that nobody is told of")
    jobs = yaml.safe_load(world.api.get(CONFIG)["data"]["prometheus-config"])["scrape_configs"]
    ready = Counter(workload_of(pod) for pod in live.pods() if is_ready(pod))
    stage.none(scrape.unanswered(jobs, live.all("v1", "services"), ready), "Azure's agent would ask in vain")
    stage.fact("groups of rules", f"{len(groups)}: {len(rules) - len(alerts)} series, {len(alerts)} alerts")
    stage.fact("the agent asks", ", ".join(sorted({f"{job}: {host}:{port}" for job, host, port in scrape.asked(jobs)})))
    stage.fact("who is told", ", ".join(_mails(world.cloud.resources("monitor:ActionGroup")[0].inputs)))


def _mails(group: Object) -> list[str]:
    return [receiver["emailAddress"] for receiver in group["emailReceivers"]]


ACTS = (Act("watched", "Azure watches it", watched, short=True),)
