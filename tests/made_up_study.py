"""A study that nobody trained: results and predictions as the stage `study` leaves them, from dice of a known bias."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from erc_core.evaluation.scores import score
from erc_core.params.study import StudyParams
from erc_core.store.checksums import seal
from erc_core.store.tables import write_parquet
from erc_core.study.points import points_of, seeds_of
from erc_core.study.results import read_predictions

LABELS = ["neutral", "joy", "anger", "surprise", "sadness", "fear", "disgust"]
MODALITIES = {"T": {"model.modality": "T"}, "A": {"model.modality": "A"}, "T+A": {}}
VARIANTS = {
    "full": {"points": {"whole": {}}},
    "jfm": {"points": MODALITIES},
    "scfa": {"system": "scfa", "points": MODALITIES},
    "multiemo": {"system": "multiemo", "points": MODALITIES},
    "without_jfm": {"points": {"w/o JFM": {"model.fusion": "late"}}},
    "without_joint_vectors": {"points": {"w/o v_j": {"jfm.joint_len": 0}}},
    "without_icl": {"points": {"w/o ICL": {"icl.weight": 0.0}}},
    "cfa": {"points": {"CFA": {"model.fusion": "cfa"}}},
    "concatenate": {"points": {"Concatenate": {"model.fusion": "concatenate"}}},
    "n_blocks": {"points": {n: {"jfm.n_blocks": n} for n in (1, 2, 3, 4, 5)}, "sweep": True},
    "joint_len": {"points": {n: {"jfm.joint_len": n} for n in (1, 2, 4, 8, 16, 24, 32)}, "sweep": True},
    "literal_streams": {"points": {"literal streams": {"jfm.streams": "literal"}}},
    "untied": {"points": {"untied": {"jfm.tied": False}}},
}
BASE = {
    "model": {"modality": "T+A", "fusion": "jfm"},
    "jfm": {"n_blocks": 2, "joint_len": 4, "joint_init_std": 0.02, "streams": "aligned", "layers": "first", "tied": True,
            "frozen": False},
    "icl": {"weight": 0.1, "temperature": 0.1, "normalize": True},
}  # fmt: skip
TABLES = {
    "comparison": {
        "title": "JFM and two systems that read whole dialogues",
        "variants": ["scfa", "multiemo", "jfm"],
        "labels": {"scfa": "SCFA", "multiemo": "MultiEMO", "jfm": "JFM"},
        "reference": "jfm",
    },
    "ablation": {
        "title": "the full model without one of its parts",
        "variants": ["without_jfm", "without_joint_vectors", "without_icl"],
    },
    "fusion": {"title": "other fusions in place of the JFM", "variants": ["cfa", "concatenate"]},
    "n_blocks": {"title": "number of blocks", "variants": ["n_blocks"], "labels": {"n_blocks": "N"}},
    "joint_len": {"title": "number of joint vectors", "variants": ["joint_len"], "labels": {"joint_len": "J"}},
    "switches": {"title": "other readings of the paper", "variants": ["literal_streams", "untied"]},
}
# The chance that an utterance is predicted rightly, but for those of other modalities and values
SKILL = {"full": 0.74, "scfa": 0.70, "multiemo": 0.69, "without_jfm": 0.62, "concatenate": 0.68}
MODALITY_SKILL = {"T": -0.06, "A": -0.2, "T+A": 0.0}


def study_params(
    *, run: Sequence[str] = tuple(VARIANTS), tables: dict[str, Any] = TABLES, seeds: int = 3, **variants: Any
) -> StudyParams:
    """Return the section `study` with some variants more."""
    return StudyParams.model_validate(
        {
            "seeds": seeds, "sweep_seeds": 1, "run": list(run), "base": BASE, "variants": VARIANTS | variants,
            "tables": tables,
        }
    )  # fmt: skip


def by_dialogue(dataset: str, variant: str) -> pl.DataFrame:
    """Return a variant's predictions as the tables take them, with dialogues to be resampled."""
    return read_predictions(dataset, variant).with_columns(unit="dialogue_id")


