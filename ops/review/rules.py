"""review.yaml: how long review stacks live, which ports they take, and what the sweeper never touches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from components.settings.review import LONGEST
from components.workload import Name, Value
from components.yaml_file import YamlError, read
from ops.errors import UserError

FILE = "review.yaml"
LAST_PORT = 65535
ProtectedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Rules(Value):
    """The file as typed values; each default that a site may leave out is here, once."""

    base: Name = "dev"
    hours: int = Field(48, ge=1)
    longest_hours: int = Field(168, ge=1, le=int(LONGEST.total_seconds() // 3600))
    protected: tuple[ProtectedName, ...] = ("dev", "engines", "engines-gemma", "prod", "edge")
    first_port: int = Field(20000, ge=1024, le=LAST_PORT)
    ports_each: int = Field(4, ge=3, le=16)
    port_blocks: int = Field(2500, ge=1)
    secretsprovider: str | None = Field(None, pattern=r"^(passphrase$|[a-z]+://[^\s]+$)")
    lock_hours: float = Field(2, gt=0, le=168)
    destroy_minutes: float = Field(20, gt=0, le=240)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hours > self.longest_hours:
            raise ValueError("hours is more than longest_hours — lower it")
        if self.first_port + self.ports_each * self.port_blocks - 1 > LAST_PORT:
            raise ValueError(f"the last block of ports would end above {LAST_PORT} — fewer port_blocks")
        return self


def rules(project: Path) -> Rules:
    """The rules of a checkout; the defaults where it has no file. Raises UserError for a file that cannot be used."""
    path = project / FILE
    if not path.exists():
        return Rules()
    try:
        document = read(path)
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
        return Rules.model_validate(given, strict=True)
    except YamlError as error:
        raise UserError(str(error), harm="nothing was done", fix=f"mend {FILE}") from None
    except ValidationError as error:
        told = "\n".join(f"  {'.'.join(map(str, e['loc'])) or FILE}: {e['msg']}" for e in error.errors())
        raise UserError(f"{FILE} cannot be used:\n{told}", harm="nothing was done", fix=f"mend {FILE}") from None
