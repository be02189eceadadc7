"""The figures that the paper prints, to stand beside measured ones of the same corpus and classes."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from ruamel.yaml import YAML

PaperCorpus = Literal["meld", "iemocap"]

# Its corpora by the reader that reads them, with the number of classes of its tables
CLASSES: dict[str, tuple[PaperCorpus, int]] = {"meld": ("meld", 7), "iemocap": ("iemocap", 4)}
SCORES, DIFFERENCES = frozenset({"comparison"}), frozenset({"ablation", "fusion"})


def paper_corpus(ingest_format: str, labels: Sequence[str], *, synthetic: bool) -> PaperCorpus | None:
    """Return which of the paper's corpora a dataset is, by its reader (ingest.<dataset>.format) and its classes.

    None for a synthetic corpus in a real one's layout, for another corpus, and for another number of classes than the
    paper's (7 of MELD, 4 of IEMOCAP).
    """
    if synthetic or ingest_format not in CLASSES:
        return None
    corpus, n_classes = CLASSES[ingest_format]
    return corpus if len(labels) == n_classes else None


def printed(table: str, corpus: PaperCorpus | None, modality: str, row: str) -> dict[str, float]:
    """Return what the paper prints in one row of a table, by metric (acc, wf1), as fractions.

    They are scores from 0 to 1 in the tables of SCORES (comparison, by modality) and differences to the full model in
    those of DIFFERENCES (ablation, fusion). What is not printed has no entry.
    """
    if corpus is None or table not in SCORES | DIFFERENCES:
        return {}
    rows = _figures()[table][corpus]
    if table in SCORES:
        rows = rows.get(modality, {})
    # printed with two decimals of a percent: rounding takes away what the division adds
    return {metric: round(rows[row][metric] / 100, 6) for metric in ("acc", "wf1") if metric in rows.get(row, {})}


@cache
def _figures() -> dict[str, Any]:
    text = files("erc_core.report.study").joinpath("paper_results.yaml").read_text(encoding="utf-8")
    figures: dict[str, Any] = YAML(typ="safe").load(text)
    return figures
