"""What a description must say differently on a cluster: copies, GPUs of a pool, storage, autoscaling, the way in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components import plan
from components.settings import Settings, SettingsError
from components.targets.kubernetes.names import Names
from components.targets.placement import Caller, Outside, Scale
from components.targets.spec import Kubernetes
from tests.unit.kubernetes_samples import site
from tests.unit.settings_base import DIGEST, GONE, load_changed

pytestmark = pytest.mark.unit
MODEL = "qwen2.5-coder-0.5b-instruct"
TLS = {"certificate": "cert", "key": "cert-key"}


def cluster(**more: Any) -> dict[str, Any]:
    return {"laptop": {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml", **more}}


def gpu(max_nodes: int | None = 2, gpus: int = 1, **more: Any) -> dict[str, Any]:
    pool = {"gpus": gpus, **({"max_nodes": max_nodes} if max_nodes else {})}
    return cluster(pools={"general": {}, "gpu": pool}, storage_access="ReadWriteMany", **more)


def engine(name: str = "chat", **more: Any) -> dict[str, Any]:
    fields = {"kind": "llamacpp", "target": "laptop", "model": MODEL, "served_model_name": name}
    return {name: {**fields, **more}}


def path_model() -> dict[str, Any]:
    files = [{"path": "a.gguf", "sha256": "a" * 64}]
    weights = {"format": "gguf", "size_bytes": 1000, "files": files, "sources": [{"kind": "path", "path": "/a.gguf"}]}
    return {"phi4-mini": {"weights": {"gguf-q4_k_m": weights}}}


REFUSED: tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...] = (
    ("copies on Docker", {"engines": {"chat": {"replicas": 2}}}, ("engines.chat.replicas: wants 2", "use a cluster")),
    ("scaling on Docker", {"engines": {"chat": {"scaling": {"max": 2}}}}, ("engines.chat.scaling", "use a cluster")),
    ("copies of the gateway on Docker", {"gateway": {"replicas": 2}}, ("gateway.replicas", "use a cluster")),
    (
        "32 more copies than the pool has GPUs",
        {"targets": gpu(), "engines": engine(gpus=1, replicas=3)},
        ("engines.chat.replicas: needs 3 GPUs", "pool 'gpu' allows 2", "raise the pool's max_nodes"),
    ),
    (
        "32 copies for which no node has enough left",
        {"targets": gpu(2, 3), "engines": engine(gpus=2, replicas=3)},
        ("engines.chat.replicas: needs 6 GPUs, 2 on one node, pool 'gpu' allows 4",),
    ),
    (
        "32 more copies at their most than the pool has GPUs",
        {"targets": gpu(keda_namespace="keda"), "engines": engine(gpus=1, scaling={"min": 1, "max": 3})},
        ("engines.chat.scaling: needs 3 GPUs", "allows 2"),
    ),
    (
        "32 engines that want more together",
        {"targets": gpu(), "engines": {**engine(gpus=1, replicas=2), **engine("second", gpus=1)}},
        ("engines.second.gpus: needs 3 GPUs with the engines before it", "allows 2"),
    ),
    (
        "copies on a disk that one node mounts",
        {"targets": cluster(), "engines": engine(replicas=2)},
        ("engines.chat.replicas: 2 copies", "one node at a time", "storage_access: ReadWriteMany"),
    ),
    (
        "engines of two pools on one disk",
        {
            "targets": cluster(pools={"general": {}, "gpu": {"gpus": 1}}),
            "engines": {**engine(gpus=1), **engine("second")},
        },
        ("engines.second: it reads the weights of 'chat'", "one node at a time", "storage_access: ReadWriteMany"),
    ),
    (
        "engines that want more GPUs than one node has on one disk",
        {
            "targets": cluster(pools={"general": {}, "gpu": {"gpus": 1, "max_nodes": 4}}),
            "engines": {**engine(gpus=1), **engine("second", gpus=1)},
        },
        ("engines.second: it reads the weights of 'chat'",),
    ),
    (
        "scaling to zero without KEDA",
        {"targets": gpu(), "engines": engine(scaling={"min": 0, "max": 2})},
        ("engines.chat.scaling: without KEDA", "keda_namespace"),
    ),
    (
        "scaling GPUs without KEDA",
        {"targets": gpu(), "engines": engine(gpus=1, scaling={"min": 1, "max": 2})},
        ("engines.chat.scaling: without KEDA",),
    ),
    (
        "an external engine on the container's own machine",
        {
            "targets": cluster(),
            "engines": {
                "chat": GONE,
                "far": {
                    "kind": "external",
                    "target": "laptop",
                    "url": "http://host.docker.internal:1/v1",
                    "model": "m",
                },
            },
        },
        ("engines.far.url", "on a cluster that is any node"),
    ),
    (
        "weights of this machine only",
        {"targets": cluster(), "models": path_model(), "engines": engine(model="phi4-mini")},
        ("engines.chat.model: its weights come from a path of this machine only",),
    ),
    (
        "an address of one machine",
        {"targets": cluster(), "gateway": {"bind": "0.0.0.0", "tls": TLS}},
        ("gateway.bind: 0.0.0.0 is an address of one machine", "exposure"),
    ),
    (
        "24 a load balancer without TLS",
        {"targets": cluster(exposure="internal"), "gateway": {"hosts": ["slm.example.org"]}},
        ("gateway.tls: exposure internal", "TLS is required"),
    ),
    (
        "a load balancer whose name clients may not use",
        {"targets": cluster(exposure="internal"), "gateway": {"tls": TLS}},
        ("gateway.hosts", "add the name that leads to its load balancer"),
    ),
    (
        "24 a page without TLS behind a load balancer",
        {
            "targets": cluster(exposure="internal"),
            "gateway": {"tls": TLS, "hosts": ["slm.example.org"]},
            "webui": {"target": "laptop"},
        },
        ("webui.tls: exposure internal", "TLS is required"),
    ),
    (
        "62 sign-up on a page that others reach",
        {
            "targets": cluster(exposure="internal"),
            "gateway": {"tls": TLS, "hosts": ["slm.example.org"]},
            "webui": {"target": "laptop", "tls": TLS, "url": "https://c.example.org", "sign_up": True},
        },
        ("webui.sign_up", "refused"),
    ),
)


@pytest.mark.parametrize(("change", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_run_there_is_refused_with_path_and_fix(
    change: Mapping[str, Any], told: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_changed(change, tmp_path)
    for words in told:
        assert words in str(refused.value)
    assert len(refused.value.problems) == 1, f"one mistake, one problem: {refused.value}"


@pytest.mark.parametrize(
    "change",
    [
        {"targets": gpu(), "engines": engine(gpus=1, replicas=2)},
        {"targets": gpu(None), "engines": engine(gpus=1, replicas=9)},
        {"targets": gpu(keda_namespace="keda"), "engines": engine(gpus=1, scaling={"min": 0, "max": 2})},
        {"targets": gpu(), "engines": engine(scaling={"min": 1, "max": 2})},
        {"targets": cluster(nodes=1), "engines": engine(replicas=2)},
        {"targets": cluster(), "gateway": {"replicas": 2}},
        {"targets": cluster(), "engines": {**engine(), **engine("second")}},
        {"targets": cluster(pools={"gpu": {"gpus": 2}}), "engines": {**engine(gpus=1), **engine("second", gpus=1)}},
        {"targets": gpu(), "engines": {**engine(gpus=1), **engine("second")}},
        {
            "targets": cluster(exposure="public", source_ranges=["203.0.113.0/24"]),
            "gateway": {"tls": TLS, "hosts": ["slm.example.org"], "replicas": 2},
        },
    ],
)
def test_what_a_cluster_can_do_is_accepted(change: Mapping[str, Any], tmp_path: Path) -> None:
    assert load_changed(change, tmp_path)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"replicas": 2, "scaling": {"max": 3}}, "both say how many"),
        ({"scaling": {"min": 2, "max": 2}}, "leaves nothing to decide"),
        ({"replicas": 0}, "at least 1|must be 1-1000"),
    ],
)
def test_one_number_decides_how_many_copies_run(fields: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        load_changed({"targets": gpu(keda_namespace="keda"), "engines": engine(**fields)}, tmp_path)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"exposure": "public"}, "lets the whole internet in"),
        ({"source_ranges": ["203.0.113.0/24"]}, "no load balancer whose callers"),
        ({"exposure": "public", "source_ranges": ["203.0.113.1/24"]}, "no IPv4 range"),
        ({"egress": [{"cidr": "0.0.0.0/0"}]}, "nearly everything"),
        ({"egress": [{"cidr": "10.0.0.1/24"}]}, "no IPv4 range"),
        ({"gpus": 1, "pools": {"gpu": {"gpus": 1}}}, "gpus and pools both say"),
        ({"nodes": 1, "pools": {"gpu": {"gpus": 1}}}, "nodes and pools both say"),
    ],
)
def test_bad_config_64_a_cluster_that_is_open_or_contradicts_itself_is_refused(
    fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Kubernetes.model_validate({"kubeconfig": "/k", **{k: _tuples(v) for k, v in fields.items()}})


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def test_a_cluster_counts_the_gpus_of_its_pools_and_finds_the_first_that_has_enough() -> None:
    pools = {"small": {"gpus": 1, "max_nodes": 3}, "cpu": {}, "large": {"gpus": 4}}
    made = Kubernetes.model_validate({"kubeconfig": "/k", "pools": pools})
    assert made.gpus == 7
    assert [made.pool_for(n) for n in (0, 1, 2, 4, 5)] == ["cpu", "small", "large", "large", None]


def test_images_that_only_this_machine_has_are_refused_before_anything_is_deployed(tmp_path: Path) -> None:
    images = {"fetch": DIGEST, "haproxy": DIGEST, "ollama": f"docker.io/ollama/ollama:0.40.2@{DIGEST}"}
    on_cluster = load_changed({"targets": cluster(), "images": images}, tmp_path)
    found = [text for text in on_cluster.refusals("dev") if "registry" in text]
    assert [text.split("'")[1] for text in found] == ["fetch", "haproxy"]
    assert all("push it there" in text for text in found)
    assert not load_changed({"images": images}, tmp_path).refusals("dev"), "a Docker engine has its own images"


def planned(tmp_path: Path, **more: Any) -> tuple[Settings, dict[str, plan.Planned]]:
    engines = {
        **engine(gpus=1, scaling={"min": 0, "max": 2}, parallel=6),
        **engine("second", gpus=1, replicas=2),
        "far": {"kind": "external", "target": "laptop", "url": "https://m.example.com/v1", "model": "m"},
    }
    roles = ("fetch", "llamacpp-cuda", "haproxy", "webui")
    change = {
        "targets": gpu(4, keda_namespace="keda"),
        "engines": engines,
        "gateway": {"replicas": 3, "tls": TLS},
        "webui": {"target": "laptop"},
        "images": {role: DIGEST for role in roles},
        **more,
    }
    settings = load_changed(change, tmp_path)
    naming = Names(site(), "dev")
    return settings, {p.workload.name: p for p in plan.plan(settings, {"laptop": naming})}


def test_the_plan_says_of_each_workload_who_calls_it_and_how_many_copies_run(tmp_path: Path) -> None:
    _, found = planned(tmp_path)
    assert list(found) == ["chat", "second", "gateway", "webui"]
    chat, second, way_in, page = (found[name].around for name in found)
    assert chat.callers == second.callers == (Caller("gateway"),)
    assert (chat.scale.least, chat.scale.most, chat.other_gpus) == (0, 2, 2)
    assert chat.scale.signal is not None
    assert (chat.scale.signal.path, chat.scale.signal.per_copy) == ("/demand/chat", 2.0), "each gateway sees a third"
    assert (second.scale, second.other_gpus) == (Scale(2, 2), 2)
    assert (way_in.callers, way_in.outside) == ((Caller("webui", 8081),), (Outside("m.example.com", 443),))
    assert (way_in.scale, way_in.metrics_port, way_in.calls) == (Scale(3, 3), 8404, True)
    assert way_in.scales_others
    assert (page.callers, page.calls, page.circles) == ((), True, ())
    assert [p.exposure is not None for p in (chat, second, way_in, page)] == [False, False, True, True]


def test_the_gateway_has_a_place_for_each_copy_and_one_of_a_rollout(tmp_path: Path) -> None:
    settings, found = planned(tmp_path)
    config = found["gateway"].workload.files[0].content
    assert "server-template chat 3 chat.slm.svc.cluster.local:8080 maxconn 6" in config
    assert "server-template second 3 second.slm.svc.cluster.local:8080" in config
    assert "/demand/chat" in config
    assert "/demand/second" not in config
    assert plan.endpoint(settings, Names(site(), "dev")) == "https://127.0.0.1:8080/v1"


def test_nobody_reads_numbers_where_nothing_is_scaled(tmp_path: Path) -> None:
    _, found = planned(tmp_path, engines=engine(gpus=1), webui=GONE)
    assert found["gateway"].around.metrics_port is None
    assert found["gateway"].around.callers == ()
