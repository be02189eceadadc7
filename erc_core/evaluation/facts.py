"""The facts of a run that a report states beside its scores: corpus, clips, training, versions, checksums."""

from typing import Any

import polars as pl

from erc_core.evaluation.calibration import CALIBRATION_FILE
from erc_core.evaluation.records import (
    METRICS_FILE,
    PER_CLASS_FILE,
    PREDICTIONS_FILE,
    ClipProblem,
    RunFacts,
    SplitFacts,
)
from erc_core.evaluation.units import Unit
from erc_core.run.paths import data_folder, reports_folder
from erc_core.run.provenance import commit, sha256, versions
from erc_core.store.clips import ClipStatus, count_statuses
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged import RaggedReader
from erc_core.store.utterances import SPLITS

RESULT_FILES = (METRICS_FILE, PER_CLASS_FILE, PREDICTIONS_FILE, CALIBRATION_FILE, "history.csv", "training.json")


def gather_facts(
    dataset: str,
    model: dict[str, Any],
    training: dict[str, Any],
    utterances: pl.DataFrame,
    clips: pl.DataFrame,
    ingest: IngestRecord,
    unit: Unit,
) -> RunFacts:
    """Return everything that the report says about a dataset's run, apart from its scores.

    `model` is what config.json of the trained model holds, `training` what training.json holds; the tables are those of
    utterances and clips, and `unit` is what intervals resample.
    """
    folder, reports = data_folder(dataset), reports_folder(dataset)
    labels = model["model"]["labels"]
    joined = utterances.join(clips, on="utterance_id", how="left", suffix="_clip", maintain_order="left")
    problems = joined.filter(pl.col("status_clip") != ClipStatus.OK.value).select(
        "utterance_id", "split", "detail", status="status_clip"
    )
    with RaggedReader(folder / "tokens.h5") as tokens:
        truncated = tokens.number("truncated")
    files = {"utterances.parquet": folder / "utterances.parquet"}
    files |= {"model.safetensors": folder / "trained" / "model.safetensors"}
    files |= {name: reports / name for name in RESULT_FILES}
    return RunFacts(
        dataset=dataset,
        synthetic=ingest.synthetic,
        labels=labels,
        modality=model["model"]["model"]["modality"],
        unit=unit,
        backbone=model["backbone"],
        weights=weights_in_words(model),
        splits={split: _split_facts(joined.filter(pl.col("split") == split), labels) for split in SPLITS},
        clips=count_statuses(clips),
        problems=[
            ClipProblem(**problem, action=ClipStatus(problem["status"]).action)
            for problem in problems.iter_rows(named=True)
        ],
        truncated_texts=truncated,
        ingest=ingest.facts,
        training=training,
        versions=versions(),
        commit=commit(),
        params=model["params"] | {"text_encoder": model["text_encoder"]},
        files={name: sha256(path) for name, path in files.items()},
    )


def _split_facts(rows: pl.DataFrame, labels: list[str]) -> SplitFacts:
    counts = dict(rows.group_by("emotion").len().rows())
    return SplitFacts(
        utterances=len(rows),
        dialogues=rows["dialogue_id"].n_unique(),
        speakers=rows["speaker"].n_unique(),
        hours=round(float(rows["seconds"].sum()) / 3600, 4),
        emotions={label: counts.get(label, 0) for label in labels},
    )


def weights_in_words(model: dict[str, Any]) -> str:
    """Return which weights the encoders and the fusion transformers started from."""
    backbone = model["params"]["backbone"]
    titles = {"text encoder": "text_encoder", "BERT": "bert", "ViT": "vit"}
    parts = {title: backbone[key] for title, key in titles.items() if backbone[key]["source"] == "pretrained"}
    named = [
        f"{title} {part['name']}" + (f" (layer {part['layer']})" if "layer" in part else "")
        for title, part in parts.items()
    ]
    if not named:
        return "random weights made from a configuration; nothing was pretrained"
    return ", ".join(named) + ("" if len(named) == 3 else "; the rest random weights made from a configuration")
