"""A stack with an engine of every kind, as the rules see it."""

from __future__ import annotations

from components.monitoring.rules import EngineFacts, Facts, KeyFacts, WorkloadFacts

MIB = 2**20
IMAGE = f"sha256:{'a' * 64}"
OTHER_IMAGE = f"sha256:{'b' * 64}"
JOBS = ("vllm", "llamacpp", "onnx", "ollama", "gateway", "node", "cadvisor", "prometheus")

FACTS = Facts(
    engines=(
        EngineFacts(name="chat", kind="vllm", model="phi", least=2, predicted_bytes=1000 * MIB, usd_per_hour=0.5),
        EngineFacts(name="fast", kind="llamacpp", model="qwen", predicted_bytes=600 * MIB),
        EngineFacts(name="own", kind="onnx", model="qwen-onnx", predicted_bytes=900 * MIB),
        EngineFacts(name="small", kind="ollama", model="gemma", predicted_bytes=700 * MIB),
        EngineFacts(name="rest", kind="vllm", model="coder", least=0, predicted_bytes=1000 * MIB),
        EngineFacts(name="far", kind="external", model="gpt"),
    ),
    workloads=(
        WorkloadFacts(name="chat", least=2, limit_bytes=1000 * MIB, image=IMAGE),
        WorkloadFacts(name="gateway", limit_bytes=512 * MIB, image=IMAGE),
    ),
    jobs=JOBS,
    backed_up=True,
    # Promtool's time begins at 0.
    keys=(KeyFacts(name="key-1", made=0),),
    key_max_age_days=90,
)
