"""The figures of the report: each function takes data and returns a Figure, `save` writes it.

Every figure is as wide as a column of a paper, and can be read on a telephone; panels that belong together are figures of
their own. Those of a `synthetic` corpus note that it is one. Shape suffixes: C classes.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter

from erc_core.report.page.clean import shorten
from erc_core.report.page.document import Drawn
from erc_core.report.page.formats import SPLIT_TITLES
from erc_core.run.atomic import atomic_file

STYLE = Path(__file__).with_name("style.mplstyle")
COLUMN_INCHES = 3.4
# More classes than these are not drawn one by one: text takes most of the time, and nobody could read it
MOST_CELLS = 20  # classes a side of a matrix with a number in each cell
MOST_NAMES = 40  # classes with a name on an axis, or a bar
# Okabe & Ito's colours by name; see style.mplstyle
BLUE, VERMILION, GREEN, ORANGE, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#595959"
SPLITS = {split: (SPLIT_TITLES[split], color) for split, color in (("train", BLUE), ("dev", ORANGE), ("test", GREEN))}
# The four classes of the paper's Fig. 2; joy is what other corpora call happiness
FIG_2_CLASSES = ("happiness", "joy", "sadness", "neutral", "anger")
SYNTHETIC_NOTE = "synthetic corpus (eSpeak NG speech)"


@contextmanager
def style() -> Iterator[None]:
    """Apply style.mplstyle on matplotlib's own defaults, whatever the user's matplotlibrc says; also as a decorator."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dpi) and SVG, and return their paths; the same figure gives the same bytes."""
    # no date, and no version that would change bytes where nothing else changes
    metadata: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with style():
        for kind, entries in metadata.items():
            with atomic_file(folder / f"{name}.{kind}") as partial:
                figure.savefig(partial, format=kind, metadata=entries)
    return folder / f"{name}.png", folder / f"{name}.svg"


def embed(figure: Figure, page_folder: Path, folder: str, name: str) -> Drawn:
    """Write a figure to a folder below that of the page, and return it as the page shows it."""
    png, svg = save(figure, page_folder / folder, name)
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode("ascii")
    width, height = figure.get_size_inches()
    return Drawn(png.relative_to(page_folder).as_posix(), uri, float(width), float(height))


@style()
def confusion_figure(confusion_CC: npt.NDArray[np.int64], labels: list[str], *, synthetic: bool) -> Figure:
    """Draw the counts of a (C, C) confusion matrix, rows gold."""
    figure = new_figure(3.7, synthetic=synthetic)
    axes = figure.subplots()
    counts = [[f"{n:,}" for n in row] for row in confusion_CC.tolist()] if len(labels) <= MOST_CELLS else []
    _matrix(axes, confusion_CC / max(1, confusion_CC.max()), counts, labels, labels)
    axes.set_title("utterances")
    return figure


@style()
def confusion_percent_figure(confusion_CC: npt.NDArray[np.int64], labels: list[str], *, synthetic: bool) -> Figure:
    """Draw a (C, C) confusion matrix, rows gold, in percent of each gold class."""
    gold_C = confusion_CC.sum(axis=1)
    share_CC = confusion_CC / np.maximum(gold_C, 1)[:, None]
    rows = zip(share_CC.tolist(), gold_C.tolist(), strict=True) if len(labels) <= MOST_CELLS else ()
    percent = [[f"{100 * share:.0f}" if total else "–" for share in row] for row, total in rows]
    figure = new_figure(3.7, synthetic=synthetic)
    axes = figure.subplots()
    _matrix(axes, share_CC, percent, labels, labels)
    axes.set_title("percent of the gold class")
    return figure


