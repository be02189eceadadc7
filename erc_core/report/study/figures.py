"""Figures of a study: scores and memory over the values of one parameter (the paper's Fig. 3)."""

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from erc_core.report.page.figures import BLUE, COLUMN_INCHES, GREEN, VERMILION, new_figure, style
from erc_core.report.study.rows import Row

SCORES = (("wf1", "W-F1", BLUE, "-", "o"), ("acc", "accuracy", GREEN, "--", "s"))
# Values that reach over so many powers of two (and are positive) stand on an axis of powers of two
DOUBLINGS = 3


@style()
def sweep_figure(rows: Sequence[Row], name: str, *, synthetic: bool) -> Figure:
    """Draw the scores (left axis) and the peak memory (right axis) over the values of a parameter, at column width.

    A value without numbers leaves a gap; error bars are one standard deviation over several seeds. There is no memory
    axis where points were measured in different kinds of memory.
    """
    rows = sorted(rows, key=lambda row: float(row.value))
    figure = new_figure(COLUMN_INCHES, 2.6, synthetic=synthetic)
    scores = figure.subplots()
    values = [float(row.value) for row in rows]
    handles: list[Artist | Container] = []
    for metric, label, color, dash, marker in SCORES:
        summaries = [row.scores.get(metric) for row in rows]
        means = [100 * summary.mean if summary else math.nan for summary in summaries]
        sds = [100 * summary.sd if summary and summary.sd is not None else math.nan for summary in summaries]
        bars = None if all(map(math.isnan, sds)) else sds
        curve = scores.errorbar(values, means, bars, color=color, linestyle=dash, marker=marker, label=label)
        handles.append(curve)
    scores.set_ylabel("score (%)")
    scores.set_xlabel(name)
    scores.margins(y=0.12)
    scores.grid(axis="y")
    _value_axis(scores, rows)
    if len({row.cost.memory for row in rows if row.cost}) == 1:
        memory = scores.twinx()
        peaks = [row.cost.peak_memory_mb if row.cost else math.nan for row in rows]
        handles += memory.plot(values, peaks, color=VERMILION, linestyle=":", marker="^", label="peak memory")
        memory.set_ylabel("peak memory (MiB)", color=VERMILION)
        memory.tick_params(axis="y", colors=VERMILION)
        memory.spines["right"].set_visible(True)
        memory.spines["right"].set_color(VERMILION)
        memory.margins(y=0.12)
        memory.ticklabel_format(axis="y", useOffset=False)
    scores.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def _value_axis(ax: Axes, rows: Sequence[Row]) -> None:
    """Put a tick at every value, on an axis of powers of two where the values double rather than step."""
    values = [float(row.value) for row in rows]
    if min(values) > 0 and math.log2(max(values) / min(values)) >= DOUBLINGS:
        ax.set_xscale("log", base=2)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(values, [str(row.value) for row in rows])
