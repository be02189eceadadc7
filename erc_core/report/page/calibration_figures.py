"""The figures about the probabilities: the reliability diagram, and the score kept when uncertain answers are left to a person."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter
from scipy.stats import binom

from erc_core.evaluation.calibration import Bin
from erc_core.evaluation.coverage import Kept
from erc_core.report.page.figures import BLUE, GREY, VERMILION, new_figure, style


@style()
def reliability_figure(before: Sequence[Bin], after: Sequence[Bin], confidence: float, *, synthetic: bool) -> Figure:
    """Draw the share of right answers over the confidence, without the temperature and with it, and how many answers there are.

    Grey bars hold a share `confidence` of what exact probabilities would show in the bins with the temperature.
    """
    figure = new_figure(4.1, synthetic=synthetic)
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    shares.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), label="exact")
    filled = [(one.confidence, one.n) for one in after if one.confidence is not None]
    at, n = np.array(filled).reshape(-1, 2).T
    ends = binom.interval(confidence, n, at) / n
    shares.vlines(at, *ends, color="#d0d0d0", linewidth=5, label=f"exact, {100 * confidence:g}% by chance", zorder=1)
    styles = (
        (before, "without temperature", VERMILION, "--", "s", "none"),
        (after, "with temperature", BLUE, "-", "o", BLUE),
    )
    for place, (bins, label, color, dash, marker, fill) in enumerate(styles):
        drawn = [(one.confidence, one.accuracy) for one in bins if one.n]
        shares.plot(
            *zip(*drawn, strict=True), color=color, linestyle=dash, marker=marker, markersize=4, markerfacecolor=fill,
            label=label, clip_on=False, zorder=2 + place,
        )  # fmt: skip
        width = 0.42 / len(bins)
        middles = [(one.low + one.high) / 2 + (place - 0.5) * width for one in bins]
        counts.bar(middles, [one.n for one in bins], width, facecolor=fill, edgecolor=color, linewidth=0.7)
    shares.set_ylabel("right answers")
    shares.set_ylim(0, 1)
    shares.set_xlim(0, 1)
    shares.grid(axis="both")
    shares.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    shares.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=0.8, handlelength=1.8)
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.7)
    counts.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    counts.yaxis.set_minor_formatter(NullFormatter())
    counts.set_ylabel("answers")
    counts.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    counts.set_xlabel("confidence: probability of the predicted class")
    return figure


@style()
def coverage_figure(coverage: Sequence[Kept], *, synthetic: bool) -> Figure:
    """Draw the weighted F1 of the answers that are kept over the share that is left to a person, with its interval."""
    figure = new_figure(2.6, synthetic=synthetic)
    ax = figure.subplots()
    left = [1 - kept.coverage / 100 for kept in coverage]
    low, high = ([getattr(kept.wf1, end) for kept in coverage] for end in ("low", "high"))
    if None not in low:  # all of them have an interval, or none
        ax.fill_between(left, low, high, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(
        left,
        [kept.wf1.value for kept in coverage],
        color=BLUE,
        marker="o",
        label="of the kept answers",
        clip_on=False,
    )
    ax.axhline(coverage[0].wf1.value, color="black", linewidth=0.8, linestyle=(0, (1, 1.5)), label="of all answers")
    ax.set_ylabel("weighted F1")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("least certain share, left to a person")
    ax.set_xlim(0, left[-1] + 0.05)
    ax.margins(y=0.08)
    ax.grid(axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=0.8, handlelength=1.8)
    return figure
