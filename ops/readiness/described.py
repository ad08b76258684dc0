"""What a stack's description and this machine's records show of its readiness, with nothing running."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

from components import keeping
from components.sizing import cautions
from ops.readiness import kept
from ops.readiness.result import Check, Said
from ops.readiness.subject import NOT_AZURE, Described, all_hold

SOON = timedelta(days=30)
EXAMPLES = ("00000000-0000-0000-0000-000000000000", "slm-prod-example", "slmprodexample", "example.com")


def is_production(d: Described) -> Said:
    own = d.settings.environment
    return all_hold(
        [] if own == "prod" else [f"slm:environment is {own}: nothing is refused"], "slm:environment is prod"
    )


def may_be_deployed(d: Described) -> Said:
    return all_hold(d.settings.refusals(d.stack), "nothing in the description is refused")


def is_no_example(d: Described) -> Said:
    told = d.settings.model_dump_json(include={"targets", "gateway", "monitoring"})
    return all_hold([f"'{one}' is an example's" for one in EXAMPLES if one in told], "no value of the examples is left")


def is_kept_safely(d: Described) -> Said:
    if not keeping.matters(d.settings):
        return "not applicable", "state and secrets are this machine's: .slm, readable by its owner alone"
    problems = keeping.problems(d.settings, d.stack, d.project, d.environment)
    return all_hold(problems, "state is shared, secrets are encrypted by a vault")


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
    ends = [f"control {e.control} on {e.resource} ends {e.expires}" for e in own if e.expires - d.now.date() < SOON]
    return all_hold(ends, f"{len(own)} exceptions, none ends within {SOON.days} days")


def fits(d: Described) -> Said:
    if not d.settings.hosted:
        return "not applicable", "every engine is somebody else's"
    return all_hold([str(one) for one in cautions(d.settings)], "models, contexts and requests fit with room")


def gateway_has_copies(d: Described) -> Said:
    if d.on_docker:
        return "not applicable", "one host has one copy; Docker starts it again"
    copies = d.settings.gateway.replicas
    return all_hold([] if copies > 1 else ["one copy: each rollout stops the service"], f"{copies} copies")


def engines_have_copies(d: Described) -> Said:
    if d.on_docker:
        return "not applicable", "one host has one copy; Docker and the watchdog start it again"
    if not d.settings.hosted:
        return "not applicable", "every engine is somebody else's"
    least = {name: e.scaling.min if e.scaling else e.replicas for name, e in d.settings.hosted.items()}
    single = [
        f"engine {name} has {count}: a lost node or a rollout stops it" for name, count in least.items() if count < 2
    ]
    return all_hold(single, f"at least {min(least.values())} copies of each engine")


def cluster_is_promised(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    free = [
        f"{name}: tier Free, nobody promises that its API answers" for name, s in d.azure.items() if s.tier == "Free"
    ]
    return all_hold(free, "tier " + ", ".join(sorted({spec.tier for spec in d.azure.values()})))


def zones(d: Described) -> Said:
    if not d.azure:
        return "not applicable", NOT_AZURE
    alone = [
        f"{name}: pool {pool} is in one zone"
        for name, spec in d.azure.items()
        for pool, own in spec.pools.items()
        if not own.gpus and len(spec.zones_of(pool)) < 2
    ]
    return all_hold(alone, "nodes without GPU are in several zones; GPUs are where Azure has them")


def is_watched(d: Described) -> Said:
    own = d.settings.monitoring
    return all_hold([] if own else ["nobody measures it: slm:monitoring"], f"kind {own.kind}" if own else "")


def somebody_is_told(d: Described) -> Said:
    own = d.settings.monitoring
    if own is None:
        return "fail", "without monitoring nobody is told of anything"
    whom = [*own.emails, *own.receivers]
    return all_hold([] if whom else ["alerts go nowhere: receivers, or emails"], f"{len(whom)} receivers")


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
    Check("cost", "its price is known", CHECK, kept.price_is_known),
    Check("cost", "prices are fresh", CHECK, kept.prices_are_fresh),
    Check("cost", "idle GPUs go", CHECK, kept.gpus_may_go),
    Check("backups", "data outlives a mistake", CHECK, kept.data_survives),
    Check("backups", "the last backup is fresh", "make backup STACK={stack}", kept.is_backed_up),
    Check("keys", "API keys are young", "make rotate-key STACK={stack}", kept.keys_are_young),
    Check("versions", "everything is pinned", "make pin STACK={stack}", kept.all_is_pinned),
    Check("versions", "each part's image is known", CHECK, kept.images_are_known),
    Check("licences", "models may be served", CHECK, kept.licences),
)