@style()
def shared_confusion_figure(confusion_CC: npt.NDArray[np.int64], labels: list[str], *, synthetic: bool) -> Figure:
    """Draw the confusion of the classes that the paper's Fig. 2 shows, in its order.

    From the (C, C) counts of all classes come percent of the gold class, with the counts below. The other classes, if
    there are any, stand together in one column, so that rows still hold every utterance of their class.

    Raises:
        ValueError: Fewer than two of the classes are among `labels`; see shared_classes.
    """
    shown = shared_classes(labels)
    if not shown:
        raise ValueError(f"fewer than two of {FIG_2_CLASSES} are among {labels}")
    places = [labels.index(label) for label in shown]
    others = [i for i in range(len(labels)) if i not in places]
    counts = confusion_CC[np.ix_(places, places)]
    columns = list(shown)
    if others:
        counts = np.column_stack([counts, confusion_CC[np.ix_(places, others)].sum(axis=1)])
        columns.append("other")
    gold = confusion_CC[places].sum(axis=1)
    share = counts / np.maximum(gold, 1)[:, None]
    words = [
        [f"{100 * share[i, j]:.1f}\n({counts[i, j]:,})" if gold[i] else "–" for j in range(len(columns))]
        for i in range(len(shown))
    ]
    figure = new_figure(2.75, synthetic=synthetic)
    _matrix(figure.subplots(), share, words, shown, columns)
    return figure


def shared_classes(labels: list[str]) -> list[str]:
    """Return those of a corpus' classes that the paper's Fig. 2 shows, in its order; none where they are not even two."""
    shown = [label for label in FIG_2_CLASSES if label in labels]
    return shown if len(shown) > 1 else []


@style()
def losses_figure(history: pl.DataFrame, best_epoch: int, *, synthetic: bool) -> Figure:
    """Draw the losses over the epochs of history.csv, with the chosen epoch marked."""
    figure = new_figure(2.7, synthetic=synthetic)
    losses = figure.subplots()
    _curve(losses, history, "train_loss", "train, total", BLUE, "-", "o")
    _curve(losses, history, "train_erc", "train, cross entropy", BLUE, "--", "s")
    _curve(losses, history, "train_icl", "train, contrastive", SKY, ":", "D")
    _curve(losses, history, "val_loss", "validation, cross entropy", VERMILION, "-", "^")
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0)
    _epoch_axis(losses, history, best_epoch)
    return figure


@style()
def learning_figure(history: pl.DataFrame, best_epoch: int, *, synthetic: bool) -> Figure:
    """Draw the validation scores over the epochs of history.csv, with the chosen epoch marked."""
    figure = new_figure(2.7, synthetic=synthetic)
    scores = figure.subplots()
    _curve(scores, history, "val_wf1", "validation W-F1", VERMILION, "-", "^")
    _curve(scores, history, "val_acc", "validation accuracy", GREY, "--", "s")
    chosen = history.row(by_predicate=pl.col("epoch") == best_epoch, named=True)["val_wf1"]
    if chosen is not None:
        scores.plot(
            best_epoch, chosen, marker="o", markersize=9, markerfacecolor="none", markeredgecolor="black", clip_on=False
        )
    scores.set_ylabel("score")
    scores.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _epoch_axis(scores, history, best_epoch)
    return figure


@style()
def class_figure(emotions: Mapping[str, Mapping[str, int]], labels: list[str], *, synthetic: bool) -> Figure:
    """Draw how the classes share each split: a bar per class and split, its share long, with its count.

    Of more than MOST_NAMES classes the first ones.
    """
    shown = labels[:MOST_NAMES]
    figure = new_figure(1.0 + 0.36 * len(shown), synthetic=synthetic)
    ax = figure.subplots()
    height = 0.27
    y = np.arange(len(shown))
    for i, (split, (title, color)) in enumerate(SPLITS.items()):
        counts = [emotions[split].get(label, 0) for label in shown]
        total = sum(emotions[split].get(label, 0) for label in labels)
        bars = ax.barh(y + (i - 1) * height, np.array(counts) / max(1, total), height * 0.92, color=color)
        ax.bar_label(bars, [f"{n:,}" for n in counts], padding=2, fontsize=6.5)
        bars.set_label(f"{title}, {total:,} utterances")
    _class_axis(ax, shown)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.margins(x=0.12)
    ax.set_xlabel("share of the split's utterances")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1)
    return figure


