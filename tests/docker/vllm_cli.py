"""Runs inside a vLLM image: writes down its command line, or reads arguments with its real parser.

usage: vllm_cli.py dump > tests/unit/data/vllm-VERSION-flags.json
       vllm_cli.py check REQUEST    REQUEST is JSON: `lines`, command lines to read; `pieces`, answers in pieces for the
                                    tool parser `parser` of the file `plugin`. Prints what was understood.
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import SUPPRESS
from pathlib import Path
from typing import Any

import vllm
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser


def serve_parser() -> Any:
    """The parser of `vllm serve`, as the program makes it."""
    return ServeSubcommand().subparser_init(FlexibleArgumentParser().add_subparsers(dest="command"))


def form(action: Any) -> object:
    """What follows a flag: "switch", "value", "values", or the list of values it may have."""
    if action.nargs == 0:
        return "switch"
    if action.choices:
        return sorted(str(choice) for choice in action.choices)
    return "values" if action.nargs == "+" else "value"


def facts(parser: Any) -> dict[str, Any]:
    """What tests/unit holds command lines against."""
    flags = {option: form(a) for option, a in parser._option_string_actions.items() if option.startswith("--")}
    return {
        "version": vllm.__version__.split("+")[0],
        "flags": dict(sorted(flags.items())),
        "tool_parsers": sorted(ToolParserManager.list_registered()),
        "reasoning_parsers": sorted(ReasoningParserManager.list_registered()),
        "quantization": sorted(QUANTIZATION_METHODS),
    }


def understood(parser: Any, line: list[str]) -> dict[str, Any]:
    """What a command line sets, other than defaults."""
    defaults = vars(parser.parse_args(["model"]))
    return {k: v for k, v in vars(parser.parse_args(line)).items() if v != defaults.get(k, SUPPRESS)}


def streamed(name: str, plugin: str, pieces: list[str]) -> dict[str, Any]:
    """What a tool parser of a plugin makes of an answer, whole and in pieces."""
    path = Path(tempfile.mkdtemp()) / "shipped_parsers.py"
    path.write_text(plugin)
    ToolParserManager.import_tool_parser(str(path))
    tool = {"type": "function", "function": {"name": "area", "parameters": {"type": "object", "properties": {}}}}
    message = [{"role": "user", "content": "?"}]
    request = ChatCompletionRequest.model_validate({"model": "m", "messages": message, "tools": [tool]})
    kind = ToolParserManager.get_tool_parser(name)
    whole = kind(None, request.tools).extract_tool_calls("".join(pieces), request)
    parser = kind(None, request.tools)
    deltas = [parser.extract_tool_calls_streaming("", "", piece, [], [], [], request) for piece in pieces]
    deltas = [delta for delta in (*deltas, parser.finish_streaming()) if delta]
    return {
        "whole": [[call.function.name, call.function.arguments] for call in whole.tool_calls],
        "whole_text": whole.content,
        "calls": [[c.index, c.function.name, c.function.arguments] for delta in deltas for c in delta.tool_calls],
        "text": "".join(delta.content or "" for delta in deltas),
    }


def main() -> None:
    parser = serve_parser()
    if sys.argv[1] == "dump":
        sys.stdout.write(json.dumps(facts(parser), indent=0) + "\n")
        return
    request = json.loads(sys.argv[2])
    found = {
        "facts": facts(parser),
        "understood": [understood(parser, line) for line in request["lines"]],
        "streamed": [streamed(request["parser"], request["plugin"], pieces) for pieces in request["pieces"]],
    }
    # Many short lines: Docker's log cuts one that is longer than 16 KiB.
    sys.stdout.write(json.dumps(found, default=str, indent=0) + "\n")


if __name__ == "__main__":
    main()
