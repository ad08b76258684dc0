"""Waiting for a container of a Docker engine to be well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


def wait_healthy(container: Container, *, ask: bool = False) -> bool:
    """Wait as long as a deployment would; False for one that has ended by itself twice meanwhile.

    Docker asks a container for its health only every ten seconds or so; with `ask` its probe is run here in between.
    Raises UserError when the container is neither healthy nor ends.
    """
    check = container.attrs["Config"]["Healthcheck"]
    patience = (check["StartPeriod"] + check["Interval"] * check["Retries"]) / 1e9
    end = time.monotonic() + patience
    while container.attrs["State"].get("Health", {}).get("Status") != "healthy":
        if ask:
            if answer := _answer(container):
                return True
            ask = answer is not None
        if time.monotonic() > end:
            raise UserError(
                f"{container.name} was started again and is not healthy after {patience:.0f} s",
                harm="the stack does not serve",
                fix=f"docker logs {container.name} says why; docker rm -f {container.name} and make up make it anew",
            )
        if container.attrs.get("RestartCount", 0) >= 2:
            return False
        time.sleep(1 if ask else 0.2)
        container.reload()
    return True


def _answer(container: Container) -> bool | None:
    """Whether the container's own probe succeeds now; None where it does not end in the time that Docker gives it.

    Docker ends its own probes then and cannot be asked to end this one, so no second one is begun.
    """
    import docker.errors

    check, engine = container.attrs["Config"]["Healthcheck"], cast("DockerClient", container.client)
    api = engine.api
    how, *words = check["Test"]
    try:
        probe = api.exec_create(container.id, words if how == "CMD" else ["sh", "-c", *words])["Id"]
        api.exec_start(probe, detach=True)
        end = time.monotonic() + check["Timeout"] / 1e9
        while (found := api.exec_inspect(probe))["Running"]:
            if time.monotonic() > end:
                return None
            time.sleep(0.1)
    except docker.errors.APIError:  # It does not run.
        return False
    return bool(found["ExitCode"] == 0)