@style()
def per_class_figure(per_class: pl.DataFrame, *, synthetic: bool) -> Figure:
    """Draw F1 of each class of per_class.csv with its interval and its support; of more than MOST_NAMES classes the first ones."""
    per_class = per_class.head(MOST_NAMES)
    labels = per_class["emotion"].to_list()
    figure = new_figure(0.75 + 0.26 * len(labels), synthetic=synthetic)
    ax = figure.subplots()
    for y, row in enumerate(per_class.iter_rows(named=True)):
        if row["support"] == 0:
            ax.text(0.5, y, "not in the test split", ha="center", va="center", fontsize=7, color=GREY)
        else:
            if row["f1_low"] is not None and row["f1_high"] is not None:
                # not errorbar: it refuses an interval that does not hold its point, as a percentile interval may
                ends = [row["f1_low"], row["f1_high"]]
                ax.plot(ends, [y, y], color=BLUE, marker="|", markersize=5, solid_capstyle="butt")
            ax.plot(row["f1"], y, color=BLUE, marker="o", markersize=4.5)
        ax.text(1.04, y, f"{row['support']:,}", transform=ax.get_yaxis_transform(), va="center", fontsize=7)
    ax.text(1.04, 1.02, "support", transform=ax.transAxes, va="bottom", fontsize=7)
    _class_axis(ax, labels)
    ax.set_xlim(-0.02, 1.02)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("F1")
    ax.grid(axis="x")
    return figure


def new_figure(height: float, *, synthetic: bool) -> Figure:
    """Return an empty figure of a height in inches, with a note below the axes if the corpus is synthetic."""
    strip = 0.17 / height if synthetic else 0.0  # of the height, for one line of small type
    figure = Figure(figsize=(COLUMN_INCHES, height), layout=ConstrainedLayoutEngine(rect=(0, strip, 1, 1 - strip)))
    if synthetic:
        figure.text(0.995, 0.03 / height, SYNTHETIC_NOTE, ha="right", va="bottom", fontsize=6.5, color="#8a3b00")
    return figure


def _matrix(
    ax: Axes, shade: npt.NDArray[np.float64], words: list[list[str]], rows: list[str], columns: list[str]
) -> None:
    """Draw a matrix with the gold classes as rows: shades from 0 to 1, a word in each cell if there are words."""
    ax.imshow(shade, cmap="Blues", vmin=0, vmax=1.15)  # not to the darkest blue: it prints as black
    longest = max((len(line) for row in words for word in row for line in word.split("\n")), default=1)
    cell = 190 / len(columns)  # points; a digit of DejaVu Sans is 0.64 of its size wide
    size = min(7.0, 0.9 * cell / (0.64 * longest))
    for i, row in enumerate(words):
        for j, word in enumerate(row):
            color = "white" if shade[i, j] > 0.78 else "#1a1a1a"
            va = "center" if "\n" in word else "center_baseline"
            ax.text(j, i, word, ha="center", va=va, fontsize=size, color=color)
    size = 7.0 if len(columns) <= MOST_CELLS else 4.0
    for axis, names in ((ax.xaxis, columns), (ax.yaxis, rows)):
        named = names if len(names) <= MOST_NAMES else []
        axis.set_ticks(range(len(named)), _short(named), fontsize=size)
    ax.tick_params(length=0)
    ax.tick_params(axis="x", rotation=45)
    for label in ax.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("gold")


def _short(labels: Sequence[str]) -> list[str]:
    return [shorten(label, 14) for label in labels]


def _curve(ax: Axes, history: pl.DataFrame, column: str, label: str, color: str, dash: str, marker: str) -> None:
    """Draw a column of the history over its epochs; nothing where it was not recorded."""
    values = history[column].to_numpy().astype(float)
    if np.isfinite(values).any():
        every = max(1, len(values) // 25)
        epochs = history["epoch"].to_numpy()
        ax.plot(epochs, values, label=label, color=color, linestyle=dash, marker=marker, markevery=every)


def _epoch_axis(ax: Axes, history: pl.DataFrame, best_epoch: int) -> None:
    """Mark the chosen epoch, and name what is drawn."""
    label = f"chosen, epoch {best_epoch}"
    ax.axvline(best_epoch, color="black", linewidth=0.8, linestyle=(0, (1, 1.5)), label=label)
    ax.set_xlim(0.5, max(history["epoch"].to_list()) + 0.5)
    epochs_axis(ax)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=0.8, handlelength=1.8)


def epochs_axis(ax: Axes) -> None:
    """Name the horizontal axis and put its ticks at whole epochs."""
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    ax.grid(axis="y")


def _class_axis(ax: Axes, labels: list[str]) -> None:
    """Name classes on the vertical axis, the first on top."""
    ax.set_yticks(range(len(labels)), _short(labels))
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
