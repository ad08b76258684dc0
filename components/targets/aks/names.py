"""Names of a stack's Azure resources (pure). Azure's own ids are made of them, so a change of one replaces things."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names derived from the stack's; vault and registry have names of their own, unique in the whole of Azure."""

    stack: str

    @property
    def group(self) -> str:
        """The resource group of what can be made again."""
        return f"slm-{self.stack}"

    @property
    def data_group(self) -> str:
        """The resource group of what must outlive the cluster: vault and disks."""
        return f"slm-{self.stack}-data"

    @property
    def node_group(self) -> str:
        """The resource group that AKS makes for nodes and load balancers, and deletes with the cluster."""
        return f"slm-{self.stack}-nodes"

    @property
    def cluster(self) -> str:
        """The cluster itself."""
        return f"slm-{self.stack}"

    @property
    def dns_prefix(self) -> str:
        """The first part of the API server's name, which allows less than other names."""
        return re.sub(r"[^a-z0-9-]", "-", f"slm-{self.stack}".lower())[:54].rstrip("-")

    def part(self, what: str) -> str:
        """Any other resource."""
        return f"slm-{self.stack}-{what}"
