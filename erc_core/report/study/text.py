"""The tables of a study in words and figures, for the report and for LaTeX alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Column
from erc_core.report.page.formats import MINUS, MISSING, MODALITIES, count, hundredths, listed, p_value, points
from erc_core.report.study.notes import (
    gap_notes,
    origin_note,
    paired_words,
    reference_words,
    star_note,
    tested_note,
    title_of,
)
from erc_core.report.study.paper import DIFFERENCES
from erc_core.report.study.rows import Cost, Row
from erc_core.report.study.tables import StudyTable

METRIC_TITLES = {"acc": "Accuracy", "wf1": "Weighted F1"}
MEMORY_WORDS = {
    "resident": "what the training added to the memory of the process",
    "gpu": "what the training held on the GPU",
}
STAR = "*"

Cell = Callable[[Row], str]


@dataclass(frozen=True)
class Layout:
    """A table without its number; see document.Table."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]


def layouts(table: StudyTable, evaluate: EvaluateParams) -> list[Layout]:
    """Lay out a table of a study.

    Args:
        table: Its numbers.
        evaluate: How intervals and tests were made.

    Returns:
        The table, and where rows were compared with a reference, the table of tests.
    """
    if table.kind == "sweep":
        return [sweep_layout(table)]
    return [scores_layout(table, evaluate), *([tests_layout(table, evaluate)] if table.compared else [])]


def scores_layout(table: StudyTable, evaluate: EvaluateParams) -> Layout:
    """Lay out the scores of a table that has a reference, one row per system.

    Args:
        table: Of kind modalities or rows.
        evaluate: Confidence of the intervals.

    Returns:
        For each metric the mean and the standard deviation over the seeds with the interval of the mean; in a table
        against one reference the difference from it; where the paper prints the row, its figure and the gap to it.
    """
    interval = f"{100 * evaluate.confidence:g}% interval"
    differences = table.kind == "rows" and bool(table.compared)
    columns: list[tuple[Column, Cell]] = [(Column("Model"), lambda row: row.label)]
    for metric, title in METRIC_TITLES.items():
        group = f"{title} (%)"
        columns.append((Column("mean ± sd" if table.has_seeds else "score", "number", group), _score(metric)))
        if table.has_seeds:
            columns.append((Column(interval, "number", group), _interval(metric)))
        if differences:
            columns.append((Column("diff.", "number", group), _difference(metric)))
        if table.has_paper:
            columns.append((Column("paper", "number", group), _paper(metric, table.name)))
            columns.append((Column("gap", "number", group), _paper_gap(metric, table.name)))
    words = [_subject(table)]
    if table.has_seeds:
        words.append(f"Mean and standard deviation over the seeds, and Student’s {interval} of the mean.")
    if differences:
        words.append(f"Diff.: difference from {reference_words(table)} in points{paired_words(table)}.")
    if table.has_paper:
        words.append("Paper: as printed by Shi et al. (arXiv 2405.17900); gap: ours minus the paper’s, in points.")
    return _layout(table, words, columns, (star_note(table), *gap_notes(table), origin_note(table)))


def tests_layout(table: StudyTable, evaluate: EvaluateParams) -> Layout:
    """Lay out the tests of a table: its rows that were compared with a reference, a line for each score.

    Args:
        table: Of kind modalities or rows, with compared rows.
        evaluate: Confidence of the intervals and number of resamples.

    Returns:
        The mean difference over the seeds with the p value of the t test (unless there is one seed), and the difference of
        the averaged predictions with its interval and the p value of the bootstrap.
    """
    interval = f"{100 * evaluate.confidence:g}% interval"
    columns = [Column("Model"), Column("Score")]
    if table.has_seeds:
        columns += [
            Column("difference", "number", "Single trainings"),
            Column("p, t-test", "number", "Single trainings"),
            Column("difference", "number", "Predictions averaged over seeds"),
            Column(interval, "number", "Predictions averaged over seeds"),
            Column("p, bootstrap", "number", "Predictions averaged over seeds"),
        ]
    else:
        columns += [Column("Difference", "number"), Column(interval, "number"), Column("p, bootstrap", "number")]
    cells = []
    for row in table.compared:
        for metric, title in METRIC_TITLES.items():
            found = row.differences[metric]
            ends = MISSING if found.low is None else f"{points(found.low)} to {points(found.high)}"
            over_dialogues = (points(found.averaged), ends, p_value(found.p_bootstrap_holm))
            over_seeds = (points(found.mean), p_value(found.p_t_holm)) if table.has_seeds else ()
            cells.append((row.label, title, *over_seeds, *over_dialogues))
    tests = "tests over seeds and over dialogues" if table.has_seeds else "tests over dialogues"
    return Layout(
        f"{table.dataset}, test split: differences from {reference_words(table)}, in points, with the p values of {tests}.",
        tuple(columns),
        tuple(cells),
        _groups([row for row in table.compared for _ in METRIC_TITLES]),
        (tested_note(table, evaluate), "Weights, seeds, hardware, precision and commit: as in the table above."),
    )


