"""The files of a finished run that a model card is written from, made up: no training, no PyTorch."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from erc_core.evaluation.records import PER_CLASS_COLUMNS, Metrics, RunFacts, write_per_class
from erc_core.run.provenance import sha256
from erc_core.store.checksums import seal_folder
from erc_core.store.ingest import IngestRecord

LABELS = ["neutral", "joy", "fear|of_this"]
DESCRIPTION: dict[str, Any] = {
    "model": {"labels": LABELS},
    "params": {"backbone": {part: {"source": "config"} for part in ("text_encoder", "bert", "vit")}},
    "versions": {"torch": "2.11.0", "timm": "1.0.31"},
}


def write_run(
    root: Path, dataset: str = "mine", *, kind: str = "table", synthetic: bool = False, **facts: Any
) -> RunFacts:
    """Write data/<dataset>/ and reports/<dataset>/ as the stages train and evaluate leave them, and return the facts."""
    folder, reports = root / "data" / dataset, root / "reports" / dataset
    trained = folder / "trained"
    (trained / "tokenizer").mkdir(parents=True)
    reports.mkdir(parents=True)
    (trained / "model.safetensors").write_bytes(b"weights")
    (trained / "config.json").write_text(json.dumps(DESCRIPTION), encoding="utf-8")
    (trained / "tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")
    seal_folder(trained)
    IngestRecord(ingest={"format": kind}, clips="raw", synthetic=synthetic, facts={}, issues=[]).write(folder)
    scores = dict.fromkeys(("acc", "macro_f1", "wf1"), 0.5)
    ends = {f"{name}_{end}": value for name in scores for end, value in (("low", 0.4), ("high", 0.625))}
    Metrics(**scores, **ends, n=6).write(reports)
    rows = [(label, 0.5, 0.25, 1 / 3, None, None, 2) for label in LABELS]
    write_per_class(pl.DataFrame(rows, PER_CLASS_COLUMNS, orient="row"), reports)
    split = {"utterances": 6, "dialogues": 2, "speakers": 2, "hours": 1.5, "emotions": dict.fromkeys(LABELS, 2)}
    made = RunFacts.model_validate(
        {
            "dataset": dataset, "synthetic": synthetic, "labels": LABELS, "modality": "T+A", "unit": "dialogue",
            "backbone": "tiny", "weights": "random weights", "splits": dict.fromkeys(("train", "dev", "test"), split),
            "clips": {}, "problems": [], "truncated_texts": 0, "ingest": {},
            "training": {"parameters": 1234, "best_epoch": 3, "epochs": 8, "val_wf1": 0.5},
            "versions": {}, "commit": None, "params": {},
            "files": {name: sha256(reports / name) for name in ("metrics.json", "per_class.csv")}
            | {"model.safetensors": sha256(trained / "model.safetensors")},
        }
        | facts
    )  # fmt: skip
    made.write(root)
    return made
