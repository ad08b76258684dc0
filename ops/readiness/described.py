"""What a stack's description and this machine's records show of its readiness, with nothing running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from components import keeping
from components.catalog.prices import prices
from components.pricing import cluster_cost
from components.settings import Settings
from components.sizing import cautions
from components.targets.spec import Aks, Docker
from ops.readiness.result import Check, Said

NOT_AZURE = "the stack makes no cluster on Azure"
SOON = timedelta(days=30)
OLD_PRICES = timedelta(days=180)
BACKUP_HOURS = 24
FREE = ("Apache-2.0", "MIT", "BSD-3-Clause")
"""Licences that let a company serve a model without terms of its own."""

EXAMPLES = ("00000000-0000-0000-0000-000000000000", "slm-prod-example", "slmprodexample", "example.com")


@dataclass(frozen=True)
class Described:
    """What is known before anything is asked: settings, files, the caller's variables, and when."""

    stack: str
    settings: Settings
    project: Path
    environment: Mapping[str, str]
    now: datetime
    keys_made: Mapping[str, str]
    backups: Path

    @property
    def azure(self) -> dict[str, Aks]:
        """Its clusters on Azure."""
        return {name: spec for name, spec in self.settings.targets.items() if isinstance(spec, Aks)}

    @property
    def on_docker(self) -> bool:
        """Whether all of it runs on Docker hosts, where there is one copy of everything."""
        return all(isinstance(spec, Docker) for spec in self.settings.targets.values())


def _all(problems: list[str], good: str) -> Said:
    return ("fail", "; ".join(problems)) if problems else ("pass", good)


def is_production(d: Described) -> Said:
    own = d.settings.environment
    return _all([] if own == "prod" else [f"slm:environment is {own}: nothing is refused"], "slm:environment is prod")


def may_be_deployed(d: Described) -> Said:
    return _all(d.settings.refusals(d.stack), "nothing in the description is refused")


def is_no_example(d: Described) -> Said:
    told = d.settings.model_dump_json(include={"targets", "gateway", "monitoring"})
    return _all([f"'{one}' is an example's" for one in EXAMPLES if one in told], "no value of the examples is left")


def is_kept_safely(d: Described) -> Said:
    if not keeping.matters(d.settings):
        return "not applicable", "state and secrets are this machine's: .slm, readable by its owner alone"
    problems = keeping.problems(d.settings, d.stack, d.project, d.environment)
    return _all(problems, "state is shared, secrets are encrypted by a vault")


def is_encrypted(d: Described) -> Said:
    gateway = d.settings.gateway
    if gateway.tls:
        return "pass", f"TLS {gateway.tls.minimum} or newer"
    if d.on_docker and ip_address(gateway.bind).is_loopback:
        return "not applicable", f"it is published on {gateway.bind} of its own machine only"
    return "fail", "requests and keys can be read on the way: gateway.tls"


def exceptions_last(d: Described) -> Said:
    own = d.settings.security.exceptions
    if not own:
        return "not applicable", "the stack has no exception of its own"
    ends = [f"control {e.control} on {e.resource} ends {e.expires}" for e in own if e.expires - _day(d) < SOON]
    return _all(ends, f"{len(own)} exceptions, none ends within {SOON.days} days")


def _day(d: Described) -> date:
    return d.now.date()


def fits(d: Described) -> Said:
    if not d.settings.hosted:
        return "not applicable", "every engine is somebody else's"
    return _all([str(one) for one in cautions(d.settings)], "models, contexts and requests fit with room")


def gateway_has_copies(d: Described) -> Said:
    if d.on_docker:
        return "not applicable", "one host has one copy; Docker starts it again"
    copies = d.settings.gateway.replicas
    return _all([] if copies > 1 else ["one copy: each rollout stops the service"], f"{copies} copies")


def engines_have_copies(d: Described) -> Said:
    if d.on_docker:
        return "not applicable", "one host has one copy; Docker and the watchdog start it again"
    if not d.settings.hosted:
        return "not applicable", "every engine is somebody else's"
    least = {name: e.scaling.min if e.scaling else e.replicas for name, e in d.settings.hosted.items()}
    single = [
        f"engine {name} has {count}: a lost node or a rollout stops it" for name, count in least.items() if count < 2
    ]
    return _all(single, f"at least {min(least.values())} copies of each engine")


