from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from erc_core.evaluation.calibration import BINS as N_BINS
from erc_core.evaluation.calibration import reliability_bins
from erc_core.evaluation.coverage import PERCENTS, Kept
from erc_core.evaluation.estimate import Estimate
from erc_core.report.page import figures
from erc_core.report.page.calibration_figures import coverage_figure, reliability_figure

LABELS = ["neutral", "joy", "anger", "fear"]
MATRIX = np.array([[40, 3, 1, 0], [5, 20, 0, 1], [2, 2, 9, 0], [0, 0, 0, 0]])
HISTORY = pl.DataFrame(
    {
        "epoch": [1, 2, 3],
        "train_loss": [2.0, 1.5, 1.2],
        "train_erc": [1.8, 1.3, 1.0],
        "train_icl": [2.0, 1.9, 1.8],
        "val_loss": [1.9, 1.5, 1.6],
        "val_acc": [0.5, 0.6, 0.61],
        "val_wf1": [0.48, 0.6, 0.59],
    }
)
EMOTIONS = {"train": {"neutral": 90, "joy": 40, "anger": 20, "fear": 4}, "dev": {"neutral": 9}, "test": {"joy": 7}}
PER_CLASS = pl.DataFrame(
    {
        "emotion": LABELS,
        "f1": [0.9, 0.8, 0.7, 0.0],
        "f1_low": [0.85, 0.7, 0.75, None],  # a percentile interval need not hold its point
        "f1_high": [0.95, 0.9, 0.8, None],
        "support": [44, 26, 13, 0],
    }
)
ANSWERS = np.random.default_rng(0).uniform(0.2, 1, 150)  # confidences
BINS = [reliability_bins(ANSWERS**power, np.arange(150) % 3 > 0) for power in (1.0, 1.5)]
KEPT = [
    Kept(
        coverage=percent,
        n=percent,
        least=0.5,
        wf1=Estimate.of(1 - percent / 400, 0.7, 1.0),
        acc=Estimate.of(0.8, 0.7, 0.9),
    )
    for percent in PERCENTS
]
DRAW = {
    "confusion": lambda synthetic: figures.confusion_figure(MATRIX, LABELS, synthetic=synthetic),
    "confusion_percent": lambda synthetic: figures.confusion_percent_figure(MATRIX, LABELS, synthetic=synthetic),
    "losses": lambda synthetic: figures.losses_figure(HISTORY, 2, synthetic=synthetic),
    "learning": lambda synthetic: figures.learning_figure(HISTORY, 2, synthetic=synthetic),
    "classes": lambda synthetic: figures.class_figure(EMOTIONS, LABELS, synthetic=synthetic),
    "shared": lambda synthetic: figures.shared_confusion_figure(MATRIX, LABELS, synthetic=synthetic),
    "per_class": lambda synthetic: figures.per_class_figure(PER_CLASS, synthetic=synthetic),
    "reliability": lambda synthetic: reliability_figure(*BINS, 0.95, synthetic=synthetic),
    "coverage": lambda synthetic: coverage_figure(KEPT, synthetic=synthetic),
}


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_is_whole_fits_its_column_and_has_the_same_bytes_again(tmp_path, name):
    png, svg = figures.save(DRAW[name](synthetic=True), tmp_path / "a", name)
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 50, "axes.facecolor": "red", "svg.hashsalt": None}):
        again = figures.save(DRAW[name](synthetic=True), tmp_path / "b", name)
    assert [path.read_bytes() for path in again] == [png.read_bytes(), svg.read_bytes()]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"{name}.png", f"{name}.svg"]

    pixels = imread(png)[..., :3]
    assert pixels.shape[1] == 200 * figures.COLUMN_INCHES
    ink = (pixels < 0.9).any(axis=-1)
    assert 0.01 < ink.mean() < 0.9
    # nothing is cut off: no ink on the border
    assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()

    text = svg.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "<dc:date>" not in text
    assert "Matplotlib" not in text


@pytest.mark.parametrize("name", DRAW)
def test_only_figures_of_a_synthetic_corpus_say_so(name):
    for synthetic, expected in ((True, ["synthetic corpus (eSpeak NG speech)"]), (False, [])):
        assert [text.get_text() for text in DRAW[name](synthetic=synthetic).texts] == expected


def test_confusion_shows_counts_and_percent_and_dashes_for_a_class_without_gold():
    made = (figures.confusion_figure, figures.confusion_percent_figure)
    both = [draw(MATRIX, LABELS, synthetic=False).axes[0] for draw in made]
    counts, percent = ([text.get_text() for text in axes.texts] for axes in both)
    assert counts == [str(n) for n in MATRIX.ravel()]
    assert percent[:4] == ["91", "7", "2", "0"]
    assert percent[-4:] == ["–"] * 4


