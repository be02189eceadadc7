"""The tables of a study with captions and notes, for the report and for LaTeX alike.

Notes say what a star means, what was tested, what is missing, where the numbers come from.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from erc_core.evaluation.units import MIN_UNITS, too_few
from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Column, Table
from erc_core.report.page.formats import MODALITIES, listed, plural, value
from erc_core.report.study import columns
from erc_core.report.study.columns import ShownColumn, cells, row_values
from erc_core.report.study.differences import ALPHA
from erc_core.report.study.rows import FULL_LABEL, Row
from erc_core.report.study.tables import MODEL, StudyTable
from erc_core.report.study.trainings import unfinished_note

PEAK_MEMORY = "the most that a training held on the GPU, over the seeds that all rows have"
ACTIVATIONS = "what a training batch keeps for its gradient, counted"


def shown_tables(table: StudyTable, evaluate: EvaluateParams, *, intervals: bool = True) -> list[Table]:
    """Return a table of a study as it is shown, and where rows were compared with a reference, the table of tests.

    The first one without the intervals of scores, if asked.
    """
    if table.kind == "sweep":
        return [sweep_table(table)]
    return [
        scores_table(table, evaluate, intervals=intervals),
        *([tests_table(table, evaluate)] if table.compared else []),
    ]


def scores_table(table: StudyTable, evaluate: EvaluateParams, *, intervals: bool = True) -> Table:
    """Show the scores of a table that has a reference, one row per system."""
    shown, words = columns.score_columns(table, evaluate, intervals=intervals), []
    if table.has_seeds:
        interval = f", and Student’s {columns.interval_title(evaluate)} of the mean" if intervals else ""
        words.append(f"Mean and standard deviation over the seeds{interval}.")
    if any(column.head.title == "diff." for column in shown):
        words.append(f"Diff.: difference from {reference_words(table)} in points{paired_words(table)}.")
    if table.has_paper:
        words.append("Paper: as printed by Shi et al. (arXiv 2405.17900); gap: ours minus the paper’s, in points.")
    return _table(table, words, shown, [star_note(table)])


def tests_table(table: StudyTable, evaluate: EvaluateParams) -> Table:
    """Show the tests of the rows that were compared with a reference, a line for each score."""
    lines = [columns.test_columns(table, metric, evaluate) for metric in columns.METRIC_TITLES]
    over = ["over seeds"] * table.has_seeds + [f"over {table.unit}s"] * (table.n_units >= MIN_UNITS)
    with_p = f", with the p values of tests {' and '.join(over)}" if over else ""
    return Table(
        f"{table.dataset}, test split: differences from {reference_words(table)}, in points{with_p}.",
        [column.head for column in lines[0]],
        [cells(line, row_values(table, row)) for row in table.compared for line in lines],
        _groups([row for row in table.compared for _ in lines]),
        [tested_note(table, evaluate), "Weights, seeds, hardware, precision and commit: as in the table above."],
    )


def sweep_table(table: StudyTable) -> Table:
    """Show the points of a sweep: scores, size, memory and time for each value."""
    several = any(row.group for row in table.rows)
    name = table.key if several else table.rows[0].label
    words = [] if several else [f"{name} is {table.key}."]
    shown = columns.sweep_columns(table, name)
    titles = [column.head.title for column in shown]
    if any(title.startswith("Activations") for title in titles):
        words.append(f"Activations: {ACTIVATIONS}.")
    if table.has_gpu_memory:
        words.append(f"Peak memory: {PEAK_MEMORY}.")
    words.append("Latency: one utterance in a batch of one.")
    return _table(table, words, shown, [])


def _table(table: StudyTable, words: list[str], shown: list[ShownColumn], notes: list[str]) -> Table:
    return Table(
        " ".join([f"{table.dataset}, test split: {title_of(table)}.", *words]),
        _heads([column.head for column in shown]),
        [cells(shown, row_values(table, row)) for row in table.rows],
        _groups(table.rows),
        [
            note
            for note in (
                *notes,
                table.note,
                unfinished_note(table),
                changes_note(table),
                *gap_notes(table),
                *peer_notes(table),
                origin_note(table),
            )
            if note
        ],
    )


def _heads(heads: Sequence[Column]) -> list[Column]:
    """Return heads in which a group of one column gives it its name."""
    sizes = Counter(head.group for head in heads)
    return [Column(head.group, head.kind) if head.group and sizes[head.group] == 1 else head for head in heads]


def _groups(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Return where each group of rows begins, with its head."""
    before = ["", *(row.group for row in rows)]
    starts = [i for i, row in enumerate(rows) if row.group and row.group != before[i]]
    return [(i, MODALITIES.get(rows[i].group, rows[i].group)) for i in starts]


def title_of(table: StudyTable) -> str:
    """Return a table's title without the full stop that a sentence around it has."""
    return table.title.strip().rstrip(".")


def reference_words(table: StudyTable) -> str:
    """Name what the rows of a table are compared with."""
    name = "the full model" if table.reference == FULL_LABEL else table.reference
    return name + (" of the same modality" if table.kind == "modalities" else "")


