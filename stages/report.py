"""Write the report: figures and pages about all datasets.

Reads   for each of `datasets`: reports/<dataset>/metrics.json, per_class.csv, predictions.csv, history.csv;
        data/results/<dataset>.json
Writes  reports/index.html (one file, figures embedded), reports/index.md; reports/figures/<dataset>/ (PNG and SVG)
Params  datasets, report, and of evaluate the confidence and the number of resamples, which the captions name
"""

from pathlib import Path

from erc_core.params.schema import Params
from erc_core.reporting.content import load_content
from erc_core.reporting.pages import write_report
from erc_core.stage import run_stage


def main(params: Params) -> None:
    """Load every dataset's results, then write figures and pages."""
    contents = [load_content(dataset) for dataset in params.datasets]
    write_report(params, contents, Path("reports"))


if __name__ == "__main__":
    run_stage(main)