def test_the_papers_classes_are_in_its_order_and_the_others_in_one_column():
    labels = ["neutral", "fear", "anger", "happiness", "disgust", "sadness"]
    matrix = np.arange(36).reshape(6, 6)
    matrix[5] = 0
    (axes,) = figures.shared_confusion_figure(matrix, labels, synthetic=False).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["happiness", "sadness", "neutral", "anger"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["happiness", "sadness", "neutral", "anger", "other"]
    cells = np.array([text.get_text() for text in axes.texts]).reshape(4, 5)
    # happiness is row 3 of the matrix: 18 to 23; fear and disgust are the others
    assert list(cells[0]) == ["17.1\n(21)", "18.7\n(23)", "14.6\n(18)", "16.3\n(20)", "33.3\n(41)"]
    assert set(cells[1]) == {"–"}
    four = [0, 2, 3, 5]
    (axes,) = figures.shared_confusion_figure(
        matrix[np.ix_(four, four)], [labels[i] for i in four], synthetic=False
    ).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["happiness", "sadness", "neutral", "anger"]


def test_a_corpus_with_other_classes_has_no_figure_of_the_papers():
    assert figures.shared_classes(["joy", "neutral", "calm"]) == ["joy", "neutral"]
    assert figures.shared_classes(["neutral", "calm"]) == []
    with pytest.raises(ValueError, match="fewer than two"):
        figures.shared_confusion_figure(np.eye(2, dtype=np.int64), ["neutral", "calm"], synthetic=False)


def test_learning_marks_the_chosen_epoch_and_leaves_out_what_was_not_recorded():
    history = HISTORY.with_columns(train_icl=pl.lit(None, pl.Float64), val_loss=pl.lit(float("nan")))
    (losses,) = figures.losses_figure(history, 2, synthetic=False).axes
    (scores,) = figures.learning_figure(history, 2, synthetic=False).axes
    assert [text.get_text() for text in losses.get_legend().get_texts()] == [
        "train, total",
        "train, cross entropy",
        "chosen, epoch 2",
    ]
    marks = [line.get_xydata().tolist() for line in scores.lines]
    assert [[2.0, 0.6]] in marks


def test_per_class_says_where_a_class_does_not_occur():
    (axes,) = figures.per_class_figure(PER_CLASS, synthetic=False).axes
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("not in the test split") == 1
    assert {"44", "26", "13", "0", "support"} <= set(texts)


def test_hostile_labels_are_drawn_as_they_are(tmp_path):
    labels = ["$\\frac{", "<b>&--", "a\nb\x00", "x" * 80]
    figure = figures.confusion_figure(MATRIX, labels, synthetic=False)
    _, svg = figures.save(figure, tmp_path, "hostile")
    ElementTree.fromstring(svg.read_bytes())
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert shown == ["$\\frac{", "<b>&--", "a b\ufffd", "x" * 13 + "…"]


def test_many_classes_are_drawn_without_a_word_for_each(tmp_path):
    labels = [f"class {i}" for i in range(300)]
    matrix = np.ones((300, 300), dtype=np.int64)
    for draw in (figures.confusion_figure, figures.confusion_percent_figure):
        (axes,) = draw(matrix, labels, synthetic=False).axes
        assert len(axes.texts) == len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == 0
    emotions = {split: dict.fromkeys(labels, 2) for split in figures.SPLITS}
    (axes,) = figures.class_figure(emotions, labels, synthetic=False).axes
    assert len(axes.get_yticklabels()) == figures.MOST_NAMES
    assert axes.get_legend().get_texts()[0].get_text() == "train, 600 utterances"  # of all classes
    table = PER_CLASS[[0] * 300]
    assert figures.per_class_figure(table, synthetic=False).get_size_inches()[1] < 12


def test_the_reliability_diagram_has_a_point_and_a_bar_for_each_bin_with_answers():
    shares, counts = reliability_figure(*BINS, 0.95, synthetic=False).axes
    points = {line.get_label(): line.get_xydata().tolist() for line in shares.lines}
    for bins, label in zip(BINS, ("without temperature", "with temperature"), strict=True):
        assert points[label] == [[one.confidence, one.accuracy] for one in bins if one.n]
    heights = [bar.get_height() for bar in counts.patches]
    assert heights == [one.n for bins in BINS for one in bins]
    assert len(heights) == 2 * N_BINS
    # exact probabilities: a bin of certain answers has no room for chance, and one answer has all of it
    certain = reliability_bins(np.array([1.0, 1.0, 0.5]), np.array([True, True, False]))
    (bars,) = reliability_figure(certain, certain, 0.95, synthetic=False).axes[0].collections
    assert [path.vertices[:, 1].tolist() for path in bars.get_paths()] == [[0.0, 1.0], [1.0, 1.0]]


def test_a_curve_without_intervals_has_no_band():
    bare = [kept.model_copy(update={"wf1": Estimate(value=0.5, low=None, high=None)}) for kept in KEPT]
    for curve, bands in ((KEPT, 1), (bare, 0)):
        (axes,) = coverage_figure(curve, synthetic=False).axes
        assert len(axes.collections) == bands
        assert axes.lines[0].get_xydata()[:, 0].tolist() == [1 - percent / 100 for percent in PERCENTS]
