"""Sizing: never a fit where it does not fit, and every proposal is one that works."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.catalog import catalog
from components.catalog.hardware import Gpu, Hardware, VmSize, hardware
from components.engines.base import EngineBase
from components.engines.llamacpp import LlamaCpp
from components.engines.ollama import Ollama
from components.engines.onnx import Onnx
from components.engines.vllm import Vllm
from components.models import Model
from components.sizing import Machine, Verdict, candidates, changes, judge, of_vm_size, vm_sizes
from components.sizing.advice import summary
from components.sizing.knobs import knobs_of
from components.sizing.machine import reserved_by_aks
from components.sizing.verdict import MARGIN, STEP, fits
from components.targets.spec import Aks, Docker, Kubernetes

pytestmark = pytest.mark.unit

T4 = "Standard_NC4as_T4_v3"
MODELS = catalog().models
GGUF = [name for name, model in MODELS.items() if any(w.format == "gguf" for w in model.weights.values())]


def ollama(model: str = "phi4-mini", **settings: Any) -> Ollama:
    return Ollama(**{"kind": "ollama", "target": "here", "model": model, "gpus": 1, "cpus": 2, **settings})


def vllm(model: str = "phi4-mini", **settings: Any) -> Vllm:
    return Vllm(**{"kind": "vllm", "target": "here", "model": model, "gpus": 1, "cpus": 2, **settings})


def vm(name: str = T4) -> Machine:
    return of_vm_size(name, hardware().vm_sizes[name])


def judged(engine: EngineBase, machine: Machine | None = None, taken: int = 0) -> Verdict:
    return judge(engine, MODELS[engine.model], machine or vm(), taken)


def said(engine: EngineBase, machine: Machine | None = None) -> str:
    return summary(engine, MODELS[engine.model], machine or vm(), judged(engine, machine))


def host(**facts: Any) -> Machine:
    return Machine(name="the host", **facts)


def test_a_t4_takes_16k_of_phi4_mini_for_four_requests_and_not_32k() -> None:
    assert judged(ollama(context_length=16_384)).answer == "fit"
    verdict = judged(ollama(context_length=32_768))
    assert verdict.answer == "misfit"
    assert verdict.most_context is not None
    assert 16_384 <= verdict.most_context < 32_768


def test_a_misfit_says_what_fits_instead_and_what_else_helps() -> None:
    text = said(ollama(context_length=32_768))
    assert text.startswith("fits 2")
    for part in ("k context on Standard_NC4as_T4_v3, not 32k (context_length: ", "parallel: ", "kv_cache_type: q8_0"):
        assert part in text
    assert "vm_size: Standard_NV36ads_A10_v5 (1 x A10, about 3.20 USD an hour)" in text
    assert "gpus: 0 (on the CPU, much slower)" in text


def test_other_weights_are_proposed_only_where_the_engine_serves_them_and_they_are_smaller() -> None:
    text = said(vllm(context_length=49_152, parallel=1))
    assert "4-bit weights (weights: safetensors-w4a16)" in text
    assert "onnx" not in text
    assert "weights:" not in said(vllm(context_length=131_072, parallel=1, weights="safetensors-w4a16"))


def test_a_cache_of_8_bit_floats_is_proposed_only_where_the_gpu_has_them() -> None:
    wide = vllm(context_length=131_072, parallel=10)
    assert "kv_cache_type: fp8" in said(wide, vm("Standard_NC40ads_H100_v5"))
    assert "kv_cache_type: fp8" not in said(vllm(context_length=32_768, parallel=1))


def test_nothing_is_proposed_when_no_single_change_is_enough() -> None:
    tiny = host(ram_mib=64, gpu=hardware().gpus["T4"].model_copy(update={"usable_mib": 64}), gpus=1)
    assert said(ollama(), tiny) == "no single change is enough: choose a smaller model or a larger machine"


MACHINES = [vm(name) for name in hardware().vm_sizes] + [
    host(ram_mib=mib, gpu=gpu, gpus=1, gpu_name=name, vcpus=8)
    for name, gpu in hardware().gpus.items()
    for mib in (4096, 16_384)
]


KINDS: dict[str, type[EngineBase]] = {"llamacpp": LlamaCpp, "ollama": Ollama, "onnx": Onnx, "vllm": Vllm}


@given(
    kind=st.sampled_from(sorted(KINDS)),
    model=st.sampled_from(sorted(MODELS)),
    context=st.sampled_from([512, 2048, 4096, 8192, 16_384, 32_768, 131_072]),
    parallel=st.integers(1, 64),
    gpus=st.integers(0, 1),
    machine=st.sampled_from(MACHINES),
)
def test_the_verdict_follows_from_its_numbers(
    kind: str, model: str, context: int, parallel: int, gpus: int, machine: Machine
) -> None:
    settings = {"kind": kind, "target": "here", "model": model, "gpus": gpus, "context_length": context}
    engine, device = KINDS[kind].model_validate({**settings, "parallel": parallel}), "cuda" if gpus else "cpu"
    assume(any(w.format in engine.formats and w.device in (None, device) for w in MODELS[model].weights.values()))
    verdict = judged(engine, machine)
    known = [p for p in verdict.parts if p.available_mib is not None]
    short = [p for p in known if p.needed_mib > (p.available_mib or 0)]
    if verdict.answer == "fit":
        assert all(p.needed_mib <= (p.available_mib or 0) * (1 - MARGIN) + 1 for p in known)
    if verdict.answer == "tight" and short:
        # Only vLLM lets requests wait for each other, and only for the GPU's memory.
        assert kind == "vllm"
        assert [part.resource for part in short] == ["vram"]
        assert verdict.most_requests
    elif short:
        assert verdict.answer == "misfit"
    if verdict.answer in ("fit", "tight"):
        assert gpus <= machine.gpus
        assert machine.vcpus is None or engine.cpus <= machine.vcpus


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_engine_can_be_asked_for_other_contexts_and_numbers_of_requests(kind: str) -> None:
    model = "qwen2.5-coder-0.5b-instruct"
    engine = KINDS[kind].model_validate({"kind": kind, "target": "here", "model": model})
    knobs = knobs_of(engine)
    assert knobs.context(engine) == 4096
    assert knobs.requests(engine) == engine.concurrency
    need = engine.footprint(MODELS[model]).kv_cache_mib
    assert knobs.with_context(engine, 8192).footprint(MODELS[model]).kv_cache_mib > need
    assert knobs.with_requests(engine, 8).footprint(MODELS[model]).kv_cache_mib > need


@given(
    model=st.sampled_from(GGUF),
    context=st.sampled_from([4096, 16_384, 65_536]),
    parallel=st.integers(1, 16),
    machine=st.sampled_from(MACHINES),
)
def test_the_limits_it_names_are_the_limits(model: str, context: int, parallel: int, machine: Machine) -> None:
    engine = ollama(model, context_length=context, parallel=parallel)
    verdict, facts = judged(engine, machine), MODELS[model]
    if machine.gpu is None:
        return
    assert verdict.most_context is not None
    assert verdict.most_requests is not None
    for field, most, step in (("context_length", verdict.most_context, STEP), ("parallel", verdict.most_requests, 1)):
        assert most == 0 or fits(engine.model_copy(update={field: most}), facts, machine)
        above = most + step
        if (field == "parallel" and above > 4096) or (field == "context_length" and above > facts.context_length):
            continue
        assert not fits(engine.model_copy(update={field: above}), facts, machine)


@given(
    model=st.sampled_from(GGUF),
    context=st.sampled_from([4096, 16_384, 65_536, 131_072]),
    parallel=st.integers(1, 16),
    machine=st.sampled_from(MACHINES),
)
def test_every_proposal_works(model: str, context: int, parallel: int, machine: Machine) -> None:
    engine, facts = ollama(model, context_length=context, parallel=parallel), MODELS[model]
    verdict = judged(engine, machine)
    for change in changes(engine, facts, machine, verdict):
        name = change.settings.get("vm_size")
        elsewhere = vm(str(name)) if name else machine
        changed = engine if name else engine.model_copy(update=change.settings)
        assert judge(changed, facts, elsewhere).answer == change.answer
        assert change.answer in ("fit", "tight")


def test_sizes_that_fit_come_by_price_and_those_without_one_last() -> None:
    names = vm_sizes(ollama(), MODELS["phi4-mini"])
    assert names[0] == T4
    sizes = hardware().vm_sizes
    prices = [sizes[name].usd_per_hour for name in names]
    known = [price for price in prices if price is not None]
    assert prices == known + [None] * (len(prices) - len(known))
    assert known == sorted(known)
    assert "Standard_NV6ads_A10_v5" not in names
    assert all(sizes[name].gpus for name in names)
    assert vm_sizes(ollama(gpus=2), MODELS["phi4-mini"])
    assert vm_sizes(ollama(context_length=131_072, parallel=64), MODELS["phi-3.5-mini-instruct"]) == ()


def test_an_engine_without_a_gpu_gets_a_size_without_one() -> None:
    names = vm_sizes(ollama(gpus=0), MODELS["phi4-mini"])
    assert names
    assert all(hardware().vm_sizes[name].gpus == 0 for name in names)


def test_aks_keeps_a_part_of_a_nodes_memory() -> None:
    # 25 % of 4 GiB, 20 % of 4, 10 % of 8, 6 % of 12, then the eviction threshold and daemons.
    assert reserved_by_aks(28 * 1024) == int((1 + 0.8 + 0.8 + 0.72) * 1024) + 750 + 512
    assert vm().ram_mib == 28 * 1024 - reserved_by_aks(28 * 1024)


def test_vllm_starts_with_one_sequence_and_says_that_others_wait() -> None:
    crowded = judged(vllm(context_length=16_384, parallel=4))
    assert crowded.answer == "tight"
    assert crowded.most_requests == 1
    assert any("preempted" in reason for reason in crowded.reasons)
    alone = judged(vllm(context_length=65_536, parallel=1))
    assert alone.answer == "misfit"
    assert alone.most_requests == 0


def test_vllm_may_use_its_share_of_the_gpu_only() -> None:
    less = judged(vllm(gpu_memory_utilization=0.5, context_length=4096, parallel=1))
    part = less.part("vram")
    assert part is not None
    assert part.available_mib == hardware().gpus["T4"].usable_mib // 2
    assert less.answer == "misfit"
    assert judged(vllm(gpu_memory_utilization=0.9, context_length=4096, parallel=1)).answer != "misfit"


def test_a_gpu_without_bfloat16_is_not_asked_for_it() -> None:
    verdict = judged(vllm("qwen3-0.6b", dtype="bfloat16"))
    assert verdict.answer == "misfit"
    assert "bfloat16" in verdict.reasons[0]
    assert judged(vllm("qwen3-0.6b", dtype="float16")).answer == "fit"


def test_a_model_with_windows_needs_less_than_one_that_sees_everything() -> None:
    model = MODELS["gemma-3-4b-it"]
    full = model.model_copy(update={"window": None, "full_attention_layers": None})
    engine = ollama("gemma-3-4b-it", context_length=131_072, parallel=1)
    assert judge(engine, model, vm()).answer == "fit"
    assert judge(engine, full, vm()).answer == "misfit"


def test_more_gpus_or_cpus_than_there_are_do_not_fit() -> None:
    assert judged(ollama(gpus=2)).reasons == (f"it wants 2 GPUs, and {T4} has 1",)
    assert judged(ollama(gpus=2)).answer == "misfit"
    assert judged(ollama(cpus=8)).reasons == (f"it wants 8 CPUs, and {T4} has 4",)


def test_a_limit_of_its_own_counts_as_the_machines_does() -> None:
    large = judged(ollama(gpus=0, memory="40Gi"))
    assert large.answer == "misfit"
    assert "memory: 40Gi is more than" in large.reasons[0]
    grown = ollama(gpus=0, memory="8Gi", context_length=16_384, parallel=4)
    part = judged(grown).part("ram")
    assert part is not None
    assert part.available_mib == 8192
    assert judged(grown).answer == "misfit"


def test_memory_of_a_jetson_is_counted_once_for_both() -> None:
    orin = hardware().gpus["Jetson-Orin-Nano-8GB"]
    machine = host(ram_mib=7000, gpu=orin, gpus=1)
    engine = ollama(context_length=4096, parallel=1)
    part, alone = judged(engine, machine).part("ram"), judged(engine).part("ram")
    assert part is not None
    assert alone is not None
    assert part.needed_mib > alone.needed_mib


def test_what_others_take_is_not_there() -> None:
    machine = host(ram_mib=8192)
    engine = ollama(gpus=0, parallel=1)
    assert judged(engine, machine).answer == "fit"
    assert judged(engine, machine, taken=6000).answer == "misfit"


def test_a_full_disk_does_not_fit() -> None:
    verdict = judged(ollama(gpus=0), host(disk_mib=1024))
    assert verdict.answer == "misfit"
    assert [part.resource for part in verdict.parts if part.answer == "misfit"] == ["disk"]


def test_nothing_known_is_no_verdict() -> None:
    assert judged(ollama(gpus=0), host()).answer == "unknown"
    assert judged(ollama(), host(gpus=1)).answer == "unknown"
    # What is known to be too little stays so.
    assert judged(ollama(), host(gpus=1, ram_mib=100)).answer == "misfit"


def test_a_docker_host_is_what_its_target_says() -> None:
    described = Docker(gpus=1, gpu="RTX-4060", memory_gib=32, disk_gib=100)
    (machine,) = candidates(described, ollama())
    assert (machine.ram_mib, machine.disk_mib, machine.gpu_name) == (31 * 1024, 100 * 1024, "RTX-4060")
    (silent,) = candidates(Docker(gpus=1), ollama())
    assert "which GPU this machine's Docker engine has is not said — set gpu" in silent.unknown[0]
    assert candidates(Docker(), ollama(gpus=0))[0].unknown == ()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"gpus": 1, "gpu": "GTX-9"}, "gpu 'GTX-9' is not in the catalogue — use one of T4"),
        ({"gpu": "T4"}, "gpus says it has none — set gpus: 1"),
    ],
)
def test_a_docker_host_with_an_impossible_gpu_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Docker(**settings)


SYSTEM = {"mode": "system", "vm_size": "Standard_D4ads_v5", "min_nodes": 1}


def aks(**pools: dict[str, Any]) -> Aks:
    general = {"vm_size": "Standard_D4as_v5"}
    every = {"system": SYSTEM, "general": general, **pools}
    return Aks.model_validate({"kind": "aks", "location": "westeurope", "pools": every})


def test_an_engine_is_judged_on_the_pool_that_the_target_places_it_on() -> None:
    target = aks(
        gpu={"vm_size": T4, "gpus": 1},
        pair={"vm_size": "Standard_NC48ads_A100_v4", "gpus": 2},
        late={"vm_size": "auto"},
    )
    assert [machine.name for machine in candidates(target, ollama())] == [T4]
    assert [machine.name for machine in candidates(target, ollama(gpus=2))] == ["Standard_NC48ads_A100_v4"]
    assert [machine.name for machine in candidates(target, ollama(gpus=0))] == ["Standard_D4as_v5"]
    (none,) = candidates(aks(), ollama())
    assert "no pool with GPUs" in none.unknown[0]
    assert judged(ollama(), none).answer == "misfit"
    (few,) = candidates(aks(gpu={"vm_size": T4, "gpus": 1}), ollama(gpus=2))
    assert "no pool whose nodes have 2 GPUs" in few.unknown[0]


def test_a_pods_directories_in_memory_are_no_memory_for_its_engine() -> None:
    (machine,) = candidates(aks(gpu={"vm_size": T4, "gpus": 1}), ollama())
    whole = of_vm_size(T4, hardware().vm_sizes[T4]).ram_mib
    assert whole is not None
    # /tmp of 256 MiB and /dev/shm of 64 MiB.
    assert machine.ram_mib == whole - 320


def test_an_unknown_size_is_said_and_not_guessed() -> None:
    (machine,) = candidates(aks(general={"vm_size": "Standard_E96as_v9"}), ollama(gpus=0))
    assert "vm_size Standard_E96as_v9 of pool 'general' is not in the catalogue" in machine.unknown[0]
    assert judged(ollama(gpus=0), machine).answer == "unknown"


def test_an_engine_on_a_cut_gpu_is_judged_by_one_instance_of_it() -> None:
    a100 = "Standard_NC24ads_A100_v4"
    (machine,) = candidates(aks(gpu={"vm_size": a100, "gpus": 1, "mig_profile": "MIG1g"}), ollama())
    assert (machine.name, machine.gpus) == (f"{a100} (1g.10gb)", 1)
    assert machine.gpu is not None
    assert machine.gpu.usable_mib == 9_420
    assert judged(ollama(context_length=16_384), machine).answer == "misfit"
    assert judged(ollama(context_length=16_384), vm(a100)).answer == "fit"
    (machine,) = candidates(aks(gpu={"vm_size": a100, "gpus": 1, "mig_profile": "MIG1g"}), ollama(gpus=2))
    assert any("wants 2 GPUs" in reason for reason in judged(ollama(gpus=2), machine).reasons)


def test_of_a_cluster_that_exists_nothing_is_known() -> None:
    (machine,) = candidates(Kubernetes(kind="kubernetes", kubeconfig="~/.kube/config", gpus=1), ollama())
    assert judged(ollama(), machine).answer == "unknown"


def test_every_pair_of_catalogue_model_and_size_gets_a_verdict() -> None:
    for name in GGUF:
        for size in hardware().vm_sizes:
            assert judged(ollama(name), vm(size)).answer in ("fit", "tight", "misfit")


def test_rows_of_hardware_that_contradict_themselves_are_refused() -> None:
    gpu = hardware().gpus["T4"].model_dump()
    with pytest.raises(ValueError, match="is not below the 16 GiB it is sold with"):
        Gpu.model_validate({**gpu, "usable_mib": 16_384})
    with pytest.raises(ValueError, match="gpu and gpus describe one thing"):
        VmSize(gpu="T4", gpus=0, vcpus=1, memory_gib=1)
    with pytest.raises(ValueError, match=r"gpus\.toml has no 'X1'"):
        Hardware(gpus={}, vm_sizes={"Standard_X": VmSize(gpu="X1", gpus=1, vcpus=1, memory_gib=1)})


def test_a_model_is_classed_by_its_parameters() -> None:
    def of(parameters: int) -> Model:
        return MODELS["phi4-mini"].model_copy(update={"parameters": parameters})

    found = [of(count).size_class for count in (100_000_000, 1_400_000_000, 1_500_000_000, 13_900_000_000)]
    assert found == ["micro", "micro", "small", "small"]
    assert [of(count).size_class for count in (14_000_000_000, 30_000_000_000, 70_000_000_000)] == [
        "medium",
        "medium",
        "large",
    ]
