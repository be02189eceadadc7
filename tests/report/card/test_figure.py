import numpy as np
import pytest
from matplotlib.image import imread

from erc_core.report.card.figure import lengths_figure
from erc_core.report.page.figures import SYNTHETIC_NOTE, save

LENGTHS = {
    "train": np.concatenate([np.random.default_rng(0).lognormal(0.8, 0.7, 500), [0.064]]),
    "dev": np.array([2.0]),
    "test": np.array([1.0, 305.0]),
}
NONE = {split: np.array([]) for split in LENGTHS}


@pytest.mark.parametrize(
    ("lengths", "unit"),
    [
        (LENGTHS, "s"),
        (LENGTHS | {"dev": np.array([])}, "s"),
        (NONE, "s"),
        (NONE, "words"),
        ({split: np.array([3, 1, 9]) for split in LENGTHS}, "words"),
        ({split: np.array([1] * 500 + [10_000]) for split in LENGTHS}, "words"),
        ({split: np.full(9, 0.01) for split in LENGTHS}, "s"),
    ],
)
def test_the_figure_fits_its_column_whatever_the_lengths(tmp_path, lengths, unit):
    png, _ = save(lengths_figure(lengths, unit, synthetic=True), tmp_path, "lengths")
    pixels = imread(png)[..., :3]
    ink = (pixels < 0.9).any(axis=-1)
    assert pixels.shape[1] == 680
    assert 0.01 < ink.mean() < 0.9
    assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()


def test_median_and_95_percent_are_marked_named_and_all_clips_are_in_the_bars():
    figure = lengths_figure(LENGTHS, "s", synthetic=False)
    for ax, values in zip(figure.axes, LENGTHS.values(), strict=True):
        assert [line.get_xdata()[0] for line in ax.lines[:2]] == pytest.approx(list(np.quantile(values, [0.5, 0.95])))
        assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    assert [text.get_text() for text in figure.axes[2].texts] == ["median\n153 s", "95%\n290 s", "longest\n305 s"]
    assert figure.axes[0].get_title(loc="left") == "train, 501 clips"
    assert list(figure.axes[2].get_xticks()) == pytest.approx([0.1, 0.3, 1, 3, 10, 30, 100, 300])


@pytest.mark.parametrize("synthetic", [True, False])
def test_only_figures_of_a_synthetic_corpus_say_so(synthetic):
    figure = lengths_figure(LENGTHS, "s", synthetic=synthetic)
    assert (SYNTHETIC_NOTE in [text.get_text() for text in figure.texts]) == synthetic
