"""What Azure refuses of networks, addresses and security rules (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.values import Properties, at, known


def network_of(text: Any) -> IPv4Network | None:
    """The range a text names; None where it names none or is not known yet."""
    try:
        return IPv4Network(text) if isinstance(text, str) else None
    except ValueError:
        return None


def prefixes(inputs: Properties, *paths: str) -> list[str]:
    """The address ranges at these paths, which hold one text or a list of them; what is not known is left out."""
    values = [known(inputs, path) for path in paths]
    texts = [value if isinstance(value, list) else [value] for value in values if value is not None]
    return [text for group in texts for text in group if isinstance(text, str)]


def virtual_network(inputs: Properties) -> Iterator[Failure]:
    """Its ranges are ranges, and its subnets lie in them and not on each other."""
    spaces = prefixes(inputs, "addressSpace.addressPrefixes")
    yield from _are_ranges(spaces, "addressSpace.addressPrefixes")
    if at(inputs, "addressSpace.addressPrefixes") == []:
        yield Failure(
            "addressSpace.addressPrefixes", "a virtual network needs an address range (InvalidRequestFormat)."
        )
    inside: list[tuple[str, IPv4Network]] = []
    subnets = at(inputs, "subnets")
    for index, plain in enumerate(subnets if isinstance(subnets, list) else ()):
        path = f"subnets[{index}]"
        yield from _subnet_ranges(plain, path)
        name = str(known(plain, "name") or index)
        inside += [
            (name, network)
            for text in prefixes(plain, "addressPrefix", "addressPrefixes")
            if (network := network_of(text))
        ]
        known_space = [n for n in map(network_of, spaces) if n]
        if known_space and len(known_space) == len(spaces):
            yield from outside(name, [n for owner, n in inside if owner == name], known_space, "this network", path)
    for position, (name, network) in enumerate(inside):
        for other, taken in inside[:position]:
            if network.overlaps(taken):
                yield Failure("subnets", overlap_message(name, other))


def outside(
    name: str, ranges: list[IPv4Network], spaces: list[IPv4Network], network: str, path: str
) -> Iterator[Failure]:
    """The failure of a subnet whose range is not inside its network's."""
    for inner in ranges:
        if not any(inner.subnet_of(space) for space in spaces):
            yield Failure(path, outside_message(name, network))


def outside_message(name: str, network: str) -> str:
    """Azure's sentence (NetcfgSubnetRangeOutsideVnet)."""
    return (
        f"Subnet '{name}' is not valid because its IP address range is outside the IP address range of virtual network "
        f"'{network}' (NetcfgSubnetRangeOutsideVnet)."
    )


def overlap_message(name: str, other: str) -> str:
    """Azure's sentence (NetcfgSubnetRangesOverlap)."""
    return (
        f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet '{other}' "
        "(NetcfgSubnetRangesOverlap)."
    )


def subnet(inputs: Properties) -> Iterator[Failure]:
    """Its range is a range."""
    yield from _subnet_ranges(inputs, "")


def _subnet_ranges(plain: Properties, path: str) -> Iterator[Failure]:
    before = f"{path}." if path else ""
    if not any(at(plain, name) for name in ("addressPrefix", "addressPrefixes", "ipamPoolPrefixAllocations")):
        yield Failure(f"{before}addressPrefix", "a subnet needs an address range (InvalidRequestFormat).")
    yield from _are_ranges(prefixes(plain, "addressPrefix", "addressPrefixes"), f"{before}addressPrefix")
    for text in prefixes(plain, "addressPrefix", "addressPrefixes"):
        if (network := network_of(text)) and network.prefixlen > 29:
            yield Failure(f"{before}addressPrefix", f"the smallest subnet is /29, and {text} is smaller.")


def _are_ranges(texts: list[str], path: str) -> Iterator[Failure]:
    for text in texts:
        if network_of(text) is None and ":" not in text:
            why = f"The address prefix '{text}' is no address range; write 10.0.0.0/16 (InvalidAddressPrefixFormat)."
            yield Failure(path, why)


def public_address(inputs: Properties) -> Iterator[Failure]:
    """A standard address is a static one; basic ones are gone since 2025-09-30."""
    tier = known(inputs, "sku.name")
    if tier == "Standard" and known(inputs, "publicIPAllocationMethod") not in ("Static", None):
        why = "Standard sku publicIp must have AllocationMethod set to Static (StandardSkuPublicIPAddressNotStatic)."
        yield Failure("publicIPAllocationMethod", why)
    if tier == "Basic" or (tier is None and at(inputs, "sku") is None):
        yield Failure("sku.name", "Basic public addresses cannot be created since 2025-09-30; write Standard.")


def security_group(inputs: Properties) -> Iterator[Failure]:
    """Priorities lie between 100 and 4096, and no two rules of one direction share one."""
    rules = at(inputs, "securityRules")
    taken: dict[tuple[str, int], str] = {}
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        path, priority = f"securityRules[{index}].priority", known(rule, "priority")
        if not isinstance(priority, int):
            continue
        if not 100 <= priority <= 4096:
            why = f"Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096."
            yield Failure(path, f"{why} (SecurityRuleInvalidPriority)")
        key = (str(known(rule, "direction")), priority)
        if key in taken:
            yield Failure(path, f"Rules {taken[key]} and {known(rule, 'name')} conflict (SecurityRuleConflict): {key}.")
        taken[key] = str(known(rule, "name"))
