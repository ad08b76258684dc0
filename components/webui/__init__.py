"""Open WebUI: a chat page for people in front of the gateway, as settings and a workload (pure, no Pulumi)."""

from components.webui.settings import WebUi
from components.webui.workload import workload

__all__ = ["WebUi", "workload"]
