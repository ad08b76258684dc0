"""One step: let a converted model answer a short question (python3 -m slm_convert.speak FORMAT FOLDER FILE)."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

QUESTION = "What is the capital of France? Answer in one sentence."
TOKENS = 24
SHORTEST = 512
"""ONNX Runtime refuses a shorter total length for models with a sliding window of that many tokens."""


def with_transformers(folder: Path) -> str:
    """The answer of a Hugging Face folder. Raises ValueError when its numbers are not numbers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype="auto")
    with torch.inference_mode():
        ids = torch.tensor([tokenizer(prompt(folder, tokenizer.apply_chat_template))["input_ids"]])
        if not math.isfinite(float(model(ids).logits.float().abs().max())):
            raise ValueError("its first answer is not a number")
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False)
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def with_onnx(folder: Path) -> str:
    """The answer of an ONNX folder made for CPUs."""
    import onnxruntime_genai as og

    og.disable_telemetry_events()
    config = og.Config(str(folder))
    config.clear_providers()
    model = og.Model(config)
    tokenizer = og.Tokenizer(model)

    def template(messages: list[dict[str, str]], **_options: object) -> str:
        return str(tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True))

    ids = list(tokenizer.encode(prompt(folder, template)))
    settings = json.loads((folder / "genai_config.json").read_text())["model"]
    first = settings.get("bos_token_id")
    if settings["type"].startswith("gemma") and isinstance(first, int) and ids[:1] != [first]:
        # The runtime's tokenizer adds no start token, and these models are lost without it.
        ids = [first, *ids]
    options = og.GeneratorParams(model)
    options.set_search_options(max_length=max(len(ids) + TOKENS, SHORTEST), do_sample=False)
    generator = og.Generator(model, options)
    generator.append_tokens(ids)
    logits = generator.get_logits()
    if not math.isfinite(float(abs(logits).max())):
        raise ValueError("its first answer is not a number")
    made = []
    while not generator.is_done() and len(made) < TOKENS:
        generator.generate_next_token()
        made.append(generator.get_next_tokens()[0])
    return str(tokenizer.decode(made))


def prompt(folder: Path, template: object) -> str:
    """The question in the model's own chat template; of a base model, which has none, the start of a sentence."""
    settings = folder / "tokenizer_config.json"
    chats = (folder / "chat_template.jinja").exists() or "chat_template" in json.loads(settings.read_text())
    if not chats or not callable(template):
        return "The capital of France is"
    messages = [{"role": "user", "content": QUESTION}]
    return str(template(messages, tokenize=False, add_generation_prompt=True))


if __name__ == "__main__":
    answer = {"safetensors": with_transformers, "onnx": with_onnx}[sys.argv[1]](Path(sys.argv[2]))
    Path(sys.argv[3]).write_text(answer)