def cluster_is_promised(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    free = [
        f"{name}: tier Free, nobody promises that its API answers" for name, s in d.azure.items() if s.tier == "Free"
    ]
    return _all(free, "tier " + ", ".join(sorted({spec.tier for spec in d.azure.values()})))


def zones(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    alone = [
        f"{name}: pool {pool} is in one zone"
        for name, spec in d.azure.items()
        for pool, own in spec.pools.items()
        if not own.gpus and len(spec.zones_of(pool)) < 2
    ]
    return _all(alone, "nodes without GPU are in several zones; GPUs are where Azure has them")


def is_watched(d: Described) -> Said:
    own = d.settings.monitoring
    return _all([] if own else ["nobody measures it: slm:monitoring"], f"kind {own.kind}" if own else "")


def somebody_is_told(d: Described) -> Said:
    own = d.settings.monitoring
    if own is None:
        return "fail", "without monitoring nobody is told of anything"
    whom = [*own.emails, *own.receivers]
    return _all([] if whom else ["alerts go nowhere: receivers, or emails"], f"{len(whom)} receivers")


def price_is_known(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    costs = [cluster_cost(name, spec, d.settings, d.settings.prices) for name, spec in d.azure.items()]
    unknown = [f"no price of {one}" for cost in costs for one in cost.unknown]
    return _all(unknown, "; ".join(cost.summary for cost in costs))


def prices_are_fresh(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    read = prices().read
    age = _day(d) - read
    return _all([f"prices are of {read}: {age.days} days old"] if age > OLD_PRICES else [], f"prices of {read}")


def gpus_may_go(d: Described) -> Said:
    pools = {name: pool for spec in d.azure.values() for name, pool in spec.pools.items() if pool.gpus}
    if not pools:
        return "not applicable", "the stack pays for no GPU of Azure's"
    kept = [f"pool {name} keeps {pool.min_nodes} nodes for ever" for name, pool in pools.items() if pool.min_nodes > 1]
    return _all(kept, "GPU pools shrink to " + ", ".join(str(pool.min_nodes) for pool in pools.values()) + " nodes")


def data_survives(d: Described) -> Said:
    if not d.azure:
        return "not applicable", "volumes of a Docker host or a cluster that exists stay when a stack is taken down"
    lost = [
        f"{name}: {what} is neither protected nor retained"
        for name, spec in d.azure.items()
        for what in ("vault", "data")
        if not getattr(spec.protect, what) or not getattr(spec.retain, what)
    ]
    return _all(lost, "vault and disks are protected and outlive a teardown")


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
    return _all([f"the last one is {hours:.0f} hours old"] if hours > BACKUP_HOURS else [], f"{hours:.0f} hours ago")


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
    return _all(d.settings.unpinned(), "each image and model is named by its digest")


def images_are_known(d: Described) -> Said:
    missing = d.settings.unprepared()
    return _all([f"no image for {', '.join(missing)}"] if missing else [], "each part's image is known")


def licences(d: Described) -> Said:
    if not d.settings.hosted:
        return "not applicable", "every model is somebody else's"
    used = {d.settings.model_of(name).name: d.settings.model_of(name).license for name in d.settings.hosted}
    terms = [f"{model}: {licence}" for model, licence in used.items() if licence not in FREE]
    if terms:
        return "unknown", "a person must have read and accepted: " + "; ".join(terms)
    return "pass", "; ".join(f"{model}: {licence}" for model, licence in used.items())


CHECK = "make check STACK={stack}"
CHECKS: tuple[Check[Described], ...] = (
    Check("security", "it is described as production", CHECK, is_production),
    Check("security", "nothing in it is refused", CHECK, may_be_deployed),
    Check("security", "no example's value is left", CHECK, is_no_example),
    Check("security", "state and secrets are kept safely", CHECK, is_kept_safely),
    Check("security", "requests are encrypted", CHECK, is_encrypted),
    Check("security", "exceptions last", CHECK, exceptions_last),
    Check("reliability", "models fit with room", CHECK, fits),
    Check("reliability", "the gateway has copies", CHECK, gateway_has_copies),
    Check("reliability", "engines have copies", CHECK, engines_have_copies),
    Check("reliability", "the cluster's API is promised", CHECK, cluster_is_promised),
    Check("reliability", "nodes are in several zones", CHECK, zones),
    Check("observability", "it is watched", CHECK, is_watched),
    Check("observability", "somebody is told", "make alert-test STACK={stack}", somebody_is_told),
    Check("cost", "its price is known", CHECK, price_is_known),
    Check("cost", "prices are fresh", CHECK, prices_are_fresh),
    Check("cost", "idle GPUs go", CHECK, gpus_may_go),
    Check("backups", "data outlives a mistake", CHECK, data_survives),
    Check("backups", "the last backup is fresh", "make backup STACK={stack}", is_backed_up),
    Check("keys", "API keys are young", "make rotate-key STACK={stack}", keys_are_young),
    Check("versions", "everything is pinned", "make pin STACK={stack}", all_is_pinned),
    Check("versions", "each part's image is known", CHECK, images_are_known),
    Check("licences", "models may be served", CHECK, licences),
)
