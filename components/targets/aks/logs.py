"""Where the cluster's logs and Defender's findings go (control 59)."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import operationalinsights

from components.targets.aks.ground import Ground

KEEP_DAYS = 30


class LogWorkspace(pulumi.ComponentResource):
    """A workspace for logs."""

    def __init__(self, ground: Ground) -> None:
        super().__init__("slm:aks:logs", f"{ground.name}-logs", None, pulumi.ResourceOptions(parent=ground.parent))
        self.workspace = operationalinsights.Workspace(
            f"{ground.name}-workspace",
            workspace_name=ground.names.part("logs"),
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=KEEP_DAYS,
            **ground.common(),
            opts=ground.under(self),
        )
        self.register_outputs({})
