"""Write the report: figures, pages and the study's tables about all datasets.

Reads   for each of `datasets`: reports/<dataset>/metrics.json, per_class.csv, predictions.csv, calibration.json, training.json,
        history.csv; data/results/<dataset>.json, data/cards/<dataset>.json; for each variant in study.run:
        data/study/<dataset>/<variant>/results.json, predictions.parquet
Writes  reports/index.html (one file, figures embedded), reports/index.md; reports/figures/<dataset>/ (PNG and SVG);
        reports/tables/<dataset>_<table>.csv and .tex, also of a group of datasets; reports/tables/<group>_scores.csv;
        reports/tables/<dataset>_calibration.csv and .tex
Params  datasets, groups, ingest, report, study, evaluate (how intervals and tests are made)
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl

from erc_core.evaluation.units import Unit, units_of
from erc_core.params.data import IngestParams
from erc_core.params.schema import Params
from erc_core.report.page.content import DatasetContent, load_content
from erc_core.report.page.groups import check_group
from erc_core.report.page.pages import write_report
from erc_core.report.study.groups import pool_predictions, pool_results
from erc_core.report.study.tables import StudySource, StudyTable, make_tables
from erc_core.run.stage import run_stage
from erc_core.study.results import read_predictions, read_results

PAPER_FOLD = 5  # session of IEMOCAP that is the test split; null means the same


def main(params: Params) -> None:
    """Load every dataset's results and those of its study, then write figures, pages and tables."""
    contents = {dataset: load_content(dataset) for dataset in params.datasets}
    members = {name: [contents[name]] for name in params.datasets}
    for group in params.shown_groups:
        members[group] = [contents[name] for name in params.groups[group]]
        check_group(group, members[group])
    read = cache(read_predictions)  # those of a dataset stand in its own tables and in those of its groups
    studies = {name: study_tables(params, name, of, read) for name, of in members.items()}
    write_report(params, list(contents.values()), studies, Path("reports"))


def study_tables(
    params: Params, name: str, contents: list[DatasetContent], read: Callable[[str, str], pl.DataFrame]
) -> list[StudyTable]:
    """Make the tables of the study of a dataset, or of a group of datasets as one."""
    datasets = [content.dataset for content in contents]

    # where speakers are resampled, those of all test splits: a speaker of several folds is one
    tested = pool_predictions(
        {of.dataset: of.predictions.select("utterance_id", "dialogue_id", "speaker") for of in contents}
    )
    unit: Unit = "speaker" if any(content.facts.unit == "speaker" for content in contents) else "dialogue"
    units = units_of(tested, unit)
    by_utterance = dict(zip(tested["utterance_id"], units.names, strict=True))

    @cache
    def predictions(variant: str) -> pl.DataFrame:
        pooled = pool_predictions({dataset: read(dataset, variant) for dataset in datasets})
        unit_of_each = pl.col("utterance_id").replace_strict(by_utterance, default=pl.col("dialogue_id"))
        return pooled.with_columns(unit=unit_of_each)

    results = {
        variant: pool_results(name, [read_results(dataset, variant) for dataset in datasets])
        for variant in params.study.run
    }
    source = StudySource(
        name,
        printed_format(params.ingest[datasets[0]]) if len(datasets) == 1 else "",
        any(content.facts.synthetic for content in contents),
        params.study,
        params.evaluate,
        results,
        predictions,
        units.noun,
    )
    tables = make_tables(source)
    if len(datasets) > 1:
        return [replace(table, title=f"{table.title}, mean over {len(datasets)} datasets") for table in tables]
    return tables


def printed_format(section: IngestParams) -> str:
    """Return the reader of a corpus whose test split may be the paper's; empty for another fold of IEMOCAP than session 5."""
    return "" if getattr(section, "fold", None) not in (None, PAPER_FOLD) else section.format


if __name__ == "__main__":
    run_stage(main)
