"""Write the report: figures, pages and the study's tables about all datasets.

Reads   for each of `datasets`: reports/<dataset>/metrics.json, per_class.csv, predictions.csv, training.json, history.csv;
        data/results/<dataset>.json, data/cards/<dataset>.json; for each variant in study.run:
        data/study/<dataset>/<variant>/results.json, predictions.parquet
Writes  reports/index.html (one file, figures embedded), reports/index.md; reports/figures/<dataset>/ (PNG and SVG);
        reports/tables/<dataset>_<table>.csv and .tex
Params  datasets, ingest, report, study, evaluate (how intervals and tests are made)
"""

from functools import cache
from pathlib import Path

import polars as pl

from erc_core.params.schema import Params
from erc_core.report.page.content import load_content
from erc_core.report.page.pages import write_report
from erc_core.report.study.tables import StudySource, StudyTable, make_tables
from erc_core.run.stage import run_stage
from erc_core.study.results import read_predictions, read_results


def main(params: Params) -> None:
    """Load every dataset's results and those of its study, then write figures, pages and tables."""
    contents = [load_content(dataset) for dataset in params.datasets]
    studies = {dataset: study_tables(params, dataset) for dataset in params.datasets}
    write_report(params, contents, studies, Path("reports"))


def study_tables(params: Params, dataset: str) -> list[StudyTable]:
    """Make the tables of a dataset's study."""

    @cache
    def predictions(variant: str) -> pl.DataFrame:
        return read_predictions(dataset, variant)

    return make_tables(
        StudySource(
            dataset,
            params.ingest[dataset].format,
            params.study,
            params.evaluate,
            {variant: read_results(dataset, variant) for variant in params.study.run},
            predictions,
        )
    )


if __name__ == "__main__":
    run_stage(main)
