"""One step: ONNX Runtime's model builder, with what it misses for one family (arguments as the builder's own)."""

from __future__ import annotations

import runpy
from typing import Any

BUILDER = "onnxruntime_genai.models.builder"


def flatten(config: Any) -> None:
    """Put Gemma 3's two sets of rotary parameters where the builder looks for them.

    transformers 5 keeps a set per kind of attention; the builder knows one set, and the local base beside it.
    """
    sets = config.rope_parameters
    if "full_attention" in sets:
        config.rope_parameters = dict(sets["full_attention"])
        config.rope_theta = sets["full_attention"]["rope_theta"]
        config.rope_local_base_freq = sets["sliding_attention"]["rope_theta"]


def main() -> None:
    """Run the builder."""
    __import__(BUILDER)  # Puts the folder of its parts on the path.
    from builders import Gemma3Model

    plain = Gemma3Model.__init__

    def made(self: Any, config: Any, *options: Any) -> None:
        if type(self) is Gemma3Model:  # Later generations derive from it and read the two sets themselves.
            flatten(config)
        plain(self, config, *options)

    Gemma3Model.__init__ = made
    runpy.run_module(BUILDER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
