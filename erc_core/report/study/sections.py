"""What the report says about the study of one dataset: a section for each table, the curves in one."""

from collections.abc import Mapping, Sequence

from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Block, Drawn, Numbering, Paragraph, Picture, Section
from erc_core.report.page.formats import listed
from erc_core.report.study.notes import gap_notes, title_of
from erc_core.report.study.rows import Row
from erc_core.report.study.tables import StudyTable
from erc_core.report.study.text import MEMORY_WORDS, layouts

SWEEPS = "Parameter analysis"
INTRODUCTION = (
    "These are models of their own, trained from the configuration study.base in params.yaml, which does not follow the "
    "parameters of the model above; their epochs were chosen on the validation split as well. The t-test asks whether a "
    "difference would come back with other seeds, the bootstrap whether it would come back on other dialogues: a "
    "difference that only one of them bears out is no result yet."
)


def study_sections(
    dataset: str,
    tables: Sequence[StudyTable],
    drawn: Mapping[str, Drawn],
    evaluate: EvaluateParams,
    numbering: Numbering,
) -> list[Section]:
    """Show the tables of a study.

    Args:
        dataset: Its name.
        tables: The study's tables in the order of params.yaml; none if it runs nothing.
        drawn: The figures of its curves, by the names that `sweeps` gives.
        evaluate: How intervals and tests were made.
        numbering: Of tables and figures, continued.

    Returns:
        A section for each table, all curves in one; a single one with a line where the study runs nothing.
    """
    if not tables:
        text = (
            "No study was run: study.run in params.yaml is empty. The variants named there are trained for the tables of "
            "comparison, ablation, fusion, parameters and readings of the paper."
        )
        return [Section("Study", f"{dataset}-study", (Paragraph(text),))]
    blocks: dict[str, list[Block]] = {}
    for table in tables:
        title = SWEEPS if table.kind == "sweep" else table.name.replace("_", " ").capitalize()
        blocks.setdefault(title, []).extend(_table_blocks(table, drawn, evaluate, numbering))
    blocks[next(iter(blocks))].insert(0, Paragraph(INTRODUCTION))
    return [
        Section(title, f"{dataset}-study-{i}", tuple(of_title)) for i, (title, of_title) in enumerate(blocks.items(), 1)
    ]


def sweeps(table: StudyTable) -> dict[str, list[Row]]:
    """Return the curves of a table by the names of their figures: one for each system of a sweep with numbers.

    Args:
        table: Of any kind.
    """
    groups: dict[str, list[Row]] = {}
    if table.kind == "sweep":
        for row in table.rows:
            groups.setdefault(row.group, []).append(row)
    names = [table.name] if len(groups) == 1 else [f"{table.name}_{i}" for i in range(1, len(groups) + 1)]
    return {
        name: rows
        for name, rows in zip(names, groups.values(), strict=True)
        if any(row.missing is None for row in rows)
    }


def _table_blocks(
    table: StudyTable, drawn: Mapping[str, Drawn], evaluate: EvaluateParams, numbering: Numbering
) -> list[Block]:
    if table.is_empty:
        return [Paragraph(f"Nothing to show of “{title_of(table)}”. {' '.join(gap_notes(table))}")]
    blocks: list[Block] = [
        numbering.table(layout.caption, layout.columns, layout.rows, layout.groups, layout.notes)
        for layout in layouts(table, evaluate)
    ]
    pictures = [_curves(table, name, rows, drawn, numbering) for name, rows in sweeps(table).items()]
    return [*pictures, *blocks]


def _curves(
    table: StudyTable, name: str, rows: Sequence[Row], drawn: Mapping[str, Drawn], numbering: Numbering
) -> Picture:
    shown = [row for row in rows if row.missing is None]
    system = f", {rows[0].group}" if rows[0].group else ""
    words = [f"{table.dataset}, test split{system}: {title_of(table)}."]
    kinds = {row.cost.memory for row in shown if row.cost}
    if len(kinds) == 1:
        memory = next(iter(kinds))
        words.append(
            f"Left axis: accuracy and weighted F1. Right axis: peak memory ({MEMORY_WORDS.get(memory, memory)})."
        )
    if any(len(row.seeds) > 1 for row in shown):
        some = " where there are several" if any(len(row.seeds) == 1 for row in shown) else ""
        words.append(f"Bars are one standard deviation over the seeds{some}.")
    else:
        words.append("One seed for each value.")
    absent = [str(row.value) for row in rows if row.missing is not None]
    if absent:
        words.append(f"Without a point: {listed(absent)}.")
    return numbering.picture(
        " ".join(words), f"Curves over {table.key}; the numbers are in the table below.", drawn[name]
    )
