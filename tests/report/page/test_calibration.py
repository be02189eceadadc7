"""What the report says about the probabilities, case by case, and the files beside it."""

import re

import polars as pl
import pytest

from erc_core.evaluation.estimate import Estimate
from erc_core.evaluation.temperature import HIGHEST, LOWEST
from erc_core.report.page.calibration import (
    COVERAGE,
    RELIABILITY,
    calibration_section,
    coverage_table,
    measures_table,
    write_calibration_tables,
)
from erc_core.report.page.content import load_content
from erc_core.report.page.document import Drawn

DRAWN = dict.fromkeys((RELIABILITY, COVERAGE), Drawn("a.png", "data:", 3.4, 3.0))


@pytest.fixture(scope="module")
def content(tmp_path_factory, write_inputs):
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root)
    return load_content("demo", root)


@pytest.fixture
def prose(content, params):
    """Return a function from changes of calibration.json, by dotted keys, to the paragraphs of the section."""

    def say(**changes):
        report = content.calibration.model_copy(deep=True)
        for key, value in changes.items():
            *places, name = key.split("__")
            place = report
            for part in places:
                place = getattr(place, part)
            object.__setattr__(place, name, value)
        object.__setattr__(content, "calibration", report)
        section = calibration_section(content, DRAWN, params.evaluate)
        return " ".join(block for block in section.blocks if isinstance(block, str))

    kept = content.calibration
    yield say
    object.__setattr__(content, "calibration", kept)


@pytest.mark.parametrize(
    ("temperature", "words"),
    [
        (1.5, "It is 1.500, which lowers the confidences (validation NLL 1.250 without it, 1.125 with it)."),
        (0.5, "It is 0.500, which raises the confidences"),
        (1.0, "It is 1.000, which leaves them as they are"),
        (LOWEST, "end of the range that is searched, 0.05 to 20: the validation split holds hardly an error"),
        (HIGHEST, "the validation split holds hardly anything that the model knows"),
    ],
)
def test_the_temperature_is_told_and_an_end_of_its_range_is_a_warning(prose, temperature, words):
    text = prose(fitted__temperature=temperature)
    assert words in text
    assert ("Do not rely on these probabilities." in text) == (temperature in (LOWEST, HIGHEST))
    assert "no predicted label, and no score above, changes" in text


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((-0.2, -0.1), "The temperature makes the probabilities better"),
        ((0.1, 0.2), "makes the probabilities worse here"),
        ((-0.1, 0.2), "this test split cannot tell"),
        ((None, None), "too few test units to tell"),
    ],
)
def test_what_the_temperature_does_on_the_test_split_is_told_by_the_interval(prose, ends, words):
    assert words in prose(change__nll=Estimate(value=0.0, low=ends[0], high=ends[1]))


def test_an_error_is_told_from_what_chance_makes_of_exact_probabilities(prose):
    few = {"after__measures__ece": Estimate(value=0.04, low=0.0, high=0.05), "after__chance_ece": 0.03}
    text = prose(**few, after__chance_ece_high=0.05)
    assert (
        "differ by 4.0 points on average (ECE); on 48 answers even exact probabilities would differ by 3.0 points"
        in text
    )
    assert "nothing says that they cannot be believed" in text
    for confidence, words in (
        (0.99, "the model is surer than it is right"),
        (0.01, "the model is less sure than it is right"),
    ):
        text = prose(**few, after__chance_ece_high=0.035, after__confidence=confidence)
        assert (
            "More than 3.5 points would come by chance in 10% of such splits: the probabilities are not exact" in text
        )
        assert words in text


def test_the_tables_have_the_numbers_of_the_file(content, params):
    measures, report = measures_table(content, params.evaluate), content.calibration
    rows = {row[0]: row[1:] for row in measures.rows}
    ece = report.before.measures.ece
    assert (
        rows["Expected calibration error (ECE)"][0]
        == f"{100 * ece.value:.1f}% ({100 * ece.low:.1f}–{100 * ece.high:.1f})"
    )
    nll = report.change.nll
    shown = f"{nll.value:+.3f} ({nll.low:+.3f} to {nll.high:+.3f})".replace("-", "−")
    assert rows["Negative log-likelihood (NLL)"][2] == shown
    coverage = coverage_table(content, params.evaluate)
    assert [row[0] for row in coverage.rows] == [f"{percent}%" for percent in range(100, 0, -10)]
    # all answers score as the whole split does
    wf1, low, high = content.metrics.score("wf1")
    assert coverage.rows[0][1] == f"{100 * wf1:.1f}% ({100 * low:.1f}–{100 * high:.1f})"
    assert coverage.rows[0][3] == "48"


def test_without_intervals_the_numbers_stand_alone(tmp_path, write_inputs, params):
    write_inputs(tmp_path, n_dialogues=1)
    bare = load_content("demo", tmp_path)
    cells = " ".join(cell for row in measures_table(bare, params.evaluate).rows for cell in row[1:])
    assert "(" not in cells
    assert "None" not in cells


def test_the_curve_is_a_file_in_full_precision_and_both_tables_are_latex(content, params, tmp_path):
    write_calibration_tables([content], params.evaluate, tmp_path)
    curve = pl.read_csv(tmp_path / "demo_calibration.csv")
    kept = content.calibration.coverage
    assert curve.columns == ["synthetic", "coverage", "n", "least_confidence"] + [
        f"{score}{end}" for score in ("wf1", "acc") for end in ("", "_low", "_high")
    ]
    assert curve["wf1_high"].to_list() == [one.wf1.high for one in kept]
    assert curve["coverage"].to_list() == [one.coverage / 100 for one in kept]
    assert curve["synthetic"].all()
    latex = (tmp_path / "demo_calibration.tex").read_text(encoding="utf-8")
    assert latex.startswith("% needs \\usepackage{booktabs}\n")
    assert re.findall(r"\\label\{(.*)\}", latex) == ["tab:demo-calibration", "tab:demo-coverage"]
    assert latex.count("Synthetic corpus: speech by eSpeak NG") == 2
