from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from erc_core.report.page import figures
from erc_core.report.study.figures import memory_curve, sweep_figure, training_figure
from erc_core.report.study.sections import sweeps
from erc_core.report.study.trainings import panels


@pytest.fixture(scope="module")
def curves(study_tables):
    return {name: rows for table in study_tables for name, rows in sweeps(table).items()}


def test_each_sweep_has_one_curve_and_other_tables_none(curves):
    assert list(curves) == ["n_blocks", "joint_len"]


@pytest.mark.parametrize("name", ["n_blocks", "joint_len"])
def test_a_curve_fits_its_column_and_has_the_same_bytes_again(tmp_path, curves, name):
    png, svg = figures.save(sweep_figure(curves[name], "N", synthetic=True), tmp_path / "a", name)
    again = figures.save(sweep_figure(curves[name], "N", synthetic=True), tmp_path / "b", name)
    assert [path.read_bytes() for path in again] == [png.read_bytes(), svg.read_bytes()]
    ElementTree.fromstring(svg.read_bytes())
    pixels = imread(png)[..., :3]
    assert pixels.shape[1] == 200 * figures.COLUMN_INCHES
    ink = (pixels < 0.9).any(axis=-1)
    assert 0.01 < ink.mean() < 0.9
    assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()


def of_gpu(rows):
    return [replace(row, cost=replace(row.cost, memory="gpu")) for row in rows]


def test_scores_stand_left_and_memory_right_with_bars_over_the_seeds(curves):
    rows = of_gpu(curves["n_blocks"])
    scores, memory = sweep_figure(rows, "N", synthetic=False).axes
    wf1, acc = scores.containers
    assert wf1.lines[0].get_ydata() == pytest.approx([100 * row.scores["wf1"].mean for row in rows])
    assert acc.lines[0].get_ydata() == pytest.approx([100 * row.scores["acc"].mean for row in rows])
    bars = [np.ptp(segment[:, 1]) if len(segment) else 0 for segment in wf1.lines[2][0].get_segments()]
    sd = [100 * (row.scores["wf1"].sd or 0) for row in rows]
    assert np.divide(bars, 2) == pytest.approx(sd)
    assert np.count_nonzero(sd) == 1  # only the full model has several seeds
    (line,) = memory.lines
    assert line.get_ydata() == pytest.approx([row.cost.peak_memory_mb for row in rows])
    assert (scores.get_xlabel(), scores.get_ylabel(), memory.get_ylabel()) == ("N", "score (%)", "peak memory (MiB)")
    legend = [text.get_text() for text in scores.get_legend().get_texts()]
    assert legend == ["W-F1", "accuracy", "peak memory"]


def test_values_that_double_stand_on_an_axis_of_powers_of_two(curves):
    linear, log2 = (sweep_figure(curves[name], name, synthetic=False).axes[0] for name in ("n_blocks", "joint_len"))
    assert linear.get_xscale() == "linear"
    assert log2.get_xscale() == "log"
    assert log2.xaxis.get_transform().base == 2
    assert [text.get_text() for text in log2.get_xticklabels()] == ["1", "2", "4", "8", "16", "24", "32"]
    zero = [replace(row, value=0 if row.value == 1 else row.value) for row in curves["joint_len"]]
    assert sweep_figure(zero, "J", synthetic=False).axes[0].get_xscale() == "linear"


def test_a_point_without_numbers_is_a_gap(curves):
    rows = [
        replace(row, missing="x", scores={}, cost=None) if row.value == 3 else row for row in of_gpu(curves["n_blocks"])
    ]
    scores, memory = sweep_figure(rows, "N", synthetic=False).axes
    for line in (scores.containers[0].lines[0], memory.lines[0]):
        assert np.isnan(line.get_ydata().astype(float)).tolist() == [False, False, True, False, False]


def test_different_kinds_of_memory_are_not_one_curve(curves):
    first, *rest = curves["n_blocks"]
    mixed = [replace(first, cost=replace(first.cost, memory="gpu")), *rest]
    assert memory_curve(mixed)[0] == "activations"


def test_memory_of_a_process_is_no_curve_and_counted_activations_stand_instead(curves):
    rows = curves["n_blocks"]
    assert memory_curve(rows) == ("activations", [2.5 * row.value for row in rows])
    uncounted = [replace(row, cost=replace(row.cost, activations_mb=None)) for row in rows]
    assert memory_curve(uncounted) == ("", [])
    assert len(sweep_figure(uncounted, "N", synthetic=False).axes) == 1
    other_seeds = [replace(row, cost=replace(row.cost, peak_memory_mb=None)) for row in of_gpu(rows)]
    assert memory_curve(other_seeds)[0] == "activations"


def test_each_training_is_a_line_and_a_best_epoch_that_was_the_last_has_a_ring(study_tables):
    (table,) = [table for table in study_tables if table.name == "ablation"]
    first, second, *others = table.rows
    last = [run.model_copy(update={"best_epoch": 12, "stopped_by": "epochs"}) for run in second.runs]
    marked = replace(table, rows=(first, replace(second, runs=(*last[:1], *second.runs[1:])), *others))
    ((_, panel),) = panels(marked).items()
    (axes,) = training_figure(panel, synthetic=False).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) == 12]
    assert len(curves) == 4 * 3
    assert curves[0].get_ydata() == pytest.approx([100 * wf1 for wf1 in first.runs[0].val_curve])
    rings = [line.get_xydata().tolist() for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert rings == [[[12, pytest.approx(70)]]]


def test_a_figure_of_trainings_is_whole_and_fits_its_column(tmp_path, study_tables):
    for table in study_tables:
        for name, panel in panels(table).items():
            png, _ = figures.save(training_figure(panel, synthetic=True), tmp_path, name)
            pixels = imread(png)[..., :3]
            assert pixels.shape[1] == 200 * figures.COLUMN_INCHES
            ink = (pixels < 0.9).any(axis=-1)
            assert not np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]]).any()