def write_study(
    root: Path,
    study: StudyParams,
    dataset: str = "demo",
    *,
    labels: Sequence[str] = LABELS,
    n_dialogues: int = 60,
    skills: dict[str, float] = SKILL,
    **facts: Any,
) -> None:
    """Write what the stage `study` would for every variant to run.

    Args:
        root: The project's folder.
        study: Which variants, and their points.
        dataset: Its name.
        labels: The classes.
        n_dialogues: Of the test split.
        skills: The chance of a right prediction by variant.
        facts: Other values of results.json.
    """
    for variant in study.run:
        points, tables = [], []
        for planned in points_of(study, variant):
            name = planned.label
            point = {"point": name, "changes": planned.changes, "same_as_full": planned.is_base, "left_out": None}
            if planned.is_base:
                point |= {
                    "parameters": None,
                    "trained_parameters": None,
                    "activations_mb": None,
                    "latency_ms": None,
                    "runs": [],
                }
            else:
                skill = skills.get(variant, 0.73) + MODALITY_SKILL.get(name, 0.0)
                seeds = seeds_of(study, variant)
                predicted = [predictions(f"{variant}/{name}", seed, skill, labels, n_dialogues) for seed in seeds]
                tables += [table.insert_column(0, pl.lit(name).alias("point")) for table in predicted]
                steps = int(name) if name.isdigit() else 2
                size = 150_000 + 50_000 * steps
                point |= {
                    "parameters": size,
                    "trained_parameters": size,
                    "activations_mb": 2.5 * steps,
                    "latency_ms": 3.1416,
                }
                point["runs"] = [
                    scores_of(table, labels)
                    | {"seed": seed, "val_wf1": 0.7, "temperature": 1.25, "best_epoch": 9, "epochs": 12, "stopped_by": "patience",
                       "val_curve": [0.7 - 0.004 * abs(9 - epoch) for epoch in range(1, 13)],
                       "loss_curve": [1.8 / epoch for epoch in range(1, 13)], "seconds": 31.0 + seed,
                       "seconds_per_epoch": 2.5 + 0.25 * seed, "peak_memory_mb": 470.0 + 9.5 * steps + seed,
                       "memory": "resident"}
                    for seed, table in zip(seeds, predicted, strict=True)
                ]  # fmt: skip
            points.append(point)
        content = {
            "dataset": dataset, "variant": variant, "system": study.variants[variant].system or "jfm",
            "differences": ["written anew after the paper"] if study.variants[variant].system else [], "labels": list(labels),
            "weights": "random weights made from a configuration; nothing was pretrained", "backbone": "tiny",
            "device": "CPU: AMD EPYC, 1 threads", "precision": "float32", "commit": "0123456789ab",
            "versions": {"torch": "2.11.0"}, "splits": {"train": 2229, "dev": 327, "test": tables[0].height if tables else 0},
            "points": points,
        } | facts  # fmt: skip
        folder = root / "data/study" / dataset / variant
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(seal(content)), encoding="utf-8")
        write_parquet(pl.concat(tables), folder / "predictions.parquet")


def predictions(name: str, seed: int, skill: float, labels: Sequence[str], n_dialogues: int) -> pl.DataFrame:
    """Throw the predictions of one training; the gold labels are the same for all."""
    gold_dice = np.random.default_rng(0)
    lengths = gold_dice.integers(4, 11, n_dialogues)
    share = 0.5 ** np.arange(len(labels)) + 0.02
    gold = gold_dice.choice(len(labels), lengths.sum(), p=share / share.sum())
    # what one utterance has in common for all systems is how hard it is
    ease = gold_dice.normal(0, 0.15, len(gold))
    dice = np.random.default_rng([zlib.crc32(name.encode()), seed])
    logits = dice.normal(0, 1, (len(gold), len(labels)))
    right = dice.random(len(gold)) < skill + ease
    logits[np.arange(len(gold)), gold] += np.where(right, 4.0, 0.0)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    dialogue = np.repeat(np.arange(n_dialogues), lengths)
    return pl.DataFrame(
        {
            "seed": np.full(len(gold), seed),
            "utterance_id": [f"test/dia{d}_utt{i}" for i, d in enumerate(dialogue)],
            "dialogue_id": [f"test/dia{d}" for d in dialogue],
            "emotion": [labels[i] for i in gold],
        }
        | {f"p_{label}": p[:, i].astype(np.float32) for i, label in enumerate(labels)}
    )


def scores_of(table: pl.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """Return the scores of one training."""
    best = table.select(f"p_{label}" for label in labels).to_numpy().argmax(axis=1)
    scores = score(table["emotion"].to_list(), [labels[i] for i in best], labels)
    return {"acc": scores.acc, "wf1": scores.wf1, "macro_f1": scores.macro_f1}
