"""What a description opens, guards and leaves unguarded, so that two of them can be compared (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address

from components.engines import External
from components.settings import Settings
from components.targets.spec import Aks, Docker, Kubernetes
from ops.pull_request.markdown import code, listed, say, text

NOWHERE, HERE, NETWORK, EVERYWHERE, INTERNET = range(5)
"""How far something can be reached from."""


@dataclass(frozen=True)
class Trait:
    """One thing a reviewer looks at: what it is, in Markdown, how far from safest (0 is), and its control."""

    what: str
    words: str
    level: float
    control: int = 0


def traits(settings: Settings) -> dict[str, Trait]:
    """All of them, by a key that stays when their words change."""
    found = [*_entries(settings), *_targets(settings), *_engines(settings), *_rest(settings)]
    return {trait.what: trait for trait in found}


def _entries(settings: Settings) -> Iterator[Trait]:
    gateway, page = settings.gateway, settings.webui
    own = settings.monitoring
    pages = own.grafana if own and not own.managed else None
    entries = [("the gateway", gateway), ("the chat page", page), ("Grafana", pages)]
    spec = settings.targets[gateway.target]
    for name, part in entries:
        if part is None:
            continue
        if isinstance(spec, Docker):
            address = say("published on {}", f"{part.bind}:{part.port}")
            yield Trait(f"port of {name}", f"{address}, {_reach(part.bind)[1]}", _reach(part.bind)[0], 9)
        elif part is not pages:
            yield _exposed(name, spec, part.port)
        oldest = part.tls.minimum if part.tls else None
        reached = not isinstance(spec, Docker) or not ip_address(part.bind).is_loopback
        words = f"TLS {oldest} or newer" if oldest else "no encryption"
        level = {"1.3": 0, "1.2": 1, None: 3 if reached else 2}[oldest]
        yield Trait(f"encryption of {name}", words, level, 9 if isinstance(spec, Docker) else 33)
    if page and page.sign_up:
        yield Trait("accounts of the chat page", "whoever reaches it may ask for one", 2, 51)
    limits = gateway.limits
    for field, unit in (("requests_per_minute", "a minute"), ("concurrent_requests", "at once")):
        count = getattr(limits, field)
        yield Trait(f"requests of one API key {unit}", f"at most {count:,}", count, 43)
    yield Trait("largest request", f"{limits.body_kib:,} KiB", limits.body_kib)
    yield Trait("names the gateway answers to", listed(gateway.hosts), 0, 45)
    if gateway.origins:
        yield Trait("web pages that may call the gateway", listed(gateway.origins), len(gateway.origins), 45)


def _reach(bind: str) -> tuple[int, str]:
    address = ip_address(bind)
    if address.is_loopback:
        return HERE, "for its own machine only"
    if address.is_unspecified:
        return EVERYWHERE, "on every address of its machine"
    return NETWORK, "for other machines"


def _exposed(name: str, spec: Kubernetes | Aks, port: int) -> Trait:
    inside = (NOWHERE, "not outside of the cluster")
    if spec.exposure == "none":
        return Trait(f"port of {name}", inside[1], inside[0], 33)
    addresses = sum(IPv4Network(one).num_addresses for one in spec.source_ranges)
    callers = f"for {listed(spec.source_ranges)}" if spec.source_ranges else "for private networks"
    level = (INTERNET if spec.exposure == "public" else NETWORK) + addresses / 2**33
    return Trait(f"port of {name}", f"{spec.exposure} load balancer, port {port}, {callers}", level, 33)


def _targets(settings: Settings) -> Iterator[Trait]:
    for name, spec in settings.targets.items():
        of = f"target {code(name)}"
        if isinstance(spec, Docker):
            if spec.host_key:
                yield Trait(f"pinned SSH key of {of}", code(f"{spec.host_key[:24]}…{spec.host_key[-12:]}"), 0, 20)
            if spec.patience and name == settings.gateway.target:
                words = "a container without a network holds its Docker engine's socket"
                yield Trait(f"watchdog of {of}", words, 1, 11)
        else:
            if isinstance(spec, Kubernetes) and spec.egress:
                ways = listed(f"{one.cidr}:{one.port}" for one in spec.egress)
                yield Trait(f"ways out of {of}", ways, len(spec.egress), 31)
            if isinstance(spec, Aks):
                yield from _azure(of, spec)


def _azure(of: str, spec: Aks) -> Iterator[Trait]:
    addresses = sum(IPv4Network(one).num_addresses for one in spec.authorized_ranges)
    words = "private address" if spec.private else f"public, for {listed(spec.authorized_ranges)}"
    yield Trait(f"API server of {of}", words, 0 if spec.private else INTERNET + addresses / 2**33, 55)
    if spec.vault:
        yield Trait(f"secrets of {of}", say("in vault {}", spec.vault.name), 0, 65)
        purge = "on" if spec.vault.purge_protection else "off: one mistake loses every secret"
        yield Trait(f"purge protection of the vault of {of}", purge, not spec.vault.purge_protection, 62)
        days = spec.vault.soft_delete_days
        yield Trait(f"days that deleted secrets of {of} stay", f"{days}", 90 - days, 62)
    else:
        yield Trait(f"secrets of {of}", "in the cluster and in the stack's state", 2, 65)
    yield Trait(
        f"etcd of {of}", "encrypted with a key of the vault" if spec.kms else "Azure's own keys", not spec.kms, 58
    )
    yield Trait(f"promised uptime of {of}", f"tier {spec.tier}", spec.tier == "Free", 60)
    administer = listed(spec.admin_group_ids) or "nobody"
    yield Trait(f"who administers {of}", administer, len(spec.admin_group_ids), 56)
    yield Trait(f"upgrades of {of}", f"{spec.upgrade_channel}, nodes {spec.node_upgrade_channel}", 0, 60)
    for field in ("cluster", "vault", "data"):
        on = getattr(spec.protect, field)
        words = "refused until it is asked by name" if on else "one command deletes it"
        yield Trait(f"deletion of the {field} of {of}", words, not on, 67)
    for field in ("vault", "data"):
        on = getattr(spec.retain, field)
        yield Trait(f"teardown and the {field} of {of}", "it stays" if on else "it goes with the stack", not on, 67)


def _engines(settings: Settings) -> Iterator[Trait]:
    for name, engine in settings.engines.items():
        if isinstance(engine, External):
            of = f"prompts for engine {code(name)}"
            way = say("go to {}", f"{engine.host}:{engine.port}") + (", encrypted" if engine.tls else ", unencrypted")
            yield Trait(of, way, NETWORK if engine.tls else EVERYWHERE, 10)
            key = say("by the key in secret {}", engine.key_secret) if engine.key_secret else "no key"
            yield Trait(f"how engine {code(name)} knows the gateway", key, not engine.key_secret, 46)
        else:
            for field, control, harm in engine.deviations:
                yield Trait(f"{code(field)} of engine {code(name)}", text(harm), 3, control)


def _rest(settings: Settings) -> Iterator[Trait]:
    dev = settings.environment == "dev"
    yield Trait("environment", "dev: what is not pinned may run" if dev else "prod: what is not pinned is refused", dev)
    allowed = settings.security.allow_registries
    yield Trait("registries images may come from", listed(allowed), len(allowed), 15)
    if unpinned := settings.unpinned():
        yield Trait("not pinned", "; ".join(map(text, unpinned)), len(unpinned), 15)
    if keys := [key.id for key in settings.keys_made]:
        yield Trait("API keys that are written down", listed(keys), 0, 43)
    own = settings.monitoring
    if own is None:
        return
    if own.logs.contents:
        yield Trait("prompts and answers", "are written into the logs and kept", 4)
    spec = settings.targets.get(own.target)
    if not own.managed:
        words = "agents that see files of their machine" + (
            ", one asks its Docker engine" if isinstance(spec, Docker) else ""
        )
        yield Trait("monitoring", words, 1, 41 if not isinstance(spec, Docker) else 11)
    if told := [*own.receivers, *own.emails]:
        yield Trait("alerts are sent to", listed(told), 0, 54)
