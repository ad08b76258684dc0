"""Dashboards as code: pages as typed data, and the JSON that Grafana reads."""

from components.monitoring.dashboards.comparison import comparison
from components.monitoring.dashboards.cost import cost
from components.monitoring.dashboards.engine import engine
from components.monitoring.dashboards.forwarding import forwarding
from components.monitoring.dashboards.gateway import gateway
from components.monitoring.dashboards.logs import logs
from components.monitoring.dashboards.machines import gpus, hosts
from components.monitoring.dashboards.model import Page, Panel, Query
from components.monitoring.dashboards.overview import overview
from components.monitoring.dashboards.watching import watching
from components.workload import File

__all__ = ["Page", "Panel", "Query", "dashboard_files", "pages"]


def pages() -> tuple[Page, ...]:
    """Every dashboard."""
    return (overview(), comparison(), engine(), gateway(), gpus(), hosts(), cost(), logs(), watching(), forwarding())


def dashboard_files() -> tuple[File, ...]:
    """Every dashboard as the file that Grafana reads."""
    # Grafana's library takes long to load, and only those who write these files need it.
    from components.monitoring.dashboards.render import render

    return tuple(File(name=f"{page.uid}.json", content=render(page)) for page in pages())
