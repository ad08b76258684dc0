"""A way into a stack's monitoring: none of its ports is published, so it is asked from within the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from components.monitoring import prometheus
from components.settings import Settings
from components.targets.docker.container import Names
from components.targets.spec import Docker
from ops import docker_client
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

SECONDS = 20
"""How long one question may take."""


class Unreachable(UserError):
    """Monitoring does not answer now; it may later."""


class Inside(Protocol):
    """A place in a stack from which its parts are reached by their names. Both raise Unreachable."""

    def get(self, url: str) -> str:
        """What is answered at an address."""

    def post(self, url: str, body: str) -> str:
        """What is answered to a JSON document."""


class PrometheusContainer:
    """The container of Prometheus, which meets every part of monitoring; its image has wget for its own probe.

    It is looked up anew for each question: a deployment may have replaced it meanwhile.
    """

    def __init__(self, client: DockerClient, stack: str) -> None:
        self._client, self._stack = client, stack

    def get(self, url: str) -> str:
        return self._wget(url)

    def post(self, url: str, body: str) -> str:
        return self._wget("--header", "Content-Type: application/json", "--post-data", body, url)

    def _wget(self, *words: str) -> str:
        import docker.errors

        name = Names(self._stack).container(prometheus.NAME)
        try:
            container = self._client.containers.get(name)
            done: Any = container.exec_run(["wget", "-q", "-T", str(SECONDS), "-O", "-", *words], demux=True)
        except docker.errors.NotFound:
            raise self._unreachable(f"there is no container {name}") from None
        except docker.errors.APIError as error:
            raise self._unreachable(f"{name} cannot be asked: {error.explanation or error}") from None
        answer, said = done.output
        if done.exit_code != 0:
            what = (said or b"").decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {done.exit_code}"
            raise self._unreachable(f"{words[-1].partition('?')[0]} does not answer {name}: {what}")
        return (answer or b"").decode()

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable(
            f"monitoring of stack '{self._stack}' does not answer: {why}",
            harm="nothing is known of how the stack is",
            fix=f"make up STACK={self._stack} brings it; just after that it takes a minute until there are figures",
        )


def of(settings: Settings, stack: str) -> Inside:
    """The way into the stack's monitoring. Raises UserError for a stack without, and where there is no way yet."""
    if settings.monitoring is None:
        raise UserError(
            f"stack '{stack}' has no monitoring, so nobody knows how it is",
            harm="there are no figures, no alerts and no logs of it",
            fix=f"add slm:monitoring: with a target to Pulumi.{stack}.yaml, then make up STACK={stack}",
        )
    target = settings.targets[settings.monitoring.target]
    if not isinstance(target, Docker):
        raise UserError(
            f"monitoring on target '{settings.monitoring.target}' ({target.kind}) cannot be asked from here yet",
            harm="this command knows the way into a Docker engine only",
            fix="kubectl port-forward to the service of Prometheus shows the same figures",
        )
    return PrometheusContainer(docker_client.of(settings), stack)
