"""The tables of a study with captions and notes, for the report and for LaTeX alike."""

from collections import Counter
from collections.abc import Sequence

from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Column, Table
from erc_core.report.page.formats import MODALITIES, listed
from erc_core.report.study.columns import (
    METRIC_TITLES,
    ShownColumn,
    cells,
    interval_title,
    row_values,
    score_columns,
    sweep_columns,
    test_columns,
)
from erc_core.report.study.notes import (
    gap_notes,
    origin_note,
    paired_words,
    reference_words,
    star_note,
    tested_note,
    title_of,
)
from erc_core.report.study.rows import Row
from erc_core.report.study.tables import StudyTable

MEMORY_WORDS = {
    "resident": "what the training added to the memory of the process",
    "gpu": "what the training held on the GPU",
}


def shown_tables(table: StudyTable, evaluate: EvaluateParams) -> list[Table]:
    """Return a table of a study as it is shown, and where rows were compared with a reference, the table of tests."""
    if table.kind == "sweep":
        return [sweep_table(table)]
    return [scores_table(table, evaluate), *([tests_table(table, evaluate)] if table.compared else [])]


def scores_table(table: StudyTable, evaluate: EvaluateParams) -> Table:
    """Show the scores of a table that has a reference, one row per system."""
    columns, words = score_columns(table, evaluate), []
    if table.has_seeds:
        words.append(
            f"Mean and standard deviation over the seeds, and Student’s {interval_title(evaluate)} of the mean."
        )
    if any(column.head.title == "diff." for column in columns):
        words.append(f"Diff.: difference from {reference_words(table)} in points{paired_words(table)}.")
    if table.has_paper:
        words.append("Paper: as printed by Shi et al. (arXiv 2405.17900); gap: ours minus the paper’s, in points.")
    return _table(table, words, columns, [star_note(table)])


def tests_table(table: StudyTable, evaluate: EvaluateParams) -> Table:
    """Show the tests of the rows that were compared with a reference, a line for each score."""
    columns = [test_columns(table, metric, evaluate) for metric in METRIC_TITLES]
    tests = "tests over seeds and over dialogues" if table.has_seeds else "tests over dialogues"
    return Table(
        f"{table.dataset}, test split: differences from {reference_words(table)}, in points, with the p values of {tests}.",
        [column.head for column in columns[0]],
        [cells(shown, row_values(table, row)) for row in table.compared for shown in columns],
        _groups([row for row in table.compared for _ in columns]),
        [tested_note(table, evaluate), "Weights, seeds, hardware, precision and commit: as in the table above."],
    )


def sweep_table(table: StudyTable) -> Table:
    """Show the points of a sweep: scores, size, memory and time for each value."""
    several = any(row.group for row in table.rows)
    name = table.key if several else table.rows[0].label
    memory = listed([MEMORY_WORDS.get(kind, kind) for kind in table.memory])
    words = [] if several else [f"{name} is {table.key}."]
    words.append(f"Peak memory: the most of {memory}. Latency: one utterance in a batch of one.")
    return _table(table, words, sweep_columns(table, name), [])


def _table(table: StudyTable, words: list[str], columns: list[ShownColumn], notes: list[str]) -> Table:
    return Table(
        " ".join([f"{table.dataset}, test split: {title_of(table)}.", *words]),
        _heads([column.head for column in columns]),
        [cells(columns, row_values(table, row)) for row in table.rows],
        _groups(table.rows),
        [note for note in (*notes, *gap_notes(table), origin_note(table)) if note],
    )


def _heads(columns: Sequence[Column]) -> list[Column]:
    """Return columns in which a group of one column gives it its name."""
    alone = Counter(column.group for column in columns)
    return [
        Column(column.group, column.kind) if column.group and alone[column.group] == 1 else column for column in columns
    ]


def _groups(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Return where each group of rows begins, with its head."""
    before = ["", *(row.group for row in rows)]
    starts = [i for i, row in enumerate(rows) if row.group and row.group != before[i]]
    return [(i, MODALITIES.get(rows[i].group, rows[i].group)) for i in starts]
