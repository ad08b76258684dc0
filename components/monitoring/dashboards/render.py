"""Pages as Grafana reads them: JSON made with Grafana's own library, which knows every field's name and type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, logs, loki, prometheus, stat, table, text
from grafana_foundation_sdk.builders import timeseries as graph
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from components.monitoring.dashboards.model import WIDTH, Choice, Page, Panel, Query, Row, Step

TAG = "slm"
REFRESH = "30s"
PROMETHEUS = model.DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = model.DataSourceRef(type_val="loki", uid="loki")


def render(page: Page) -> str:
    """The page as JSON."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.about)
        .tags([TAG])
        .readonly()
        .refresh(REFRESH)
        .time(page.since, "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Other pages")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
        )
    )
    for choice in page.choices:
        built = built.with_variable(_choice(choice))
    numbers = count(1)
    for row in page.rows:
        built = _with_row(built, row, numbers)
    return f"{JSONEncoder(sort_keys=True, indent=2).encode(built.build())}\n"


def _with_row(built: dashboard.Dashboard, row: Row, numbers: Iterator[int]) -> dashboard.Dashboard:
    heading = dashboard.Row(row.title).id(next(numbers))
    made = [_panel(panel).id(next(numbers)) for panel in row.panels]
    if row.closed:
        heading = heading.collapsed(True)
        for panel in made:
            heading = heading.with_panel(panel)
        return built.with_row(heading)
    built = built.with_row(heading)
    for panel in made:
        built = built.with_panel(panel)
    return built


def _choice(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.title)
        .datasource(PROMETHEUS)
        .query(f"label_values({choice.series}, {choice.label})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(choice.several)
    )


def _panel(panel: Panel) -> Any:
    makers: dict[str, Callable[[Panel], Any]] = {
        "timeseries": _lines,
        "stat": _stat,
        "table": _table,
        "bargauge": _bars,
        "logs": _log,
        "text": _text,
    }
    made = makers[panel.shape](panel).title(panel.title).span(min(panel.width, WIDTH)).height(panel.height)
    if panel.shape == "text":
        return made
    made = made.description(panel.description).datasource(LOKI if panel.logs else PROMETHEUS)
    for number, query in enumerate(panel.queries):
        made = made.with_target(_target(panel, query, chr(ord("A") + number)))
    return made


def _target(panel: Panel, query: Query, name: str) -> Builder[Any]:
    if panel.logs:
        lines = loki.Dataquery().expr(query.expr).ref_id(name).datasource(LOKI).query_type("range")
        return lines.legend_format(query.legend) if query.legend else lines
    target = prometheus.Dataquery().expr(query.expr).ref_id(name).datasource(PROMETHEUS)
    target = target.instant() if query.now else target.range()
    if panel.shape == "table":
        target = target.format(PromQueryFormat.TABLE)
    return target.legend_format(query.legend) if query.legend else target


def _figures(made: Any, panel: Panel) -> Any:
    """What all panels of figures have: a unit, the axis's ends, and colours from certain values on."""
    made = made.unit(panel.unit)
    if panel.low is not None:
        made = made.min(panel.low)
    if panel.high is not None:
        made = made.max(panel.high)
    return made.thresholds(_thresholds(panel.steps)) if panel.steps else made


def _thresholds(steps: tuple[Step, ...]) -> dashboard.ThresholdsConfig:
    listed = [model.Threshold(value=step.value, color=step.color) for step in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(listed)


def _lines(panel: Panel) -> Any:
    made = _figures(graph.Panel(), panel).line_width(1).fill_opacity(20 if panel.stacked else 5)
    legend = common.VizLegendOptions().display_mode(common_model.LegendDisplayMode.LIST).show_legend(True)
    made = made.legend(legend.placement(common_model.LegendPlacement.BOTTOM).calcs([]))
    made = made.tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
    if panel.stacked:
        made = made.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    if panel.steps:
        style = common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        made = made.thresholds_style(style)
    return made


def _stat(panel: Panel) -> Any:
    return _figures(stat.Panel(), panel).reduce_options(_last()).graph_mode(common_model.BigValueGraphMode.NONE)


def _bars(panel: Panel) -> Any:
    return _figures(bargauge.Panel(), panel).reduce_options(_last())


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _table(panel: Panel) -> Any:
    return _figures(table.Panel(), panel).align(common_model.FieldTextAlignment.AUTO)


def _log(panel: Panel) -> Any:
    return logs.Panel().show_time(True).wrap_log_message(True).enable_log_details(True)


def _text(panel: Panel) -> Any:
    return text.Panel().content(panel.about)
