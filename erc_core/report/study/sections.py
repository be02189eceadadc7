"""What the report says about the study of one dataset: a section for each table, the curves in one."""

from collections.abc import Mapping, Sequence

from erc_core.params.training import EvaluateParams
from erc_core.report.page.document import Block, Drawn, Picture, Section
from erc_core.report.page.formats import listed
from erc_core.report.study.figures import memory_curve
from erc_core.report.study.rows import Row
from erc_core.report.study.tables import StudyTable
from erc_core.report.study.text import ACTIVATIONS, PEAK_MEMORY, gap_notes, shown_tables, title_of
from erc_core.report.study.trainings import training_section

SWEEPS = "Parameter analysis"
INTRODUCTION = (
    "These are models of their own, trained from the configuration study.base in params.yaml, which does not follow the "
    "parameters of the model above; their epochs were chosen on the validation split as well. Each training of each row is "
    "scored on the test split, so that many scores of one test split stand here: choose among rows by their validation "
    "scores. The t-test asks whether a "
    "difference would come back with other seeds, the bootstrap whether it would come back on other {}s: a "
    "difference that only one of them bears out is no result yet."
)
NO_STUDY = (
    "No study was run: study.run in params.yaml is empty. The variants named there are trained for the tables of "
    "comparison, ablation, fusion, parameters and readings of the paper."
)


def study_sections(tables: Sequence[StudyTable], drawn: Mapping[str, Drawn], evaluate: EvaluateParams) -> list[Section]:
    """Show the tables of a study: a section for each, all curves in one; a single line where the study runs nothing."""
    if not tables:
        return [Section("Study", "study", (NO_STUDY,))]
    blocks: dict[str, list[Block]] = {}
    for table in tables:
        title = SWEEPS if table.kind == "sweep" else table.name.replace("_", " ").capitalize()
        blocks.setdefault(title, []).extend(_table_blocks(table, drawn, evaluate))
    blocks[next(iter(blocks))].insert(0, INTRODUCTION.format(tables[0].unit))
    sections = [Section(title, f"study-{i}", tuple(of_title)) for i, (title, of_title) in enumerate(blocks.items(), 1)]
    trainings = training_section(tables, drawn)
    return [*sections, trainings] if trainings else sections


def sweeps(table: StudyTable) -> dict[str, list[Row]]:
    """Return the curves of a table by the names of their figures: one for each system of a sweep with numbers."""
    groups: dict[str, list[Row]] = {}
    if table.kind == "sweep":
        for row in table.rows:
            groups.setdefault(row.group, []).append(row)
    names = [table.name] if len(groups) == 1 else [f"{table.name}_{i}" for i in range(1, len(groups) + 1)]
    curves = zip(names, groups.values(), strict=True)
    return {name: rows for name, rows in curves if any(row.missing is None for row in rows)}


def _table_blocks(table: StudyTable, drawn: Mapping[str, Drawn], evaluate: EvaluateParams) -> list[Block]:
    if table.is_empty:
        return [f"Nothing to show of “{title_of(table)}”. {' '.join(gap_notes(table))}"]
    pictures = [_curves(table, rows, drawn[name]) for name, rows in sweeps(table).items()]
    return [*pictures, *shown_tables(table, evaluate)]


def _curves(table: StudyTable, rows: Sequence[Row], drawn: Drawn) -> Picture:
    shown = [row for row in rows if row.missing is None]
    system = f", {rows[0].group}" if rows[0].group else ""
    words = [f"{table.dataset}, test split{system}: {title_of(table)}."]
    memory, _ = memory_curve(rows)
    if memory:
        what = {"peak memory": PEAK_MEMORY, "activations": ACTIVATIONS}[memory]
        words.append(f"Left axis: accuracy and weighted F1. Right axis: {memory} ({what}).")
    if any(len(row.seeds) > 1 for row in shown):
        some = " where there are several" if any(len(row.seeds) == 1 for row in shown) else ""
        words.append(f"Bars are one standard deviation over the seeds{some}.")
    else:
        words.append("One seed for each value.")
    absent = [str(row.value) for row in rows if row.missing is not None]
    if absent:
        words.append(f"Without a point: {listed(absent)}.")
    return Picture(" ".join(words), f"Curves over {table.key}; the numbers are in the table below.", drawn)
