"""Figures of a study: scores and memory over the values of one parameter (the paper's Fig. 3)."""

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from erc_core.report.page.clean import shorten
from erc_core.report.page.figures import (
    BLUE,
    GREEN,
    VERMILION,
    epochs_axis,
    new_figure,
    style,
)
from erc_core.report.study.rows import Row
from erc_core.report.study.trainings import Panel

SCORES = (("wf1", "W-F1", BLUE, "-", "o"), ("acc", "accuracy", GREEN, "--", "s"))
# Values that reach over so many powers of two (and are positive) stand on an axis of powers of two
DOUBLINGS = 3


@style()
def sweep_figure(rows: Sequence[Row], name: str, *, synthetic: bool) -> Figure:
    """Draw the scores (left axis) and the memory (right axis) over the values of a parameter.

    A value without numbers leaves a gap; error bars are one standard deviation over several seeds. Which memory, if any,
    says memory_curve.
    """
    rows = sorted(rows, key=lambda row: float(row.value))
    figure = new_figure(2.6, synthetic=synthetic)
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
    title, amounts = memory_curve(rows)
    if title:
        memory = scores.twinx()
        handles += memory.plot(values, amounts, color=VERMILION, linestyle=":", marker="^", label=title)
        memory.set_ylabel(f"{title} (MiB)", color=VERMILION)
        memory.tick_params(axis="y", colors=VERMILION)
        memory.spines["right"].set_visible(True)
        memory.spines["right"].set_color(VERMILION)
        memory.margins(y=0.12)
        memory.ticklabel_format(axis="y", useOffset=False)
    scores.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def memory_curve(rows: Sequence[Row]) -> tuple[str, list[float]]:
    """Return which memory a curve over some rows can show, and how much each row takes, MiB, nan where it has no numbers.

    Peak memory of the GPU, over the same seeds for each row; else counted activations. What a process on a CPU holds is
    no curve: it depends on what the process did before.
    """
    costs = [row.cost for row in rows if row.cost]
    peak = [cost.peak_memory_mb if cost.memory == "gpu" else None for cost in costs]
    for title, amounts in (("peak memory", peak), ("activations", [cost.activations_mb for cost in costs])):
        known = [amount for amount in amounts if amount is not None]
        if costs and len(known) == len(costs):
            amount = iter(known)
            return title, [next(amount) if row.cost else math.nan for row in rows]
    return "", []


@style()
def training_figure(panel: Panel, *, synthetic: bool) -> Figure:
    """Draw the weighted F1 on the validation split over the epochs, a line for each training.

    Rows differ in colour and dash. A dot marks the best epoch, a ring a best epoch that was the last.
    """
    figure = new_figure(2.2 + 0.14 * math.ceil(len(panel.lines) / 2), synthetic=synthetic)
    axes = figure.subplots()
    handles: list[Artist | Container] = []
    for i, (name, row) in enumerate(panel.lines):
        color, dash = f"C{i % 6}", ("-", "--", ":")[i // 2 % 3]
        for run in row.runs:
            epochs = range(1, len(run.val_curve) + 1)
            (line,) = axes.plot(
                epochs, [100 * wf1 for wf1 in run.val_curve], color=color, linestyle=dash, linewidth=0.9
            )
            last = run.best_epoch == run.epochs
            size, fill = (7, "none") if last else (3.5, color)
            edge = "black" if last else color
            axes.plot(
                run.best_epoch, 100 * run.val_wf1, marker="o", markersize=size, markerfacecolor=fill,
                markeredgecolor=edge, linestyle="none", clip_on=False, zorder=3,
            )  # fmt: skip
        line.set_label(shorten(name, 28))
        handles.append(line)
    axes.set_ylabel("validation W-F1 (%)")
    epochs_axis(axes)
    axes.margins(y=0.08)
    axes.legend(
        handles=handles, title=shorten(panel.title, 60), alignment="left", title_fontsize=8, loc="lower left",
        bbox_to_anchor=(0, 1), ncols=2, columnspacing=0.8, handlelength=1.8,
    )  # fmt: skip
    return figure


def _value_axis(ax: Axes, rows: Sequence[Row]) -> None:
    """Put a tick at every value, on an axis of powers of two where the values double rather than step."""
    values = [float(row.value) for row in rows]
    if min(values) > 0 and math.log2(max(values) / min(values)) >= DOUBLINGS:
        ax.set_xscale("log", base=2)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(values, [str(row.value) for row in rows])
