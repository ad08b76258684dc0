"""What of a stack is backed up: volumes that nobody could make again (pure)."""

from __future__ import annotations

from components.catalog import catalog
from components.monitoring import alertmanager, grafana, loki, prometheus
from components.settings import Settings
from components.webui.environment import DATA as WEBUI_DATA
from components.webui.workload import NAME as WEBUI
from components.webui.workload import VOLUME as WEBUI_VOLUME
from components.workload import Name, Value


class Part(Value):
    """A volume, and the workload that writes it. `version` is of the program that does.

    Weights are fetched again, and the collector's volume says how far each file of this machine was read, which is true
    of this machine only: neither is a part.
    """

    name: Name
    what: str
    volume: Name
    path: str
    version: str


NAMES = (WEBUI, grafana.NAME, alertmanager.NAME, loki.NAME, prometheus.NAME)
"""Every part that some stack has, in the order they are saved; Prometheus last, because without it nobody measures."""

_KEPT = {
    WEBUI: ("accounts and chats", WEBUI_VOLUME, WEBUI_DATA),
    grafana.NAME: ("what people made in Grafana", grafana.VOLUME, grafana.DATA),
    alertmanager.NAME: ("silences of alerts", alertmanager.VOLUME, alertmanager.DATA),
    loki.NAME: ("logs", loki.VOLUME, loki.DATA),
    prometheus.NAME: ("figures", prometheus.VOLUME, prometheus.DATA),
}


def parts(settings: Settings) -> tuple[Part, ...]:
    """The parts of a stack, in the order they are saved and put back; what a cloud keeps itself is none."""
    own = settings.monitoring
    here = {WEBUI} if settings.webui else set()
    if own and not own.managed:
        here |= {alertmanager.NAME, loki.NAME, prometheus.NAME}
        here |= {grafana.NAME} if own.grafana and settings.has_image(grafana.NAME) else set()
    return tuple(_part(settings, name) for name in NAMES if name in here)


def _part(settings: Settings, name: str) -> Part:
    what, volume, path = _KEPT[name]
    return Part(name=name, what=what, volume=volume, path=path, version=version(settings.images.get(name, ""), name))


def version(image: str, role: str) -> str:
    """The version of the program in an image: the published one's, or that of this site's own build."""
    row = catalog().images[role]
    built = row.build_version if image.startswith("sha256:") else None
    return (built or row.tag or "0").removeprefix("v")
