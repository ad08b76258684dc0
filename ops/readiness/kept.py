"""What the description and this machine's records show of cost, backups, keys, versions and licences."""

from __future__ import annotations

from datetime import datetime, timedelta

from components.catalog.prices import prices
from components.pricing import cluster_cost
from ops.readiness.result import Said
from ops.readiness.subject import NOT_AZURE, Described, all_hold

OLD_PRICES = timedelta(days=180)
BACKUP_HOURS = 24
FREE = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""Licences that let a company serve a model without terms of its own."""


def price_is_known(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    costs = [cluster_cost(name, spec, d.settings, d.settings.prices) for name, spec in d.azure.items()]
    unknown = [f"no price of {one}" for cost in costs for one in cost.unknown]
    return all_hold(unknown, "; ".join(cost.summary for cost in costs))


def prices_are_fresh(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    read = prices().read
    age = d.now.date() - read
    return all_hold([f"prices are of {read}: {age.days} days old"] if age > OLD_PRICES else [], f"prices of {read}")


def gpus_may_go(d: Described) -> Said:
    pools = {name: pool for spec in d.azure.values() for name, pool in spec.pools.items() if pool.gpus}
    if not pools:
        return "not applicable", "the stack pays for no GPU of Azure's"
    kept = [f"pool {name} keeps {pool.min_nodes} nodes for ever" for name, pool in pools.items() if pool.min_nodes > 1]
    return all_hold(kept, "GPU pools shrink to " + ", ".join(str(pool.min_nodes) for pool in pools.values()) + " nodes")


def data_survives(d: Described) -> Said:
    if not d.azure:
        return "not applicable", "volumes of a Docker host or a cluster that exists stay when a stack is taken down"
    lost = [
        f"{name}: {what} is neither protected nor retained"
        for name, spec in d.azure.items()
        for what in ("vault", "data")
        if not getattr(spec.protect, what) or not getattr(spec.retain, what)
    ]
    return all_hold(lost, "vault and disks are protected and outlive a teardown")


def is_backed_up(d: Described) -> Said:
    if not d.on_docker:
        return "unknown", "snapshots of a cluster's volumes are the site's: nobody here can see them"
    if d.settings.webui is None and d.settings.monitoring is None:
        return "not applicable", "it keeps nothing but weights, which are fetched again"
    files = [path for path in d.backups.glob("*") if path.is_file() and not path.name.startswith(".")]
    if not files:
        return "fail", "there is no backup on this machine"
    newest = datetime.fromtimestamp(max(path.stat().st_mtime for path in files), d.now.tzinfo)
    hours = (d.now - newest).total_seconds() / 3600
    return all_hold(
        [f"the last one is {hours:.0f} hours old"] if hours > BACKUP_HOURS else [], f"{hours:.0f} hours ago"
    )


def keys_are_young(d: Described) -> Said:
    if not d.keys_made:
        return "unknown", "no key is written down on this machine"
    limit = d.settings.monitoring.key_max_age_days if d.settings.monitoring else 90
    old, nobody = [], []
    for name, made in d.keys_made.items():
        try:
            days = (d.now - datetime.fromisoformat(made)).days
        except (TypeError, ValueError):
            nobody.append(name)
            continue
        old += [f"{name} is {days} days old"] if days > limit else []
    if old:
        return "fail", "; ".join(old)
    return ("unknown", f"nobody knows the age of {', '.join(nobody)}") if nobody else ("pass", f"below {limit} days")


def all_is_pinned(d: Described) -> Said:
    return all_hold(d.settings.unpinned(), "each image and model is named by its digest")


def images_are_known(d: Described) -> Said:
    missing = d.settings.unprepared()
    return all_hold([f"no image for {', '.join(missing)}"] if missing else [], "each part's image is known")


def licences(d: Described) -> Said:
    if not d.settings.hosted:
        return "not applicable", "every model is somebody else's"
    used = {d.settings.model_of(name).name: d.settings.model_of(name).license for name in d.settings.hosted}
    terms = [f"{model}: {licence}" for model, licence in used.items() if licence not in FREE]
    if terms:
        return "unknown", "a person must have read and accepted: " + "; ".join(terms)
    return "pass", "; ".join(f"{model}: {licence}" for model, licence in used.items())
