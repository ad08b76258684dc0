"""A way into a stack's monitoring: none of its ports is published, so it is asked from within the stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from components.monitoring import prometheus
from components.settings import Settings
from components.targets.docker.container import Names
from components.targets.spec import Docker, Kubernetes
from ops import docker_client, docker_exec
from ops.errors import UserError
from ops.inside_pod import NoAnswer, PrometheusPod

if TYPE_CHECKING:
    from docker import DockerClient

SECONDS = 20
"""How long one question may take."""


class Runs(Protocol):
    """A place where programs of Prometheus's image run."""

    def run(self, command: list[str], seconds: float) -> tuple[int, str, str]:
        """Exit code, output and errors of a command that takes at most `seconds`. Raises ops.inside_pod.NoAnswer."""


class Unreachable(UserError):
    """Monitoring does not answer now; it may later."""


class Refused(Unreachable):
    """A part refuses what it was given (HTTP 400), and would refuse it again."""


class Inside(Protocol):
    """A place in a stack from which its parts are reached by their names. Both raise Unreachable."""

    def get(self, url: str) -> str:
        """What is answered at an address."""

    def post(self, url: str, body: str) -> str:
        """What is answered to a JSON document."""


class Wget:
    """Asks by a program of Prometheus's own image: its probe uses wget as well. Prometheus meets every other part."""

    def __init__(self, prometheus: Runs, stack: str, seconds: int = SECONDS) -> None:
        """`seconds` is how long one question may take."""
        self._prometheus, self._stack, self._seconds = prometheus, stack, seconds

    def get(self, url: str) -> str:
        return self._wget(url)

    def post(self, url: str, body: str) -> str:
        return self._wget("--header", "Content-Type: application/json", "--post-data", body, url)

    def _wget(self, *words: str) -> str:
        try:
            command = ["wget", "-q", "-T", str(self._seconds), "-O", "-", *words]
            code, answer, said = self._prometheus.run(command, self._seconds + 10)
        except NoAnswer as why:
            raise self._unreachable(str(why)) from None
        if code != 0:
            what = said.strip().rpartition("\n")[2] or f"exit code {code}"
            refused = re.search(r"HTTP/\S+ 400\b", what)
            place = f"{words[-1].partition('?')[0]} is not to be had in Prometheus's container"
            raise self._unreachable(f"{place}: {what}", Refused if refused else Unreachable)
        return answer

    def _unreachable(self, why: str, kind: type[Unreachable] = Unreachable) -> Unreachable:
        does = "refuses this" if kind is Refused else "does not answer"
        return kind(
            f"monitoring of stack '{self._stack}' {does}: {why}",
            harm="nothing is known of how the stack is",
            fix=f"make up STACK={self._stack} brings it; just after that it takes a minute until there are figures",
        )


class PrometheusContainer:
    """The container of Prometheus on a Docker engine.

    It is looked up anew for each question: a deployment may have replaced it meanwhile.
    """

    def __init__(self, client: DockerClient, stack: str) -> None:
        self._client, self._stack = client, stack

    def run(self, command: list[str], seconds: float) -> tuple[int, str, str]:
        """As `Runs` says."""
        import docker.errors
        import requests

        name = Names(self._stack).container(prometheus.NAME)
        try:
            done = docker_exec.run(self._client.containers.get(name), command, seconds=seconds)
        except docker.errors.NotFound:
            raise NoAnswer(f"there is no container {name}") from None
        except docker.errors.APIError as error:
            raise NoAnswer(f"{name} cannot be asked: {error.explanation or error}") from None
        except requests.RequestException:
            # The way to a host over SSH can be cut in the middle of a question.
            raise NoAnswer("the connection to its Docker engine was cut") from None
        except ConnectionError as error:
            raise NoAnswer(f"{name} cannot be asked: {error}") from None
        except TimeoutError:
            raise NoAnswer(f"{name} says nothing for {seconds:g} s") from None
        return done.exit_code, done.output.decode(errors="replace"), done.errors.decode(errors="replace")


def of(settings: Settings, stack: str, seconds: int = SECONDS) -> Inside:
    """The way into the stack's monitoring; `seconds` is how long one question may take.

    Raises UserError for a stack without, and where there is no way.
    """
    if settings.monitoring is None:
        raise UserError(
            f"stack '{stack}' has no monitoring, so nobody knows how it is",
            harm="there are no figures, no alerts and no logs of it",
            fix=f"add slm:monitoring: with a target to Pulumi.{stack}.yaml, then make up STACK={stack}",
        )
    target = settings.targets[settings.monitoring.target]
    if isinstance(target, Docker):
        return Wget(PrometheusContainer(docker_client.of(settings), stack), stack, seconds)
    if isinstance(target, Kubernetes):
        return Wget(PrometheusPod(target, stack), stack, seconds)
    raise UserError(
        f"monitoring on target '{settings.monitoring.target}' ({target.kind}) cannot be asked from here yet",
        harm="this command knows the way into a Docker engine, and into a cluster by a kubeconfig file",
        fix="kubectl port-forward to the service of Prometheus shows the same figures",
    )
