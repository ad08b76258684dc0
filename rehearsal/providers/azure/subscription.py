"""What the simulated subscription is and allows: its ids, regions, quota, and Kubernetes versions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field

from components.workload import Value

FILE = "subscription.toml"


class Subscription(Value):
    """What a subscription is, and what it allows.

    `credential_seconds` is how long the write of a federated credential takes. `quota` is vCPUs by family, `only_in`
    the regions of families that are not everywhere, `regions` says of each whether it has availability zones.
    """

    subscription: str
    tenant: str
    client: str
    principal: str
    credential_seconds: float = Field(ge=0)
    kubernetes_versions: tuple[str, ...] = Field(min_length=1)
    quota: dict[str, int]
    only_in: dict[str, tuple[str, ...]]
    regions: dict[str, bool]

    def vcpus(self, family: str) -> int:
        """How many vCPUs of a family a region may use."""
        return self.quota.get(family, self.quota["other"])

    def offers(self, family: str, region: str) -> bool:
        """Whether a region has sizes of a family."""
        return family not in self.only_in or region in self.only_in[family]

    @classmethod
    def read(cls, directory: Path | None = None) -> Subscription:
        """The subscription of a state directory. Raises ValueError naming what is wrong in the directory's own file."""
        table = tomllib.loads((Path(__file__).parent / FILE).read_text())
        own = directory / FILE if directory else None
        if own and own.exists():
            table = _laid_over(table, tomllib.loads(own.read_text()))
        return cls.model_validate(table)


def _laid_over(table: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return table | {k: table[k] | v if isinstance(v, dict) and k in table else v for k, v in own.items()}
