"""Waiting for a container of a Docker engine to be well."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ops.errors import UserError

if TYPE_CHECKING:
    from docker.models.containers import Container


def wait_healthy(container: Container, *, ask: bool = False) -> bool:
    """Wait as long as a deployment would; False for one that has ended by itself twice meanwhile.

    Docker asks a container for its health only every ten seconds or so; with `ask` its probe is run here in between.
    Raises UserError when the container is neither healthy nor ends.
    """
    check = container.attrs["Config"]["Healthcheck"]
    patience = (check["StartPeriod"] + check["Interval"] * check["Retries"]) / 1e9
    end = time.monotonic() + patience
    while container.attrs["State"].get("Health", {}).get("Status") != "healthy" and not (ask and _answers(container)):
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


def _answers(container: Container) -> bool:
    """Whether the container's own probe succeeds now."""
    import docker.errors

    how, *words = container.attrs["Config"]["Healthcheck"]["Test"]
    try:
        done = container.exec_run(words if how == "CMD" else ["sh", "-c", *words])
    except docker.errors.APIError:  # It does not run.
        return False
    return bool(done.exit_code == 0)
