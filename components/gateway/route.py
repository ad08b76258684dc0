"""What the gateway must know of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from components.gateway.upstream import Upstream
from components.workload import Name, Value

ModelId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$")]
"""The model's name as clients send it, such as `qwen2.5-coder:0.5b` or `Qwen/Qwen2.5-0.5B-Instruct`."""

Path = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$|^/$")]
"""An exact path: no dot segments, no empty segments, nothing percent-encoded, no query."""

Method = Annotated[str, StringConstraints(pattern=r"^(GET|POST)$")]


class Route(Value):
    """One engine behind the gateway.

    `model` is the id clients put into a request's `model` field, `variants` are further ones. `host` and `port` are
    where the engine listens in the internal network, by name. `concurrency` is how many requests it works on at once;
    further ones wait in the gateway. `paths` are the methods and exact paths it may be asked for; everything else is
    answered 404. `live` is the path whose 200 says that the engine is not frozen. `lacks` are capabilities
    (components/gateway/fields.py) whose fields are refused, because the engine takes no notice of them. `context` is
    in tokens, and set for an engine that silently drops what does not fit into it. `upstream` is set for an engine
    that someone else runs. `addresses` is how many copies the host name may stand for at once. `demand`: an autoscaler
    reads how much is asked of it.
    """

    name: Name
    model: ModelId
    variants: tuple[ModelId, ...] = ()
    host: str = Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$")
    port: int = Field(ge=1, le=65535)
    concurrency: int = Field(ge=1, le=10000)
    paths: tuple[tuple[Method, Path], ...] = Field(min_length=1)
    live: Path = "/"
    lacks: tuple[str, ...] = ()
    context: int | None = Field(None, ge=1)
    upstream: Upstream | None = None
    addresses: int = Field(1, ge=1, le=1001)
    demand: bool = False

    @property
    def models(self) -> tuple[ModelId, ...]:
        """Every id that leads to it."""
        return (self.model, *self.variants)

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them: an upstream may not know itself with its usual port."""
        usual = self.upstream is not None and self.port == (443 if self.upstream.tls else 80)
        return self.host if usual else f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _something_can_be_asked(self) -> Self:
        if not any(method == "POST" for method, _ in self.paths):
            raise ValueError(f"route {self.name}: no POST path, so the model could never be asked anything")
        return self


def check(routes: Sequence[Route]) -> None:
    """Raise ValueError when the gateway could not tell the routes apart, or when there are none."""
    if not routes:
        raise ValueError("the gateway has no engine to route to; add one under slm:engines")
    for what, values in (("name", [r.name for r in routes]), ("model", [m for r in routes for m in r.models])):
        if twice := sorted({v for v in values if values.count(v) > 1}):
            raise ValueError(
                f"two engines share the {what} '{twice[0]}', so the gateway could not tell which one is meant;"
                f" give each engine its own {what}"
            )
