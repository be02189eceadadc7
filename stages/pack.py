"""Pack the trained model with its card into the folder that is handed on.

Reads   data/<dataset>/: trained/, ingest.json; data/results/<dataset>.json; reports/<dataset>/metrics.json, per_class.csv
Writes  data/<dataset>/model/: what is in trained/, and README.md
Params  pack, evaluate.confidence
"""

import json

from erc_core.errors import damaged
from erc_core.evaluation.records import PER_CLASS_FILE, STAGE, Metrics, RunFacts, read_per_class
from erc_core.params.schema import Params
from erc_core.run.atomic import atomic_folder
from erc_core.run.linking import link_or_copy
from erc_core.run.paths import data_folder, reports_folder, results_file
from erc_core.run.stage import run_dataset_stage
from erc_core.sharing.card.card import CardSource, model_card
from erc_core.store.checksums import verify_folder
from erc_core.store.ingest import IngestRecord


def main(params: Params, dataset: str) -> None:
    """Copy the trained model, and write its card from the facts of the run."""
    folder, reports = data_folder(dataset), reports_folder(dataset)
    trained = folder / "trained"
    verify_folder(trained)
    facts = RunFacts.read(dataset)
    source = CardSource(
        description=json.loads((trained / "config.json").read_text(encoding="utf-8")),
        facts=facts,
        metrics=Metrics.read(reports),
        per_class=read_per_class(reports),
        ingest=IngestRecord.read(folder),
        confidence=params.evaluate.confidence,
        license=params.pack.license,
    )
    facts.require_files(reports)
    facts.require_files(trained)
    if source.per_class["emotion"].to_list() != facts.labels:
        problem = f"has not the labels of {results_file(dataset)}, in its order"
        raise damaged(reports / PER_CLASS_FILE, problem, STAGE)
    with atomic_folder(folder / "model") as partial:
        link_or_copy(trained, partial)
        (partial / "README.md").write_text(model_card(source), encoding="utf-8", newline="\n")
    size = sum(path.stat().st_size for path in (folder / "model").rglob("*") if path.is_file())
    print(f"pack {dataset}: {folder / 'model'}, {size / 1e6:,.1f} MB, can be handed on; its card is README.md")


if __name__ == "__main__":
    run_dataset_stage(main)