def star_note(table: StudyTable) -> str:
    """Say what a star means, or why there is none; nothing where nothing was compared."""
    if not table.compared:
        return ""
    differences = [difference for row in table.compared for difference in row.differences.values()]
    if all(difference.p_t is None for difference in differences):
        return "No stars: a star stands for a paired t-test over seeds, which needs several seeds."
    level = f"p < {ALPHA:g} after Holm’s correction"
    if any(difference.star for difference in differences):
        return f"* differs from {reference_words(table)} by a paired t-test over seeds ({level})."
    return f"No stars: the paired t-test over seeds tells no row from {reference_words(table)} ({level})."


def paired_words(table: StudyTable) -> str:
    """Return what has to be said of differences where rows have other seeds than their reference: nothing, or a clause."""
    counts = {len(row.seeds) for row in table.shown}
    return ", over the seeds that both have, so not that of the two means" if len(counts) > 1 else ""


def tested_note(table: StudyTable, evaluate: EvaluateParams) -> str:
    """Say in one sentence what was tested."""
    tests = ["a two-sided t-test on the scores of single trainings, paired by seed"] * table.has_seeds
    averaged = "the predictions averaged over the seeds" if table.has_seeds else "the predictions"
    has_bootstrap = table.n_units >= MIN_UNITS
    untested = "" if has_bootstrap else f"No interval and no bootstrap: {too_few(table.n_units, table.unit)}."
    if not (has_bootstrap or table.has_seeds):
        return untested
    if has_bootstrap:
        resampled = f"{plural(evaluate.bootstrap_samples, 'resample')} of whole test {table.unit}s"
        tests.append(f"a bootstrap of {averaged} with {resampled}")
    values = "both p values" if table.has_seeds and has_bootstrap else "its p values"
    n = len(table.compared)
    correction = (
        f"{values} are corrected after Holm over the {n} comparisons of the table, each score for itself, intervals are not"
        if n > 1
        else f"{values} are those of the table’s one comparison, so that nothing is to correct"
    )
    tested = (
        f"Tested: the difference of each row from {reference_words(table)}, by {', and '.join(tests)}; {correction}."
    )
    return f"{tested} {untested}".rstrip()


def gap_notes(table: StudyTable) -> list[str]:
    """Say why rows have no numbers, or were not compared."""
    missing = _by_reason(table, [row.missing for row in table.rows])
    not_compared = _by_reason(table, [row.not_compared for row in table.rows])
    return [f"Missing (–): {missing}."] * bool(missing) + [f"Not compared: {not_compared}."] * bool(not_compared)


def changes_note(table: StudyTable) -> str:
    """Say what each row changes, where labels are words; with the temperature where the ICL reads raw features."""
    if table.kind != "rows":
        return ""
    words = [
        f"{row.label}: {', '.join(f'{key} = {value(setting)}' for key, setting in row.changes.items())}"
        for row in table.shown
        if row.changes
    ]
    return f"Changed, of study.base: {'; '.join(words)}." if words else ""


def peer_notes(table: StudyTable) -> list[str]:
    """Say of each system of others what its rows are."""
    peers: dict[str, list[Row]] = {}
    for row in table.shown:
        if row.origin and row.origin.system != MODEL:
            peers.setdefault(row.origin.system, []).append(row)
    notes = []
    for rows in peers.values():
        origin = rows[0].origin
        assert origin is not None
        differences = f": {'; '.join(origin.differences)}" if origin.differences else ""
        notes.append(
            f"{_names(table, rows)} as it stands here is not its authors’ code{differences}. Weights: {origin.weights}; "
            f"precision: {origin.precision}."
        )
    return notes


def origin_note(table: StudyTable) -> str:
    """Say which weights, seeds, hardware, precision and commit the numbers come from."""
    parts = {
        "Weights": _each(table, lambda row: row.origin.weights if row.origin else ""),
        "Seeds": _each(table, lambda row: ", ".join(map(str, row.seeds))),
        "Hardware": _each(table, lambda row: row.origin.device if row.origin else ""),
        "Precision": _each(table, lambda row: row.origin.precision if row.origin else ""),
        "Commit": _each(table, lambda row: row.origin.commit if row.origin else ""),
    }
    return " ".join(f"{name}: {words}." for name, words in parts.items() if words)


def _by_reason(table: StudyTable, reasons: list[str | None]) -> str:
    rows: dict[str, list[Row]] = {}
    for row, reason in zip(table.rows, reasons, strict=True):
        if reason is not None:
            rows.setdefault(reason, []).append(row)
    return "; ".join(f"{_names(table, of_reason)}, {reason}" for reason, of_reason in rows.items())


def _names(table: StudyTable, rows: list[Row]) -> str:
    """Name rows, a system with all of its modalities or values by its label alone."""
    names = []
    for label in dict.fromkeys(row.label for row in rows):
        ours = [row for row in rows if row.label == label]
        whole = len(ours) == sum(row.label == label for row in table.rows)
        if table.kind == "sweep" and not whole:
            names.append(f"{label} = {', '.join(str(row.value) for row in ours)}")
        elif table.kind == "modalities" and not whole:
            names.append(f"{label} ({', '.join(row.group for row in ours)})")
        else:
            names.append(label)
    return listed(names)


def _each(table: StudyTable, of: Callable[[Row], str]) -> str:
    """Name a fact of the rows, and where rows differ in it, whose it is."""
    rows: dict[str, list[Row]] = {}
    for row in table.shown:
        rows.setdefault(of(row), []).append(row)
    if len(rows) == 1:
        return next(iter(rows))
    return "; ".join(f"{words} ({_names(table, of_fact)})" for words, of_fact in rows.items())
