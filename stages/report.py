"""Write the report: figures, pages and the study's tables about all datasets.

Reads   for each of `datasets`: reports/<dataset>/metrics.json, per_class.csv, predictions.csv, training.json, history.csv;
        data/results/<dataset>.json, data/cards/<dataset>.json; for each variant in study.run:
        data/study/<dataset>/<variant>/results.json, predictions.parquet
Writes  reports/index.html (one file, figures embedded), reports/index.md; reports/figures/<dataset>/ (PNG and SVG);
        reports/tables/<dataset>_<table>.csv and .tex, also of a group of datasets; reports/tables/<group>_scores.csv
Params  datasets, groups, ingest, report, study, evaluate (how intervals and tests are made)
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl

from erc_core.params.schema import Params
from erc_core.report.page.content import load_content
from erc_core.report.page.pages import write_report
from erc_core.report.study.groups import pool_predictions, pool_results
from erc_core.report.study.tables import StudySource, StudyTable, make_tables
from erc_core.run.stage import run_stage
from erc_core.study.results import read_predictions, read_results


def main(params: Params) -> None:
    """Load every dataset's results and those of its study, then write figures, pages and tables."""
    contents = [load_content(dataset) for dataset in params.datasets]
    studies = {dataset: study_tables(params, dataset, [dataset]) for dataset in params.datasets}
    studies |= {group: study_tables(params, group, params.groups[group]) for group in params.shown_groups}
    write_report(params, contents, studies, Path("reports"))


def study_tables(params: Params, name: str, datasets: list[str]) -> list[StudyTable]:
    """Make the tables of the study of a dataset, or of a group of datasets as one."""

    @cache
    def predictions(variant: str) -> pl.DataFrame:
        return pool_predictions({dataset: read_predictions(dataset, variant) for dataset in datasets})

    formats = {params.ingest[dataset].format for dataset in datasets}
    results = {
        variant: pool_results(name, [read_results(dataset, variant) for dataset in datasets])
        for variant in params.study.run
    }
    ingest_format = formats.pop() if len(formats) == 1 else ""
    source = StudySource(name, ingest_format, params.study, params.evaluate, results, predictions)
    tables = make_tables(source)
    if len(datasets) > 1:
        return [replace(table, title=f"{table.title}, mean over {len(datasets)} datasets") for table in tables]
    return tables


if __name__ == "__main__":
    run_stage(main)
