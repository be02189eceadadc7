"""The figure of a data card: how long clips are in each split, or texts where the corpus has no clips."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from erc_core.report.page.figures import COLUMN_INCHES, GREY, SPLITS, SYNTHETIC_NOTE, VERMILION, style
from erc_core.report.page.formats import plural

BINS = 36
LEAST_RANGE = 5.0  # of the axis, longest to shortest: clips that are all alike are a peak, not a wall
MOST_TICKS = 8
DASH = (0, (3, 1.5))

Lengths = npt.NDArray[np.float64]


@style()
def lengths_figure(lengths: Mapping[str, npt.NDArray[Any]], unit: str, *, synthetic: bool) -> Figure:
    """Draw the distribution of lengths by split (all above 0) at column width: median and 95th percentile named.

    Unit "s" is for clips, on a logarithmic axis, "words" for texts, on a linear one whose last bar holds the longest.
    """
    figure = Figure(figsize=(COLUMN_INCHES, 3.35 if synthetic else 3.2), layout="constrained")
    panels = figure.subplots(len(SPLITS), 1, sharex=True)
    values = {split: np.asarray(lengths[split], dtype=np.float64) for split in SPLITS}
    every = np.concatenate(list(values.values()))
    clips = unit == "s"
    edges = _clip_edges(every) if clips else _word_edges(every)
    for ax, (split, (title, color)) in zip(panels, SPLITS.items(), strict=True):
        noun = "clip" if clips else "text"
        ax.set_title(f"{title}, {plural(len(values[split]), noun)}", loc="left", fontsize=7, pad=2.5)
        if len(values[split]):
            _panel(ax, values[split], edges, color, unit)
        else:
            ax.text(0.5, 0.45, f"no {noun}s", transform=ax.transAxes, ha="center", va="center", fontsize=7, color=GREY)
            ax.set_yticks([])
    last = panels[-1]
    if clips:
        last.set_xscale("log")
        last.xaxis.set_major_locator(FixedLocator(_ticks(edges[0], edges[-1])))
        last.xaxis.set_minor_locator(NullLocator())
        last.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))
        last.set_xlabel("length of the clip, seconds")
    else:
        cut = len(every) > 0 and every.max() > edges[-1]
        last.set_xlabel("words in the text" + (" (longer ones in the last bar)" if cut else ""))
    last.set_xlim(edges[0], edges[-1])
    figure.supylabel("share of the split", fontsize=8)
    if synthetic:
        figure.supxlabel(SYNTHETIC_NOTE, x=0.995, ha="right", fontsize=6.5, color="#8a3b00")
    return figure


def _clip_edges(values: Lengths) -> Lengths:
    """Return edges of bins of equal width on a logarithmic axis that holds all lengths."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0)
    middle = np.sqrt(low * high)
    low, high = min(low / 1.1, middle / np.sqrt(LEAST_RANGE)), max(high * 1.1, middle * np.sqrt(LEAST_RANGE))
    return np.geomspace(low, high, BINS + 1)


def _word_edges(values: Lengths) -> Lengths:
    """Return edges between whole numbers, up to where almost all texts end."""
    cap = float(np.quantile(values, 0.995)) if len(values) else 10.0
    width = max(1, int(np.ceil(cap / BINS)))
    return np.arange(0.5, max(cap, 8 * width) + 1 + width, width)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers from low to high: as many as can be read."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 2, 3, 4, 6), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= MOST_TICKS:
            break
    return ticks


def _panel(ax: Axes, values: Lengths, edges: Lengths, color: str, unit: str) -> None:
    """Draw one split: bars of its lengths, lines at median and 95th percentile, the numbers beside the axes."""
    counts = np.histogram(values, np.concatenate([[0], edges[1:-1], [np.inf]]))[0]
    ax.bar(edges[:-1], counts / len(values), np.diff(edges), align="edge", color=color, alpha=0.75, linewidth=0)
    median, high = (float(value) for value in np.quantile(values, [0.5, 0.95]))
    ax.axvline(median, color="black", linewidth=1.1)
    ax.axvline(high, color=VERMILION, linewidth=1.1, linestyle=DASH)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.3g}%"))
    marks = (
        (0.86, "median", median, "black", "-"),
        (0.52, "95%", high, VERMILION, DASH),
        (0.18, "longest", float(values.max()), "none", "-"),
    )
    for y, name, value, mark, dash in marks:
        ax.plot([1.03, 1.10], [y, y], color=mark, linestyle=dash, transform=ax.transAxes, clip_on=False, linewidth=1.1)
        words = f"{name}\n{_number(value)} {unit}"
        ax.text(1.13, y, words, transform=ax.transAxes, va="center", fontsize=6.5, linespacing=1.05)


def _number(value: float) -> str:
    """Return a length with as many digits as say something, such as 0.06, 2.3 or 305."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 and value % 1 else f"{value:,.0f}"
