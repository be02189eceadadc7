"""What the report says about the probabilities of one dataset: whether they can be believed, and what they are good for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from erc_core.evaluation.calibration import BINS, Bin, CalibrationReport, Reliability
from erc_core.evaluation.estimate import Estimate
from erc_core.evaluation.temperature import HIGHEST, LOWEST
from erc_core.params.training import EvaluateParams
from erc_core.report.page.content import DatasetContent
from erc_core.report.page.document import Column, Details, Drawn, Picture, Section, Table, heads
from erc_core.report.page.formats import MINUS, MISSING, count, percent, percent_with_range, plural
from erc_core.report.page.render import render_latex
from erc_core.report.study.files import SYNTHETIC_CAPTION
from erc_core.run.atomic import write_text
from erc_core.store.tables import write_csv

TITLE = "Can the probabilities be believed?"
# A dot stands in no name of a study's table, so these are no other figure's
RELIABILITY, COVERAGE = "calibration.reliability", "calibration.coverage"
QUARTER = 75  # the coverage that the text speaks of


def calibration_section(content: DatasetContent, drawn: Mapping[str, Drawn], evaluate: EvaluateParams) -> Section:
    """Say how the temperature was chosen, how far confidence and right answers differ, and what doubt is good for."""
    report, name = content.calibration, f"{content.dataset}, test split"
    confidence = f"{100 * evaluate.confidence:g}%"
    reliability = Picture(
        f"{name}: share of right answers over the confidence, in {BINS} bins of equal width. Exact probabilities would lie on "
        f"the dotted line; by chance {confidence} of the points of exact probabilities would lie in the grey bars. Below, the "
        "number of answers in each bin, on a logarithmic axis.",
        "Reliability diagram without the temperature and with it; the numbers are in the table of the bins.",
        drawn[RELIABILITY],
    )
    coverage = Picture(
        f"{name}: weighted F1 of the answers that are kept when the least certain share is left to a person. The band is its "
        f"{confidence} interval from resampled {content.units.noun}s.",
        "Curve of the weighted F1 over the share left to a person; the numbers are in the next table.",
        drawn[COVERAGE],
    )
    return Section(
        TITLE,
        "calibration",
        (
            _temperature(content.dataset, report),
            _verdict(report, evaluate),
            measures_table(content, evaluate),
            reliability,
            Details("The bins of the figure", [_bins_table(name, report)]),
            _doubt(report),
            coverage,
            coverage_table(content, evaluate),
        ),
    )


def measures_table(content: DatasetContent, evaluate: EvaluateParams) -> Table:
    """Return ECE, NLL and Brier score without the temperature and with it."""
    report = content.calibration
    before, after, change = report.before.measures, report.after.measures, report.change
    return Table(
        f"{content.dataset}, test split: how far the probabilities of {plural(report.n, 'answer')} are from exact ones, with "
        f"{100 * evaluate.confidence:g}% intervals. Of each, lower is better.",
        heads("Measure", "#Without temperature", "#With temperature", "#Change"),
        [
            ("Expected calibration error (ECE)", _in_percent(before.ece), _in_percent(after.ece), _points(change.ece)),
            ("Negative log-likelihood (NLL)", _number(before.nll), _number(after.nll), _number(change.nll, sign="+")),
            ("Brier score", _number(before.brier), _number(after.brier), _number(change.brier, sign="+")),
            ("Mean confidence", percent(report.before.confidence), percent(report.after.confidence), MISSING),
            ("ECE of exact ones, by chance", percent(report.before.chance_ece), percent(report.after.chance_ece), MISSING),
        ],
        notes=(
            (f"ECE: mean distance of confidence and share of right answers over {BINS} bins of confidence, weighted by their "
            "answers (Guo et al., 2017). NLL in nats; Brier score, from 0 to 2, the squared distance of all probabilities. "
            "The intervals of the ECE are basic bootstrap intervals, as the ECE of a resample is too high."),
        ),
    )  # fmt: skip


def coverage_table(content: DatasetContent, evaluate: EvaluateParams) -> Table:
    """Return the scores of the answers kept at every second coverage."""
    rows = [
        (
            f"{kept.coverage}%",
            _in_percent(kept.wf1),
            _in_percent(kept.acc),
            count(kept.n),
            percent(kept.least),
        )
        for kept in content.calibration.coverage[::2]
    ]
    return Table(
        f"{content.dataset}, test split: scores of the most confident answers, with {100 * evaluate.confidence:g}% intervals; "
        "the rest is left to a person.",
        heads("#Kept", "#Weighted F1", "#Accuracy", "#Utterances", "#Lowest confidence"),
        rows,
        notes=(
            (
                "Of equally confident answers (to six decimals) the one whose utterance_id comes first is kept first. A threshold "
                "that was chosen from this table would be chosen on the test split."
            ),
        ),
    )


def write_calibration_tables(contents: Sequence[DatasetContent], evaluate: EvaluateParams, folder: Path) -> None:
    """Write <dataset>_calibration.csv (the curve, in full precision) and .tex (both tables) of each dataset into a folder."""
    for content in contents:
        name = f"{content.dataset}_calibration"
        curve = [
            {
                "synthetic": content.facts.synthetic,
                "coverage": kept.coverage / 100,
                "n": kept.n,
                "least_confidence": kept.least,
            }
            | {f"wf1{end}": getattr(kept.wf1, key) for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}
            | {f"acc{end}": getattr(kept.acc, key) for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}
            for kept in content.calibration.coverage
        ]
        write_csv(pl.DataFrame(curve, infer_schema_length=None), folder / f"{name}.csv")
        tables = [measures_table(content, evaluate), coverage_table(content, evaluate)]
        if content.facts.synthetic:
            tables = [replace(table, caption=f"{table.caption} {SYNTHETIC_CAPTION}") for table in tables]
        labels = (f"tab:{content.dataset}-calibration", f"tab:{content.dataset}-coverage")
        shown = [render_latex(table, label) for table, label in zip(tables, labels, strict=True)]
        write_text(folder / f"{name}.tex", "\n".join(["% needs \\usepackage{booktabs}", *shown]))


def _temperature(dataset: str, report: CalibrationReport) -> str:
    fitted = report.fitted
    effect = "lowers" if fitted.temperature > 1 else "raises"
    words = (
        "The model gives every emotion a probability; its confidence is that of the emotion that it answers. It can be believed "
        "if of the answers with a confidence of 80%, say, 80% are right. After the training one number, the temperature, was "
        f"fitted on the validation split ({plural(fitted.n, 'utterance')}): the logits are divided by it, so that the negative "
        f"log-likelihood is lowest. It is {fitted.temperature:.3f}"
    )
    words += ", which leaves them as they are" if fitted.temperature == 1 else f", which {effect} the confidences"
    words += f" (validation NLL {fitted.nll_before:.3f} without it, {fitted.nll_after:.3f} with it)."
    if fitted.at_an_end:
        why = "hardly an error" if fitted.temperature == LOWEST else "hardly anything that the model knows"
        words += (
            f" This is an end of the range that is searched, {LOWEST:g} to {HIGHEST:g}: the validation split holds {why}, and "
            "does not say how sure the model may be. Do not rely on these probabilities."
        )
    return (
        f"{words} The emotions of an utterance keep their order: no predicted label, and no score above, changes. The "
        f"probabilities in {dataset}/predictions.csv, and those of the study, are with the temperature."
    )


def _verdict(report: CalibrationReport, evaluate: EvaluateParams) -> str:
    low, high = report.change.nll.low, report.change.nll.high
    if low is None or high is None:
        change = "There are too few test units to tell whether the temperature helps here."
    elif high < 0:
        change = "The temperature makes the probabilities better (its interval of the NLL's change lies below 0)."
    elif low > 0:
        change = (
            "The temperature makes the probabilities worse here (the interval of the NLL's change lies above 0): the test split "
            "is not like the validation split."
        )
    else:
        change = (
            "Whether the temperature makes the probabilities better this test split cannot tell: the interval of the NLL's "
            "change holds 0."
        )
    return f"{_belief(report.after, report.n, evaluate)} {change}"


def _belief(after: Reliability, n: int, evaluate: EvaluateParams) -> str:
    error = after.measures.ece.value
    right = sum(one.n * (one.accuracy or 0.0) for one in after.bins) / n
    differ = (
        f"With the temperature, confidence and share of right answers differ by {_plain_points(error)} on average (ECE); on "
        f"{plural(n, 'answer')} even exact probabilities would differ by {_plain_points(after.chance_ece)}."
    )
    if error <= after.chance_ece_high:
        return (
            f"{differ} So no more is seen here than chance makes of exact probabilities: nothing says that they cannot be "
            "believed."
        )
    sure = "surer" if after.confidence > right else "less sure"
    return (
        f"{differ} More than {_plain_points(after.chance_ece_high)} would come by chance in "
        f"{100 * (1 - evaluate.confidence):.2g}% of such splits: the probabilities are not exact. On the whole the model is "
        f"{sure} than it is right (mean confidence {percent(after.confidence)}, accuracy {percent(right)})."
    )


def _doubt(report: CalibrationReport) -> str:
    whole = report.coverage[0]
    kept = next(kept for kept in report.coverage if kept.coverage == QUARTER)
    return (
        f"What doubt is good for: if the least certain {100 - QUARTER}% of the utterances are left to a person, the model answers "
        f"{count(kept.n)} of {count(whole.n)}, with a weighted F1 of "
        f"{_in_percent(kept.wf1)} in place of {percent(whole.wf1.value)}."
    )


def _bins_table(name: str, report: CalibrationReport) -> Table:
    def cells(one: Bin) -> tuple[str, str, str]:
        return count(one.n), percent(one.confidence), percent(one.accuracy)

    columns = [Column("Confidence")]
    for group in ("Without temperature", "With temperature"):
        columns += [Column(title, "number", group) for title in ("Answers", "Mean", "Right")]
    return Table(
        f"{name}: the answers by their confidence; bins without an answer are left out.",
        columns,
        [
            (f"{100 * before.low:.1f}–{100 * before.high:.1f}%", *cells(before), *cells(after))
            for before, after in zip(report.before.bins, report.after.bins, strict=True)
            if before.n or after.n
        ],
    )


def _in_percent(one: Estimate) -> str:
    return percent_with_range(one.value, one.low, one.high)


def _plain_points(fraction: float) -> str:
    return f"{100 * fraction:.1f} points"


def _points(one: Estimate) -> str:
    scaled = Estimate.of(*(float("nan") if end is None else 100 * end for end in (one.value, one.low, one.high)))
    return _number(scaled, decimals=1, sign="+")


def _number(one: Estimate, *, decimals: int = 3, sign: str = "") -> str:
    """Return a number with its interval, such as 0.223 (0.153 to 0.301); with `sign` + that of each is shown."""
    value, *ends = (
        "" if number is None else f"{round(number, decimals) + 0.0:{sign}.{decimals}f}".replace("-", MINUS)
        for number in (one.value, one.low, one.high)
    )
    return f"{value} ({ends[0]} to {ends[1]})" if all(ends) else value
