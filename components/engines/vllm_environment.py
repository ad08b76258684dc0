"""Environment of the vLLM engine: what it is given, and what settings may not carry, and why."""

from __future__ import annotations

import math

from components.engines.reserved import refuse

HOME = "/home/vllm"
CACHE = "/cache"
"""Where the engine's own volume of caches is mounted: compiled kernels and what it found out about models."""

MOST_CHOICES = 64
"""Answers one request may ask for, at most (control 49); upstream allows 16384."""

OWN_FIELD = {
    "VLLM_CPU_KVCACHE_SPACE": "kv_cache_memory",
    "VLLM_CPU_OMP_THREADS_BIND": "cpus",
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "cpus",
    "OMP_NUM_THREADS": "cpus",
    "GOMP_SPINCOUNT": "cpus",
    "CUDA_VISIBLE_DEVICES": "gpus",
    "NVIDIA_VISIBLE_DEVICES": "gpus",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "context_length",
    "HF_TOKEN": "sources[].token_secret of the model",
    "HUGGING_FACE_HUB_TOKEN": "sources[].token_secret of the model",
}
_OFFLINE = "weights come from the fetch job; the engine has no way out"
_REPORTS = "usage reports stay off"
_PROMPTS = "it writes or keeps prompts and answers"
_NETWORK = "engines are never published; expose the gateway"
_CODE = "it decides which code runs"
RESERVED = {
    "VLLM_PORT": _NETWORK,
    "VLLM_HOST_IP": _NETWORK,
    "VLLM_API_KEY": "the gateway holds the door, and this key leaves /invocations open",
    "VLLM_SERVER_DEV_MODE": "its paths let anyone put the engine to sleep and reset it",
    "VLLM_ALLOW_*": "it lifts a restriction of vLLM's own",
    "VLLM_USE_MODELSCOPE": _OFFLINE,
    "HF_*": _OFFLINE,
    "TRANSFORMERS_*": _OFFLINE,
    "VLLM_NO_USAGE_STATS": _REPORTS,
    "VLLM_DO_NOT_TRACK": _REPORTS,
    "VLLM_USAGE_*": _REPORTS,
    "DO_NOT_TRACK": _REPORTS,
    "VLLM_LOGGING_*": _PROMPTS,
    "VLLM_DEBUG_*": _PROMPTS,
    "VLLM_TRACE_FUNCTION": _PROMPTS,
    "VLLM_ENABLE_RESPONSES_API_STORE": _PROMPTS,
    "VLLM_TORCH_PROFILER_*": "a profiler's paths let anyone slow the engine down",
    "VLLM_MAX_N_SEQUENCES": f"one request may ask for at most {MOST_CHOICES} answers",
    "VLLM_MEDIA_*": "the engine fetches nothing that a request names",
    "VLLM_PLUGINS": _CODE,
    "VLLM_CACHE_ROOT": "the volume of caches decides it",
    "VLLM_CONFIG_ROOT": "the root file system is read-only",
    "VLLM_RPC_BASE_PATH": "the root file system is read-only",
    "XDG_*": "the volume of caches decides it",
    "TRITON_*": "the volume of caches decides it",
    "TORCHINDUCTOR_*": "the volume of caches decides it",
    "CUDA_CACHE_PATH": "the volume of caches decides it",
    "TORCH_FORCE_*": _CODE,
    "TORCH_COMPILE_DISABLE": "set enforce_eager",
    "CC": _CODE,
    "CXX": _CODE,
    "HOME": "the root file system is read-only",
    "TMPDIR": "the root file system is read-only",
    "PATH": "it decides which programs run",
    "USER": "it is the image's own user",
    "LOGNAME": "it is the image's own user",
}


def refuse_reserved(environment: dict[str, str]) -> None:
    """Raise ValueError for a variable that has a field of its own, or that would undo what this project promises."""
    refuse(environment, OWN_FIELD, RESERVED)


def environment(parallel: int, cpus: float, gpus: int, *, eager: bool) -> dict[str, str]:
    """What the server is given whatever its settings say."""
    given = {
        "HOME": HOME,
        # Python asks for the user's name, and the published CPU image has no entry for this id.
        "USER": "vllm",
        "LOGNAME": "vllm",
        "XDG_CACHE_HOME": CACHE,
        "VLLM_CACHE_ROOT": f"{CACHE}/vllm",
        "TRITON_CACHE_DIR": f"{CACHE}/triton",
        "CUDA_CACHE_PATH": f"{CACHE}/nv",
        # Otherwise it is looked for by asking for the way to a public address.
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Beside the volume of caches, so that nothing of a model lands among compiled code.
        "HF_HOME": f"{HOME}/.cache/huggingface",
        # One request can never use more places than there are.
        "VLLM_MAX_N_SEQUENCES": str(min(parallel, MOST_CHOICES)),
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    }
    if gpus == 0:
        # Left alone it binds a thread to each core of the machine, and the limit on CPUs makes them wait in turns.
        # Threads that wait do so asleep soon: turning in circles uses up the same limit.
        threads = str(math.ceil(cpus))
        given |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": threads, "GOMP_SPINCOUNT": "1000"}
        if eager:
            # Without it the first request for logprobs compiles a function of its own, whatever --enforce-eager says,
            # and an image without a C++ compiler loses the whole engine over it (seen with 0.32.0).
            given["TORCH_COMPILE_DISABLE"] = "1"
    return given
