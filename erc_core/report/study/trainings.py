"""How the trainings of a study went: validation curves of every system and seed, and which may not have stopped improving."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from erc_core.report.page.document import Cells, Drawn, Picture, Section, Table, heads
from erc_core.report.page.formats import count, hundredths, plural
from erc_core.report.study.rows import FLAT, Row
from erc_core.report.study.tables import StudyTable

TITLE = "Validation curves"
MARK = "†"


@dataclass(frozen=True)
class Panel:
    """One figure of curves: a line name for each row, in a title's name."""

    title: str
    lines: Sequence[tuple[str, Row]]


def panels(table: StudyTable) -> dict[str, Panel]:
    """Return the curves of a table by the names of their figures: one for each system in a comparison, else one."""
    groups: dict[str, list[tuple[str, Row]]] = {}
    for row in table.shown:
        if any(run.val_curve for run in row.runs):
            of_system = table.kind == "modalities"
            groups.setdefault(row.label if of_system else "", []).append((line_name(table, row), row))
    # a dot stands in no name of a table, so these are no other figure's
    return {
        f"{table.name}.training" + (f".{i}" if title else ""): Panel(title or table.title.strip().rstrip("."), lines)
        for i, (title, lines) in enumerate(groups.items(), 1)
    }


def line_name(table: StudyTable, row: Row) -> str:
    """Return what a row is called among those of its panel."""
    if table.kind == "modalities":
        return row.group
    return f"{row.label} = {row.value}" if table.kind == "sweep" else row.label


def training_section(tables: Sequence[StudyTable], drawn: Mapping[str, Drawn]) -> Section | None:
    """Show the curves and the epochs of all trainings of a study, each once; None where none was recorded."""
    pictures = [_picture(table, drawn) for table in tables if panels(table)]
    if not pictures:
        return None
    named: dict[tuple[str, str], tuple[str, Row]] = {}
    for table in tables:
        for row in table.shown:
            named.setdefault(row.trained, (full_name(table, row), row))
    rows = list(named.values())
    total = sum(len(row.runs) for _, row in rows)
    by_patience = sum(run.stopped_by == "patience" for _, row in rows for run in row.runs)
    unfinished = sum(len(row.unfinished) for _, row in rows)
    rule = (
        "Every system is trained until its weighted F1 on the validation split has not risen for train.patience epochs, or "
        "until its epochs are used up; the best epoch’s weights are scored on the test split. "
        f"Patience ended {count(by_patience)} of {plural(total, 'training')}. By construction these have their best epoch before "
        "the last, which is no evidence that they had converged: a best epoch that was the last only shows trainings that were "
        f"cut off by the largest number of epochs, here {count(unfinished)}{f' (marked {MARK})' if unfinished else ''}."
    )
    return Section(TITLE, "study-trainings", (rule, *pictures, _table(tables[0].dataset, rows)))


def full_name(table: StudyTable, row: Row) -> str:
    """Return what a row is called among all of a study."""
    return f"{row.label}, {row.group}" if table.kind == "modalities" else line_name(table, row)


def unfinished_note(table: StudyTable) -> str:
    """Say which of a table's trainings may not have stopped improving; nothing where there is none."""
    marked = _named((full_name(table, row), row.unfinished) for row in table.shown)
    return f"{MARK} The best epoch was the last, so that more might have raised the score: {marked}." if marked else ""


def _named(trainings: Iterable[tuple[str, Sequence[int]]]) -> str:
    """Name rows with those of their seeds that are meant, those without any left out."""
    return "; ".join(f"{name} (seed {', '.join(map(str, seeds))})" for name, seeds in trainings if seeds)


def _picture(table: StudyTable, drawn: Mapping[str, Drawn]) -> Picture:
    first, *beside = (drawn[name] for name in panels(table))
    marked = any(row.unfinished for row in table.shown)
    ring = " A ring marks a best epoch that was the last one." if marked else ""
    return Picture(
        f"{table.dataset}, validation split: {table.title.strip().rstrip('.')}. Weighted F1 after each epoch, a line for each "
        f"seed; a dot marks the best epoch.{ring}",
        "Curves of the weighted F1 on the validation split; best epochs are in the table below.",
        first,
        beside,
    )


def _table(dataset: str, rows: Sequence[tuple[str, Row]]) -> Table:
    words = {"patience": "patience", "epochs": "no epoch left"}
    cells: list[Cells] = []
    for name, row in rows:
        stopped = Counter(words[run.stopped_by] for run in row.runs)
        cells.append(
            (
                name,
                ", ".join(map(str, row.seeds)),
                ", ".join(str(run.epochs) for run in row.runs),
                ", ".join(f"{run.best_epoch}{MARK if run.seed in row.unfinished else ''}" for run in row.runs),
                ", ".join(hundredths(run.val_wf1) for run in row.runs),
                ", ".join(stopped) if len(stopped) == 1 else ", ".join(f"{of} ({n})" for of, n in stopped.items()),
            )
        )
    notes = [f"{MARK} The best epoch was the last."] if any(row.unfinished for _, row in rows) else []
    if flat := _named((name, row.flat) for name, row in rows):
        notes.append(
            f"The validation score was the same to four digits in each of the last {FLAT} epochs, where a learning rate that a "
            f"plateau has lowered too far looks like convergence: {flat}."
        )
    return Table(
        f"{dataset}: the trainings of the study, seed by seed: epochs that ran, the best of them, and its weighted F1 on the "
        "validation split (%).",
        heads("Model", "#Seeds", "#Epochs", "#Best epoch", "#Validation W-F1", "Stopped by"),
        cells,
        notes=notes,
    )
