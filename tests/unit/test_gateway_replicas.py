"""Several copies of an engine behind the gateway, copies of the gateway itself, and what an autoscaler is told."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from components.gateway import Gateway, Limits, Route, demand_path, render, workload
from components.gateway.balance import prefix_digest, prefix_sources
from components.targets.kubernetes.names import Names
from tests.unit.kubernetes_samples import IMAGE, site

pytestmark = pytest.mark.unit
HOST = "chat.slm.svc.cluster.local"


def gateway(**more: object) -> Gateway:
    return Gateway.model_validate({"target": "here", **more})


def route(name: str = "chat", **more: object) -> Route:
    fields = {"name": name, "model": f"{name}-model", "host": HOST, "port": 8000, "concurrency": 4}
    return Route.model_validate({**fields, "paths": (("POST", "/v1/chat/completions"),), **more})


def backend(config: str, name: str = "chat") -> str:
    """The part of a configuration that is about one engine."""
    found = re.search(rf"^backend engine-{name}\n(?:    .*\n)+", config, re.M)
    assert found
    return found[0]


def test_a_single_copy_is_configured_as_ever() -> None:
    alone = render(gateway(), [route()])
    assert f"    server chat {HOST}:8000 maxconn 4\n" in alone
    assert "init-addr libc,none" in alone
    for word in ("server-template", "balance ", "txn.room", "wanted", "/demand/", "parse-resolv-conf"):
        assert word not in alone, word
    assert render(gateway(balance="prefix", replicas=3), [route()]) == alone, "there is nothing to choose between"


def test_each_copy_has_a_place_which_takes_one_of_the_names_addresses() -> None:
    found = backend(render(gateway(), [route(addresses=3)], None))
    assert f"    server-template chat 3 {HOST}:8000 maxconn 4\n" in found
    assert "    balance leastconn\n" in found
    assert "init-addr none resolve-prefer ipv4" in found, "the system's look-up would give all places one address"
    assert "    server chat " not in found


def test_as_many_may_wait_as_copies_that_answer_work_on_and_the_queue_holds() -> None:
    found = backend(render(gateway(limits=Limits(queue_length=7)), [route(addresses=3)], None))
    assert "http-request set-var(txn.room) nbsrv(engine-chat),mul(4),add(7)\n" in found
    assert re.search(r"engine_overloaded.* if \{ be_conn,sub\(txn\.room\) gt 0 \}$", found, re.M)
    assert "be_conn gt" not in found


def test_with_prefix_the_same_beginning_goes_to_the_same_copy() -> None:
    found = backend(render(gateway(balance="prefix"), [route(addresses=3)], None))
    for source in prefix_sources():
        assert f"http-request set-var(txn.{source.variable}) {source.expression}\n" in found
    assert f"http-request set-header x-slm-prefix %[{prefix_digest()}] if {{ var(txn.prefix0) -m found }} or" in found
    assert "    balance hdr(x-slm-prefix)\n    hash-type consistent\n    hash-balance-factor 125\n" in found
    assert "leastconn" not in found


def test_names_are_asked_of_the_pods_own_name_server() -> None:
    config = render(gateway(), [route()], None)
    assert "resolvers names\n    parse-resolv-conf\n" in config
    assert "nameserver" not in config


def test_an_autoscaler_is_told_what_is_asked_of_each_engine_it_scales_on_the_internal_port() -> None:
    config = render(gateway(), [route(demand=True, addresses=3), route("other")], None)
    internal = config[config.index("frontend internal") : config.index("frontend api")]
    assert f"{{ path {demand_path('chat')} }}" in internal
    assert "'{\"demand\":%[be_conn(engine-chat),add(txn.wanted)]}'" in internal
    assert demand_path("other") not in config
    assert demand_path("chat") not in config[config.index("frontend api") :], "clients are not told"


def test_a_request_that_finds_no_copy_is_remembered_before_it_is_refused() -> None:
    found = backend(render(gateway(), [route(demand=True, addresses=3)], None))
    told, counted, refused = (found.index(w) for w in ("track-sc1 str(chat) table wanted", "sc-inc-gpc0(1)", "return"))
    assert told < counted < refused
    assert "hdr Retry-After" in found[refused:].splitlines()[0]


@pytest.mark.parametrize("replicas", [0, -1, 101, True, "2"])
def test_copies_of_the_gateway_are_a_number_above_zero(replicas: object) -> None:
    with pytest.raises(ValidationError):
        gateway(replicas=replicas)


def test_the_workload_is_the_same_however_names_are_asked() -> None:
    one, two = workload(gateway(), [route()], IMAGE), workload(gateway(), [route()], IMAGE, None)
    assert one.model_dump(exclude={"files"}) == two.model_dump(exclude={"files"})
    assert Names(site(), "dev").resolver() is None
