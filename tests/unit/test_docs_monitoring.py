"""What docs/monitoring.md lists is what there is: alerts with their runbooks, pages with their panels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.monitoring.dashboards import dashboard_files
from components.monitoring.rules import alerts

pytestmark = pytest.mark.unit

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "monitoring.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    section = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.findall(r"(?:^\|.*\n)+", section, flags=re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_every_alert_is_listed_with_its_page_its_severity_and_how_long_it_waits() -> None:
    said = {row[0]: (row[2], row[3]) for row in rows("Alerts")}
    pages = {alert.name: f"[{alert.name}](runbooks/{alert.page.rsplit('/', 1)[-1]})" for alert in alerts()}
    assert said == {pages[alert.name]: (alert.severity, alert.wait or "not") for alert in alerts()}
    assert f"\n{len(alerts())} alerts, " in TEXT


def test_every_page_is_listed_with_its_panels_and_its_question() -> None:
    told = []
    for file in dashboard_files():
        page = json.loads(file.content)
        panels = [inner for panel in page["panels"] for inner in (panel, *panel.get("panels", ()))]
        shown = [panel for panel in panels if panel["type"] != "row"]
        told.append([page["title"], str(len(shown)), page["description"]])
    assert rows("Pages") == told
