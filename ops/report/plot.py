"""A plot as an SVG element that stands in a page: without a script, and without anything from elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC
from math import isfinite, nan

from ops.prometheus import Line
from ops.report.figures import Figure

COLOURS = ("#3b6ea8", "#d08a2c", "#4f9a5b", "#a8453b", "#7a5aa6", "#767676")


def drawn(
    figure: Figure, lines: Sequence[Line], compared: Sequence[Line], start: float, end: float, step: int
) -> str | None:
    """The plot of a figure from `start` to `end` (seconds since 1970), with a value each `step` seconds.

    None when there is nothing to draw. The same figures make the same text.
    """
    lines = [line for line in lines if any(isfinite(value) for _, value in line.points)]
    if not lines:
        return None
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import dates, pyplot

    # What a plot defines for itself has its title in its name: several of them are in one page.
    with mpl.rc_context(
        {"svg.hashsalt": figure.title, "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}
    ):
        pyplot_figure, axes = pyplot.subplots(figsize=(9, 2.4), layout="constrained")
        colours = {_name(line): COLOURS[place % len(COLOURS)] for place, line in enumerate(lines)}
        for line in lines:
            times, values = _gapped(line, figure.scale, step)
            # What stands alone has no line to be seen by.
            around = zip([nan, *values], values, [*values[1:], nan], strict=False)
            alone = [place for place, near in enumerate(around) if list(map(isfinite, near)) == [False, True, False]]
            axes.plot(times, values, color=colours[_name(line)], label=_name(line), marker=".", markevery=alone)
        for line in compared:
            label = f"{_name(line)}, {figure.compared_as}" if _name(line) else figure.compared_as
            colour = colours.get(_name(line), COLOURS[-1])
            axes.plot(*_gapped(line, figure.scale, step), color=colour, linestyle="--", label=label)
        axes.set_xlim(_days(start), _days(end))
        axes.set_ylim(bottom=0)
        axes.set_ylabel(figure.unit)
        locator = dates.AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
        axes.spines[["top", "right"]].set_visible(False)
        pyplot_figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        written = io.StringIO()
        pyplot_figure.savefig(written, format="svg", metadata={"Date": None})
        pyplot.close(pyplot_figure)
    return _element(written.getvalue(), figure)


def _element(document: str, figure: Figure) -> str:
    """The element alone: a document's head names its type at an address elsewhere, and its metadata does."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return body.replace("<svg", f'<svg role="img" aria-label="{figure.title}"', 1)


def _name(line: Line) -> str:
    return line.labels.get("engine", "")


def _gapped(line: Line, scale: float, step: int) -> tuple[list[float], list[float]]:
    """A line's times and values, broken where a value is missing: nothing was known there."""
    times: list[float] = []
    values: list[float] = []
    before: float | None = None
    for at, value in line.points:
        if before is not None and at - before > 1.5 * step:
            times.append(_days(before + step))
            values.append(nan)
        times.append(_days(at))
        values.append(value / scale if isfinite(value) else nan)
        before = at
    return times, values


def _days(at: float) -> float:
    """Days since 1970, in which matplotlib counts time."""
    return at / 86400
