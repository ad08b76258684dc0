"""Environment variables that settings of the Ollama engine may not carry, and why."""

from __future__ import annotations

from collections.abc import Mapping

from components.engines.reserved import refuse

OWN_FIELD = {
    "OLLAMA_NUM_PARALLEL": "parallel",
    "OLLAMA_MAX_LOADED_MODELS": "loaded_models",
    "OLLAMA_FLASH_ATTENTION": "flash_attention",
    "OLLAMA_KEEP_ALIVE": "keep_alive",
    "OLLAMA_CONTEXT_LENGTH": "context_length",
    "OLLAMA_MAX_QUEUE": "max_queue",
    "OLLAMA_KV_CACHE_TYPE": "kv_cache_type",
    "OLLAMA_LOAD_TIMEOUT": "load_timeout",
}
RESERVED = {
    "OLLAMA_HOST": "engines are never published; expose the gateway",
    "OLLAMA_MODELS": "the weights volume decides it",
    "OLLAMA_NOPRUNE": "the weights are mounted read-only",
    "OLLAMA_NO_CLOUD": "cloud features stay off",
    "OLLAMA_REMOTES": "cloud features stay off",
    "LLAMA_ARG_CACHE_RAM": "the memory limit does not count it",
    "LLAMA_ARG_CTX_CHECKPOINTS": "the memory limit does not count them",
    "OLLAMA_ORIGINS": "origins are the gateway's: set gateway.origins",
    "OLLAMA_DEBUG_LOG_REQUESTS": "it writes prompts to the log",
    "HOME": "the root file system is read-only",
    "PATH": "it decides which programs run",
}


def refuse_reserved(environment: Mapping[str, str]) -> None:
    """Raise ValueError for a variable that has a field of its own, or that would undo what this project promises."""
    refuse(environment, OWN_FIELD, RESERVED)
