"""What stands under the tables of a study: what a star means, what was tested, what is missing, where the numbers come from."""

from collections.abc import Iterable

from erc_core.params.training import EvaluateParams
from erc_core.report.page.formats import listed, plural
from erc_core.report.study.differences import ALPHA
from erc_core.report.study.rows import FULL_LABEL, Row
from erc_core.report.study.tables import StudyTable


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
    if not any(difference.p_t is not None for row in table.compared for difference in row.differences.values()):
        return "No stars: a star stands for a paired t-test over seeds, which needs several seeds."
    level = f"p < {ALPHA:g} after Holm’s correction"
    if any(difference.star for row in table.compared for difference in row.differences.values()):
        return f"* differs from {reference_words(table)} by a paired t-test over seeds ({level})."
    return f"No stars: the paired t-test over seeds tells no row from {reference_words(table)} ({level})."


def paired_words(table: StudyTable) -> str:
    """Return what has to be said of differences where rows have other seeds than their reference: nothing, or a clause."""
    counts = {len(row.seeds) for row in table.rows if row.missing is None}
    return ", over the seeds that both have, so not that of the two means" if len(counts) > 1 else ""


def tested_note(table: StudyTable, evaluate: EvaluateParams) -> str:
    """Say in one sentence what was tested."""
    t_test = "a two-sided t-test on the scores of single trainings, paired by seed, and " if table.has_seeds else ""
    averaged = "the predictions averaged over the seeds" if table.has_seeds else "the predictions"
    values = "both p values" if table.has_seeds else "its p values"
    n = len(table.compared)
    correction = (
        f"{values} are corrected after Holm over the {n} comparisons of the table, each score for itself, intervals are not"
        if n > 1
        else f"{values} are those of the table’s one comparison, so that nothing is to correct"
    )
    return (
        f"Tested: the difference of each row from {reference_words(table)}, by {t_test}a bootstrap of {averaged} with "
        f"{plural(evaluate.bootstrap_samples, 'resample')} of whole test dialogues; {correction}."
    )


def gap_notes(table: StudyTable) -> list[str]:
    """Say why rows have no numbers, or were not compared."""
    missing = _by_reason(table, ((row, row.missing) for row in table.rows))
    apart = _by_reason(table, ((row, row.not_compared) for row in table.rows))
    return [f"Missing (–): {missing}."] * bool(missing) + [f"Not compared: {apart}."] * bool(apart)


def origin_note(table: StudyTable) -> str:
    """Say which weights, seeds, hardware, precision and commit the numbers come from."""
    origin = table.origin
    parts = {
        "Weights": origin.weights,
        "Seeds": (_seeds(table),),
        "Hardware": origin.devices,
        "Precision": origin.precisions,
        "Commit": origin.commits,
    }
    return " ".join(f"{name}: {'; '.join(values)}." for name, values in parts.items() if any(values))


def _by_reason(table: StudyTable, reasons: Iterable[tuple[Row, str | None]]) -> str:
    rows: dict[str, list[Row]] = {}
    for row, reason in reasons:
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


def _seeds(table: StudyTable) -> str:
    """Name the seeds, and where rows differ in them, whose they are."""
    rows: dict[tuple[int, ...], list[Row]] = {}
    for row in table.shown:
        rows.setdefault(row.seeds, []).append(row)
    named = {seeds: ", ".join(map(str, seeds)) for seeds in rows}
    if len(rows) == 1:
        return next(iter(named.values()))
    return "; ".join(f"{named[seeds]} ({_names(table, of_seeds)})" for seeds, of_seeds in rows.items())
