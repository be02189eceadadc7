"""Write the data card of a corpus: what is in it, what was wrong and what was done, and the checks for leaks.

Reads   data/<dataset>/utterances.parquet, ingest.json, clips.parquet, audio.h5 (hashed block by block)
Writes  reports/<dataset>/data.md, data_issues.csv, data_figures/lengths.png and .svg; data/cards/<dataset>.json, from which
        the report says the same
Params  none: those of ingest are in ingest.json
"""

from erc_core.params.schema import Params
from erc_core.report.card.checks import run_checks
from erc_core.report.card.issues import issue_table, write_issues
from erc_core.report.card.source import load_source
from erc_core.report.card.write import write_card
from erc_core.report.page.clean import clean
from erc_core.report.page.formats import plural
from erc_core.run.paths import data_folder, reports_folder
from erc_core.run.stage import run_dataset_stage


def main(params: Params, dataset: str) -> None:
    """Load, check, write, and say what a reader of scores has to know."""
    source = load_source(dataset, data_folder(dataset))
    issues, results = issue_table(source), run_checks(source)
    write_issues(issues, reports_folder(dataset))
    write_card(source, issues, results, reports_folder(dataset))
    sizes = (len(source.utterances), "utterance"), (len(issues), "issue"), (len(results.warnings), "warning")
    print(f"card {dataset}: {', '.join(plural(number, noun) for number, noun in sizes)}")
    for warning in results.warnings:
        print(f"card {dataset}: {clean(warning)}")


if __name__ == "__main__":
    run_dataset_stage(main)
