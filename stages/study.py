"""Train one variant of the study, all its points and seeds, and score each on the test split.

Reads   data/<dataset>/: utterances.parquet, text.h5, mel.h5
Writes  data/study/<dataset>/<variant>/: results.json, predictions.parquet
Params  backbone, backbones.<backbone>, study.base, study.seeds, study.sweep_seeds, study.variants.<variant>, train, audio,
        mel, text
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
import torch

from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import resolve_precision
from erc_core.params.backbones import BackboneParams
from erc_core.params.peers import PeerParams
from erc_core.params.schema import Params, deciding, dump, feature_widths, speech_params, text_params
from erc_core.peers.registry import differences_of
from erc_core.peers.task import PRECISION
from erc_core.run.device import describe_device, pick_device
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder
from erc_core.run.pools import worker_count
from erc_core.run.progress import progress
from erc_core.run.provenance import commit, versions
from erc_core.run.stage import run_variant_stage
from erc_core.store.utterances import SPLITS, labels_of, read_utterances
from erc_core.study.forks import run_in_forks
from erc_core.study.points import Point, points_of, seeds_of, settings_of
from erc_core.study.results import PointResults, VariantResults, prediction_schema, write_results
from erc_core.study.train import Corpus, Outcome, train_point
from erc_core.training.checkpoint import Checkpoint, run_keys

SECTIONS = ("audio", "mel", "text")


def main(params: Params, dataset: str, variant: str) -> None:
    """Train what the variant asks for and the corpus has the modalities of, and write scores, costs and predictions."""
    folder = data_folder(dataset)
    quiet_transformers()
    system, backbone = params.study.variants[variant].system, params.selected_backbone
    device = pick_device(params, () if system else (backbone.bert, backbone.vit))
    points, seeds = points_of(params.study, variant), seeds_of(params.study, variant)
    settings = settings_of(params, variant, dataset)
    labels = labels_of(read_utterances(folder))
    with FeatureSet(folder, labels, how=params.train.features, memory_share=params.train.memory_share) as features:
        features.require_params(speech_params(params) | text_params(params))
        features.require_widths(*feature_widths(params), "params.yaml")
        left_out = {point.label: features.lacking(point.configuration.model.modality) for point in points}
        corpus = Corpus(dataset, features, DialogueFeatures(features) if settings else None, labels)
        trainings = [
            (point, seed) for point in points if not (point.is_base or left_out[point.label]) for seed in seeds
        ]
        keys = run_keys(
            features.files, (_decides(params, variant, *training, settings, device) for training in trainings)
        )
        checkpoints = [Checkpoint(f"study-{dataset}-{key}") for key in keys]

        def train(place: int) -> Outcome:
            point, seed = trainings[place]
            return train_point(params, corpus, point, settings, seed, device, checkpoints[place])

        # values rise as a rule, and cost with them: the longest first, and all processes end together
        places = range(len(trainings))[::-1]
        if device.type == "cuda":
            # one after another: they would share one card, and a fork cannot use what this process opened
            done: Iterator[tuple[int, Outcome]] = ((place, train(place)) for place in places)
        else:
            done = run_in_forks(train, places, worker_count(params.parallel))
        with progress(done, total=len(trainings), desc=f"study {dataset} {variant}", unit="training") as shown:
            by_place = dict(shown)
        outcomes = [(point, by_place[place]) for place, (point, _) in enumerate(trainings)]
        utterances = features.utterances
        results = VariantResults(
            dataset=dataset,
            variant=variant,
            system=system or "jfm",
            differences=differences_of(system) if system else [],
            labels=labels,
            weights=describe_weights(params.backbone, params.selected_backbone, is_peer=system is not None),
            backbone=params.backbone,
            device=describe_device(device),
            precision=PRECISION if system else resolve_precision(params.train.precision, device),
            commit=commit(),
            versions=versions(),
            splits={split: len(features.split(split)) for split in SPLITS},
            points=[
                _results(point, [outcome for of, outcome in outcomes if of is point], left_out[point.label])
                for point in points
            ],
        )
    tables = [_predictions(point, outcome, utterances, labels) for point, outcome in outcomes]
    write_results(results, pl.concat([pl.DataFrame(schema=prediction_schema(labels)), *tables]))
    for checkpoint in checkpoints:
        checkpoint.remove()
    for of_point in results.points:
        print(f"study {dataset} {variant} {of_point.point}: {outcome_of(of_point)}")


def outcome_of(point: PointResults) -> str:
    """Return what became of a point, in words."""
    if point.left_out:
        return f"left out for want of {point.left_out}"
    if point.same_as_full:
        return "the full model, trained as variant full"
    scores = ", ".join(f"{100 * run.wf1:.1f}" for run in point.runs)
    seconds = sum(run.seconds for run in point.runs)
    return f"test W-F1 {scores} ({len(point.runs)} seeds, {seconds:.1f} s of training)"


def describe_weights(name: str, backbone: BackboneParams, *, is_peer: bool) -> str:
    """Return which weights of a backbone a system uses, in words; a peer reads the frozen encoder's features alone."""
    encoder = backbone.text_encoder
    parts = (encoder,) if is_peer else (encoder, backbone.bert, backbone.vit)
    named = ", ".join(part.name for part in parts if part.source == "pretrained") or "random weights"
    return f"{name} ({named}{'; frozen text encoder alone' if is_peer else ''})"


def _decides(
    params: Params, variant: str, point: Point, seed: int, settings: PeerParams | None, device: torch.device
) -> dict[str, Any]:
    """Return the parameters that decide the result of a training."""
    return {name: deciding(getattr(params, name)) for name in SECTIONS} | {
        "train": deciding(params.train) | {"seed": seed},
        "backbone": dump(params.selected_backbone),
        "configuration": dump(point.configuration),
        "settings": dump(settings) if settings else None,
        "system": params.study.variants[variant].system,
        "device": device.type,
    }


def _results(point: Point, outcomes: list[Outcome], left_out: str | None) -> PointResults:
    first = outcomes[0] if outcomes else None
    return PointResults(
        point=point.label,
        changes=dict(point.changes),
        same_as_full=point.is_base,
        left_out=left_out,
        parameters=first.parameters if first else None,
        trained_parameters=first.trained_parameters if first else None,
        latency_ms=min((outcome.latency_ms for outcome in outcomes), default=None),
        activations_mb=first.activations_mb if first else None,
        runs=[outcome.run for outcome in outcomes],
    )


def _predictions(point: Point, outcome: Outcome, utterances: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    probabilities = outcome.predictions.probabilities
    return utterances[outcome.predictions.indices].select(
        pl.lit(point.label).alias("point"),
        pl.lit(outcome.run.seed, pl.Int64).alias("seed"),
        "utterance_id",
        "dialogue_id",
        pl.col("emotion").cast(pl.String),
        *(pl.Series(f"p_{label}", probabilities[:, column], pl.Float32) for column, label in enumerate(labels)),
    )


if __name__ == "__main__":
    run_variant_stage(main)
