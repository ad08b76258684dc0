"""Code a model wrote: found in its answer, and run where it can reach nothing.

It runs in a throw-away container of the image that fetches weights, which has Python: no network, no file to write, no
capability, no user of this machine, a limit on memory, processes, time and files. A process on this machine, however
limited, could still read this user's files.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

MAX_CODE = 20_000
"""Characters; more is no answer to a question about ten lines, and an argument list has a limit."""

SECONDS = 20

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)

# The answer's own prints go nowhere, so that what follows the mark can only be ours.
_HARNESS = """
import io, json, sys
out, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
code, name, cases, mark = json.loads(sys.argv[1])
try:
    space = {"__name__": "answer"}
    exec(compile(code, "answer", "exec"), space)
    function = space[name]
    wrong = [f"{name}({given}) gave {found!r:.40}" for given, right in cases if (found := function(given)) != right]
    said = wrong[0] if wrong else ""
except BaseException as error:
    said = f"{type(error).__name__}: {error}"[:200]
out.write(mark + json.dumps(said))
"""


def code_in(answer: str) -> str:
    """The Python code of an answer: its fenced blocks, or all of it. Raises ValueError when that is no Python."""
    code = "\n".join(_FENCE.findall(answer)) or answer
    if len(code) > MAX_CODE:
        raise ValueError(f"{len(code)} characters of code")
    try:
        ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"no Python code: {error}") from None
    return code


def run(client: DockerClient, image: str, code: str, function: str, cases: Sequence[tuple[int, int]]) -> str:
    """What is wrong with `function` of the code on the cases (argument, result); empty when all of them are right."""
    import docker.errors
    import requests
    from docker.types import LogConfig, Ulimit

    mark = secrets.token_hex(8)
    argument = json.dumps([code, function, list(cases), mark])
    container = client.containers.create(
        image,
        ["-I", "-S", "-c", _HARNESS, argument],
        entrypoint=["python3"],
        environment={},
        user="65534:65534",
        working_dir="/tmp",  # noqa: S108
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit="256m",
        memswap_limit="256m",
        cpu_period=100_000,
        cpu_quota=100_000,
        pids_limit=16,
        ulimits=[Ulimit(name="cpu", soft=10, hard=10), Ulimit(name="fsize", soft=0, hard=0)],
        log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "1"}),
    )
    try:
        container.start()
        try:
            code_ = int(container.wait(timeout=SECONDS)["StatusCode"])
        except (requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout):
            return f"it did not end within {SECONDS} s"
        _, found, said = container.logs(stderr=False).decode(errors="replace").rpartition(mark)
        return str(json.loads(said)) if found else f"it ended with exit code {code_} and no result"
    finally:
        with suppress(docker.errors.APIError):
            container.remove(force=True, v=True)
