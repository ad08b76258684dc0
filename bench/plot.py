"""The picture of a comparison of engines: speed by number of streams, and the wait for the first token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.engines_report import GATEWAY, Measured

COLOURS = ("#3b6ea8", "#d08a2c", "#4f9a5b", "#a8453b", "#7a5aa6", "#767676")


def draw(results: Sequence[Measured], streams: Sequence[int], path: Path) -> None:
    """Write the plot as SVG; the same results make the same file."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator

    with mpl.rc_context({"svg.hashsalt": "slm", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}):
        figure, (speed, wait) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        width = 0.8 / len(results)
        for place, result in enumerate(results):
            at = [n + (place - (len(results) - 1) / 2) * width for n in range(len(streams))]
            colour, label = COLOURS[place % len(COLOURS)], f"{result.engine} ({result.weights})"
            rates = [result.rate(GATEWAY, n) for n in streams]
            bars = speed.bar(at, rates, width * 0.92, color=colour, label=label)
            speed.bar_label(bars, fmt="%.0f", fontsize=7)
            wait.bar(at, [result.first(GATEWAY, n, 50) for n in streams], width * 0.92, color=colour)
        for axes, title in ((speed, "tokens/s, all streams together"), (wait, "ms to the first token (p50)")):
            axes.set_title(title, fontsize=10)
            axes.set_xticks(range(len(streams)), [f"{n} stream{'s' * (n > 1)}" for n in streams])
            axes.spines[["top", "right"]].set_visible(False)
        wait.set_yscale("log")
        # Every tenth of a power of ten would be labelled otherwise, one number upon the other.
        wait.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        wait.yaxis.set_major_formatter("{x:.0f}")
        wait.yaxis.set_minor_formatter("{x:.0f}")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)