def sweep_layout(table: StudyTable) -> Layout:
    """Lay out the points of a sweep: scores, size, memory and time for each value."""
    several = any(row.group for row in table.rows)
    name = table.key if several else table.rows[0].label
    columns: list[tuple[Column, Cell]] = [(Column(name, "number"), lambda row: str(row.value).replace("-", MINUS))]
    for metric, title in METRIC_TITLES.items():
        columns.append((Column("mean", "number", f"{title} (%)"), _mean(metric)))
        if table.has_seeds:
            columns.append((Column("sd", "number", f"{title} (%)"), _sd(metric)))
    if table.has_seeds:
        columns.append((Column("Seeds", "number"), _shown(lambda row: str(len(row.seeds)))))
    columns += [
        (
            Column("Parameters", "number"),
            _cost(lambda cost: MISSING if cost.parameters is None else count(cost.parameters)),
        ),
        (Column("Peak memory (MiB)", "number"), _cost(lambda cost: f"{cost.peak_memory_mb:,.0f}")),
        (Column("Epoch (s)", "number"), _cost(lambda cost: f"{cost.seconds_per_epoch:,.1f}")),
        (
            Column("Latency (ms)", "number"),
            _cost(lambda cost: MISSING if cost.latency_ms is None else f"{cost.latency_ms:,.1f}"),
        ),
    ]
    words = [_subject(table)]
    if not several:
        words.append(f"{name} is {table.key}.")
    memory = listed([MEMORY_WORDS.get(kind, kind) for kind in table.memory])
    words.append(f"Peak memory: the most of {memory}. Latency: one utterance in a batch of one.")
    return _layout(table, words, columns, (*gap_notes(table), origin_note(table)))


def _layout(
    table: StudyTable, caption: Sequence[str], columns: Sequence[tuple[Column, Cell]], notes: Sequence[str]
) -> Layout:
    return Layout(
        " ".join(caption),
        _heads([column for column, _ in columns]),
        tuple(tuple(cell(row) for _, cell in columns) for row in table.rows),
        _groups(table.rows),
        tuple(note for note in notes if note),
    )


def _heads(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return columns in which a group of one column gives it its name."""
    heads: list[Column] = []
    for group, members in groupby(columns, key=lambda column: column.group):
        of_group = list(members)
        heads += [Column(group, of_group[0].kind)] if group and len(of_group) == 1 else of_group
    return tuple(heads)


def _groups(rows: Sequence[Row]) -> tuple[tuple[int, str], ...]:
    """Return where each group of rows begins, with its head."""
    groups, start = [], 0
    for group, members in groupby(row.group for row in rows):
        if group:
            groups.append((start, MODALITIES.get(group, group)))
        start += len(list(members))
    return tuple(groups)


def _subject(table: StudyTable) -> str:
    return f"{table.dataset}, test split: {title_of(table)}."


def _shown(cell: Cell) -> Cell:
    """Return a cell that is a dash in a row without numbers."""
    return lambda row: MISSING if row.missing is not None else cell(row)


def _score(metric: str) -> Cell:
    def cell(row: Row) -> str:
        score = row.scores[metric]
        star = STAR if metric in row.differences and row.differences[metric].star else ""
        spread = "" if score.sd is None else f" ± {hundredths(score.sd)}"
        return f"{hundredths(score.mean)}{spread}{star}"

    return _shown(cell)


def _mean(metric: str) -> Cell:
    return _shown(lambda row: hundredths(row.scores[metric].mean))


def _sd(metric: str) -> Cell:
    return _shown(lambda row: hundredths(row.scores[metric].sd))


def _interval(metric: str) -> Cell:
    def cell(row: Row) -> str:
        low, high = row.scores[metric].low, row.scores[metric].high
        return MISSING if low is None else f"{hundredths(low)}–{hundredths(high)}"

    return _shown(cell)


def _difference(metric: str) -> Cell:
    return lambda row: points(row.differences[metric].mean) if metric in row.differences else MISSING


def _paper(metric: str, table: str) -> Cell:
    shown = points if table in DIFFERENCES else hundredths
    return lambda row: shown(row.paper.get(metric))


def _paper_gap(metric: str, table: str) -> Cell:
    return lambda row: points(row.paper_gap(metric, table))


def _cost(number: Callable[[Cost], str]) -> Cell:
    return lambda row: number(row.cost) if row.cost else MISSING
