"""What a cluster costs: what is not known is never zero, sums say "at least", and figures are checked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.catalog.hardware import hardware
from components.catalog.prices import prices
from components.engines.ollama import Ollama
from components.pricing import HOURS, ClusterCost, Price, cluster_cost, comparable, price_of, unknown_sizes
from components.targets.spec import Aks
from tests.unit.aks_samples import A100, GPU, T4, aks, pools

pytestmark = pytest.mark.unit


def chat(**fields: Any) -> Ollama:
    return Ollama(**{"kind": "ollama", "target": "cloud", "model": "phi4-mini", "gpus": 1, **fields})


def costs(target: Aks, own: dict[str, float] | None = None, **engines: Ollama) -> ClusterCost:
    settings = SimpleNamespace(hosted=engines or {"chat": chat()}, targets={"cloud": target})
    return cluster_cost("cloud", target, settings, own or {})


def test_a_cluster_in_a_region_whose_prices_are_known_adds_up() -> None:
    plain = pools(system={"mode": "system", "vm_size": "Standard_D4as_v5", "min_nodes": 2, "max_nodes": 3})
    cost = costs(aks(location="eastus", pools=plain))
    # The tier, two system nodes, two general ones; then three, four and two with a T4.
    assert cost.total(at_most=False) == pytest.approx(0.10 + 2 * 0.172 + 2 * 0.172)
    assert cost.total(at_most=True) == pytest.approx(0.10 + 3 * 0.172 + 4 * 0.172 + 2 * 0.526)
    assert cost.month(at_most=False) == f"{round(0.788 * HOURS)} USD a month"
    assert cost.summary == (
        "target 'cloud' costs 575 USD a month with the fewest nodes and 1,720 USD a month with all of them; not"
        " counted: disks, load balancers, NAT gateway, private addresses, vault, registry, logs, monitoring, traffic"
    )


UNPRICED = "Standard_E4as_v5"


def test_an_unknown_price_is_said_and_the_sum_is_at_least() -> None:
    unknown = pools(system={"mode": "system", "vm_size": UNPRICED, "min_nodes": 2, "max_nodes": 3})
    cost = costs(aks(location="eastus", pools=unknown))
    system = cost.pools[0]
    assert (system.vm_size, system.least, system.most) == (UNPRICED, None, None)
    assert cost.unknown == (UNPRICED,)
    assert cost.total(at_most=False) == pytest.approx(0.10 + 2 * 0.172)
    assert cost.month(at_most=False).startswith("at least ")
    assert f"(price of {UNPRICED} unknown)" in cost.summary
    assert system.node.text("eastus") == "unknown"


def test_no_node_costs_nothing_even_where_the_price_is_unknown() -> None:
    cost = costs(aks(location="eastus", pools=pools(gpu={**GPU, "spot": True})))
    spot = cost.pools[2]
    assert (spot.least, spot.most) == (0.0, None)
    assert "spot Standard_NC4as_T4_v3" in cost.unknown


def test_the_stacks_own_prices_win() -> None:
    own = {"Standard_D4ads_v5": 0.2, T4: 0.5, f"{T4}/spot": 0.1}
    cost = costs(aks(location="eastus"), own)
    assert cost.unknown == ()
    assert [pool.node.usd for pool in cost.pools] == [0.2, 0.172, 0.5]
    assert costs(aks(pools=pools(gpu={**GPU, "spot": True})), own).pools[2].most == pytest.approx(0.2)
    assert unknown_sizes({**own, "Standard_D4adsv5": 1.0}) == ["Standard_D4adsv5"]


def test_another_regions_price_is_called_about() -> None:
    price = price_of(T4, "canadaeast", {})
    assert price == Price(usd=0.526, region="eastus")
    assert price.text("canadaeast") == "about 0.53 an hour (eastus)"
    assert price_of(T4, "westeurope", {}).text("westeurope") == "0.66 an hour"
    assert costs(aks()).approximate == ()
    assert costs(aks(location="canadaeast")).approximate == ("Standard_D4ads_v5", "Standard_D4as_v5", T4)


def test_sizes_are_compared_by_prices_of_one_region() -> None:
    found, region = comparable((T4, "Standard_NV12ads_A10_v5"), "westeurope", {})
    assert (region, found) == ("westeurope", {T4: 0.658, "Standard_NV12ads_A10_v5": 1.18})
    # uksouth knows one of the two only, and half a comparison is none.
    found, region = comparable(("Standard_D4as_v5", "Standard_D4ads_v5"), "uksouth", {})
    assert (region, found) == ("eastus", {"Standard_D4as_v5": 0.172, "Standard_D4ads_v5": 0.206})
    found, region = comparable((T4, UNPRICED), "uksouth", {UNPRICED: 1.0})
    assert (region, found) == ("uksouth", {T4: 0.615, UNPRICED: 1.0})


def test_gpus_that_no_engine_uses_are_named_as_a_share() -> None:
    assert costs(aks()).pools[2].idle_share == 0.5
    assert costs(aks(), a=chat(), b=chat()).pools[2].idle_share == 0.0
    assert costs(aks(), a=chat(target="elsewhere")).pools[2].idle_share == 1.0
    assert costs(aks(), a=chat(), b=chat(), c=chat()).pools[2].idle_share == 0.0
    assert costs(aks()).pools[1].idle_share is None
    cut = {"vm_size": A100, "gpus": 1, "max_nodes": 1, "mig_profile": "MIG1g"}
    assert costs(aks(pools=pools(gpu=cut))).pools[2].idle_share == pytest.approx(6 / 7)


def test_copies_use_gpus_each() -> None:
    assert costs(aks(), a=chat(replicas=2)).pools[2].used == 2


def test_every_price_belongs_to_a_size_that_is_known_and_is_dated() -> None:
    assert set(prices().vm) <= set(hardware().vm_sizes)
    assert prices().read.year >= 2026
    assert set(prices().tier) == {"Free", "Standard", "Premium"}
    for name, row in prices().vm.items():
        assert "eastus" in row, name


@pytest.mark.parametrize("series", ["as", "ads"])
def test_no_price_of_a_size_without_gpus_is_one_with_windows(series: str) -> None:
    # Windows adds 0.046 for each vCPU, far more than any two regions or neighbouring series are apart.
    for cpus in (4, 8, 16):
        row = prices().vm[f"Standard_D{cpus}{series}_v5"]
        assert all(0.04 < usd / cpus < 0.08 for usd in row.values()), row
