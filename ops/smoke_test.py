"""What is shown at the end of `make up` and by `make smoke`: the stack is hardened, and its model answers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import tenacity
from rich.console import Console

from components.settings import Settings, load, load_overlay
from components.targets.spec import Docker
from ops import docker_client
from ops.errors import UserError
from ops.machine import Machine
from ops.place import endpoint_of, transport_to
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from ops.smoke import ANSWER, QUESTION, Answer, ask, suite
from ops.smoke.api import Api
from ops.smoke.subjects import subjects
from ops.verify import broken_controls

if TYPE_CHECKING:
    from docker import DockerClient


def run(stack: str, console: Console) -> None:
    """Ask each model of a running stack, and check its containers where they run here. Raises UserError."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_file))
    held = keys.load(Pulumi(machine))
    if not held:
        raise UserError(f"stack '{stack}' has not been deployed from here", fix=f"make up STACK={stack}")
    key = keys.current(held)
    on_docker = isinstance(settings.targets[settings.gateway.target], Docker)
    client = docker_client.of(settings) if on_docker else None
    if client:
        hardened(client, stack)
        first_answer(settings, stack, key, console)
    api = Api(endpoint_of(settings, stack), key, transport=transport_to(settings, machine))
    suite.run(settings, stack, api, client, console)


def hardened(client: DockerClient, stack: str) -> None:
    """Raise UserError when a container that runs breaks a control, or when none runs."""
    containers = client.containers.list(filters={"label": f"slm.stack={stack}"})
    if not containers:
        raise UserError(f"nothing of stack '{stack}' runs", fix=f"make up STACK={stack}")
    findings = [finding for container in containers for finding in broken_controls(container.attrs)]
    if findings:
        listed = "\n".join(f"  control {f.control}: {f.container} {f.problem}" for f in findings)
        raise UserError(
            f"the stack runs, but not as hardened as it was declared:\n{listed}",
            harm="what runs is weaker than what was reviewed",
            fix=f"make up STACK={stack} again; if it stays, the Docker engine does not honour a limit",
        )


@tenacity.retry(
    stop=tenacity.stop_after_delay(15),
    wait=tenacity.wait_fixed(0.5),
    retry=tenacity.retry_if_exception_type(UserError),
    reraise=True,
)
def _ask_soon(endpoint: str, key: str, model: str, *, chat: bool, machine: Machine, settings: Settings) -> Answer:
    """Ask again for a while: a gateway hears of changed files only when it has read them again."""
    return ask(endpoint, key, model, chat=chat, transport=transport_to(settings, machine))


def first_answer(settings: Settings, stack: str, key: str, console: Console) -> Answer:
    """Ask the first engine's model, print the answer and how to go on. Raises UserError."""
    talking = [(n, e) for n, e in settings.engines.items() if ("POST", "/v1/chat/completions") in e.paths]
    if not talking:
        raise UserError("no engine of this stack holds conversations", fix="add `chat` to an engine's capabilities")
    name, engine = talking[0]
    served, endpoint, machine = engine.served_name, endpoint_of(settings, stack), Machine(stack)
    chat = "chat" in subjects(settings)[0].skills
    if name in settings.hosted:
        answer = ask(endpoint, key, served, chat=chat, transport=transport_to(settings, machine))
    else:
        answer = _ask_soon(endpoint, key, served, chat=chat, machine=machine, settings=settings)
    if not answer.text:
        raise UserError(
            f"model '{served}' answered with nothing",
            harm="the stack runs but does not serve",
            fix=f"{docker_client.command(settings)} logs slm-{stack}-{name if name in settings.hosted else 'gateway'}",
        )
    right = "" if ANSWER in answer.text else f"  (a larger model would say {ANSWER})"
    # One number is too short an answer to measure a speed on.
    count = "Write the numbers from 1 to 30, separated by commas."
    longer = ask(endpoint, key, served, count, chat=chat, transport=transport_to(settings, machine))
    source = settings.served.get(engine.model) if name in settings.hosted else None
    console.print()
    console.print(f"  question  {QUESTION}")
    console.print(f"  answer    [bold]{answer.text}[/bold]{right}")
    console.print(
        f"  speed     {longer.tokens_per_second:.0f} tokens/s ({longer.tokens} tokens),"
        f" first token after {longer.first:.2f} s; {answer.first:.2f} s for the first question"
    )
    console.print(f"  model     {served} on {engine.kind}" + (f", weights from {source}" if source else ""))
    console.print(f"  endpoint  {endpoint}")
    console.print(f"  key       make key STACK={stack}   (kept encrypted in .slm/{stack}/Pulumi.{stack}.yaml)")
    if machine.authority.exists():
        console.print(f"  trust     make -s fleet-ca STACK={machine.fleet} > ca.pem; then curl --cacert ca.pem …")
    console.print(_how_to_use(endpoint, served, stack), markup=False, highlight=False, soft_wrap=True)
    return answer


def _how_to_use(endpoint: str, model: str, stack: str) -> str:
    return textwrap.indent(
        textwrap.dedent(
            f"""
            curl {endpoint}/chat/completions -H "Authorization: Bearer $SLM_KEY" -H 'Content-Type: application/json' \\
              -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

            from openai import OpenAI
            client = OpenAI(base_url="{endpoint}", api_key=os.environ["SLM_KEY"])
            client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "Hello"}}])

            next: make smoke, make preview, make rotate-key, make down   (all with STACK={stack})
            """
        ),
        "  ",
    )
