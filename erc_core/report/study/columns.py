"""The columns of a study's tables: what is known of a row, as CSV holds it, and how pages and LaTeX show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Cells, Column, Kind
from erc_core.report.page.formats import MINUS, MISSING, hundredths, p_value, points
from erc_core.report.study.differences import METRICS
from erc_core.report.study.paper import DIFFERENCES
from erc_core.report.study.rows import Row
from erc_core.report.study.tables import StudyTable

METRIC_TITLES = {"acc": "Accuracy", "wf1": "Weighted F1"}
STAR = "*"
OF_SCORES = ("mean", "sd", "low", "high")
# Column of CSV -> attribute of Difference
OF_DIFFERENCES = {
    "difference": "mean",
    "p_t": "p_t",
    "p_t_holm": "p_t_holm",
    "averaged_difference": "averaged",
    "averaged_low": "low",
    "averaged_high": "high",
    "p_bootstrap": "p_bootstrap",
    "p_bootstrap_holm": "p_bootstrap_holm",
    "star": "star",
}
COSTS = (
    "parameters", "trained_parameters", "activations_mb", "peak_memory_mb", "memory", "seconds_per_epoch", "latency_ms",
)  # fmt: skip
# Column of CSV -> attribute of Origin
OF_ORIGIN = {
    "system": "system",
    "weights": "weights",
    "backbones": "backbone",
    "devices": "device",
    "precisions": "precision",
    "commits": "commit",
}

Values = Mapping[str, Any]


def row_values(table: StudyTable, row: Row) -> dict[str, Any]:
    """Return everything that is known of a row: column of CSV -> value, None where there is none.

    Scores, differences and the paper's figures are fractions, nothing is rounded. <metric>_paper and <metric>_paper_gap
    (measured minus printed) are differences to the full model where the paper prints such.
    """
    values: dict[str, Any] = {
        "dataset": table.dataset,
        "synthetic": table.synthetic,
        "table": table.name,
        "group": row.group,
        "row": row.label,
        "variant": row.variant,
        "key": table.key,
        "value": row.point,
        "missing": row.missing,
        "not_compared": row.not_compared,
        "seeds": " ".join(map(str, row.seeds)),
        "unfinished_seeds": " ".join(map(str, row.unfinished)),
    }
    for metric in METRICS:
        score, difference = row.scores.get(metric), row.differences.get(metric)
        values |= {f"{metric}_{name}": getattr(score, name, None) for name in OF_SCORES}
        values |= {f"{metric}_{name}": getattr(difference, of, None) for name, of in OF_DIFFERENCES.items()}
        values |= {f"{metric}_paper": row.paper.get(metric), f"{metric}_paper_gap": row.paper_gap(metric, table.name)}
    values |= {name: getattr(row.cost, name, None) for name in COSTS}
    return values | {name: getattr(row.origin, of, None) for name, of in OF_ORIGIN.items()}


@dataclass(frozen=True)
class ShownColumn:
    """A column that is shown."""

    head: Column  # its head
    in_words: Callable[..., str]  # how the values read
    names: tuple[str, ...]  # those of row_values that it shows


def cells(columns: Sequence[ShownColumn], values: Values) -> Cells:
    """Return the cells of a row that has these values."""
    return tuple(column.in_words(*(values[name] for name in column.names)) for column in columns)


def score_columns(table: StudyTable, evaluate: EvaluateParams, *, intervals: bool) -> list[ShownColumn]:
    """Return the columns of a table of scores: of each metric the mean with its spread and interval, and what it is beside.

    The difference is shown in a table against one reference, the paper's figure where the paper prints one of the rows.
    """
    paper = points if table.name in DIFFERENCES else hundredths
    shown = [_shown("Model", str, "row", kind="text")]
    for metric, title in METRIC_TITLES.items():
        group, of = f"{title} (%)", f"{metric}_"
        title = "mean ± sd" if table.has_seeds else "score"
        shown.append(_shown(title, _score, f"{of}mean", f"{of}sd", f"{of}star", group=group))
        if table.has_seeds and intervals:
            shown.append(_shown(interval_title(evaluate), _interval, f"{of}low", f"{of}high", group=group))
        if table.kind == "rows" and table.compared:
            shown.append(_shown("diff.", points, f"{of}difference", group=group))
        if table.has_paper:
            shown.append(_shown("paper", paper, f"{of}paper", group=group))
            shown.append(_shown("gap", points, f"{of}paper_gap", group=group))
    return shown


def test_columns(table: StudyTable, metric: str, evaluate: EvaluateParams) -> list[ShownColumn]:
    """Return the columns of a table of tests for the lines of one metric: over seeds, unless there is one, and dialogues."""
    of, title, groups = f"{metric}_", "Difference", ("", "")
    if table.has_seeds:
        title, groups = "difference", ("Single trainings", "Predictions averaged over seeds")
    over_seeds = [
        _shown(title, points, f"{of}difference", group=groups[0]),
        _shown("p, t-test", p_value, f"{of}p_t_holm", group=groups[0]),
    ]
    return [
        _shown("Model", str, "row", kind="text"),
        _shown("Score", lambda: METRIC_TITLES[metric], kind="text"),
        *(over_seeds if table.has_seeds else []),
        _shown(title, points, f"{of}averaged_difference", group=groups[1]),
        _shown(interval_title(evaluate), _range, f"{of}averaged_low", f"{of}averaged_high", group=groups[1]),
        _shown("p, bootstrap", p_value, f"{of}p_bootstrap_holm", group=groups[1]),
    ]


def sweep_columns(table: StudyTable, title: str) -> list[ShownColumn]:
    """Return the columns of a sweep over values that have this title: scores, size, memory and time.

    Peak memory has a column where it is the GPU's: what a process holds depends on what it did before.
    """
    shown = [_shown(title, lambda value: str(value).replace("-", MINUS), "value")]
    shown += [
        _shown(of, hundredths, f"{metric}_{of}", group=f"{name} (%)")
        for metric, name in METRIC_TITLES.items()
        for of in (("mean", "sd") if table.has_seeds else ("mean",))
    ]
    if table.has_seeds:
        shown.append(_shown("Seeds", lambda seeds: str(len(seeds.split())) if seeds else MISSING, "seeds"))
    return [
        *shown,
        _shown("Parameters", _number(0), "parameters"),
        *([_shown("Activations (MiB)", _number(1), "activations_mb")] if table.has_activations else []),
        *([_shown("Peak memory (MiB)", _number(0), "peak_memory_mb")] if table.has_gpu_memory else []),
        _shown("Epoch (s)", _number(1), "seconds_per_epoch"),
        _shown("Latency (ms)", _number(1), "latency_ms"),
    ]


def interval_title(evaluate: EvaluateParams) -> str:
    """Name the intervals."""
    return f"{100 * evaluate.confidence:g}% interval"


def _shown(
    title: str, in_words: Callable[..., str], *names: str, kind: Kind = "number", group: str = ""
) -> ShownColumn:
    return ShownColumn(Column(title, kind, group), in_words, names)


def _score(mean: float | None, sd: float | None, star: bool | None) -> str:
    spread = "" if sd is None else f" ± {hundredths(sd)}"
    return f"{hundredths(mean)}{spread}{STAR if star else ''}"


def _interval(low: float | None, high: float | None) -> str:
    return MISSING if low is None else f"{hundredths(low)}–{hundredths(high)}"


def _range(low: float | None, high: float | None) -> str:
    return MISSING if low is None else f"{points(low)} to {points(high)}"


def _number(digits: int) -> Callable[[float | None], str]:
    return lambda number: MISSING if number is None else f"{number:,.{digits}f}"
