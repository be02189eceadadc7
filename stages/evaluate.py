"""Score the trained model on the test split, with intervals; and gather what the report says about the run.

Reads   data/<dataset>/: trained/, utterances.parquet, clips.parquet, tokens.h5, text.h5, mel.h5, ingest.json;
        reports/<dataset>/training.json, history.csv
Writes  reports/<dataset>/scores.json, metrics.json, per_class.csv, confusion.csv, predictions.csv, calibration.json;
        data/results/<dataset>.json
Params  evaluate, train.precision
"""

import polars as pl

from erc_core.evaluation.calibration import CalibrationReport, evaluate_calibration
from erc_core.evaluation.facts import gather_facts
from erc_core.evaluation.records import Metrics, write_scores
from erc_core.evaluation.temperature import Calibration
from erc_core.evaluation.units import unit_of, units_of
from erc_core.evaluation.write import evaluate_predictions
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions, predict, resolve_precision
from erc_core.models.save import load_model
from erc_core.params.schema import Params, speech_params, text_params
from erc_core.run.device import pick_device
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder, reports_folder
from erc_core.run.stage import run_dataset_stage
from erc_core.store.clips import read_clips
from erc_core.store.ingest import IngestRecord
from erc_core.training.record import TrainingRecord, read_history


def main(params: Params, dataset: str) -> None:
    """Predict the test split, write its scores, and gather the facts of the run."""
    folder, reports = data_folder(dataset), reports_folder(dataset)
    training = TrainingRecord.read(reports)
    read_history(reports, training)  # damage is told before the facts take its hash
    quiet_transformers()
    device = pick_device(params, (params.selected_backbone.bert, params.selected_backbone.vit))
    saved = load_model(folder / "trained")
    labels = saved.model.config.labels
    with FeatureSet(folder, labels, how=params.train.features, memory_share=params.train.memory_share) as features:
        features.require_params(speech_params(params) | text_params(params))
        features.require_params(
            saved.description["features"] | {"text_encoder": saved.text_encoder},
            str(folder / "trained" / "config.json"),
        )
        config = saved.model.config
        features.require_widths(config.text_width, config.n_mels, str(folder / "trained" / "config.json"))
        predictions = predict(
            saved.model.to(device),
            features,
            features.split("test"),
            batch_size=params.evaluate.batch_size,
            device=device,
            precision=resolve_precision(params.train.precision, device),
            temperature=saved.temperature,
        )
        utterances = features.utterances
    table = prediction_table(predictions, utterances, labels)
    ingest = IngestRecord.read(folder)
    unit = unit_of(utterances, ingest.ingest)
    metrics = evaluate_predictions(table, labels, params.evaluate, reports, unit)
    calibration = evaluate_calibration(
        predictions.logits,
        predictions.gold,
        table["utterance_id"].to_list(),
        units_of(table, unit).names,
        Calibration.model_validate(saved.description["calibration"]),
        params.evaluate,
    )
    calibration.write(reports)
    write_scores(metrics, training.val_wf1, reports)
    run = training.model_dump(mode="json")
    gather_facts(dataset, saved.description, run, utterances, read_clips(folder), ingest, unit).write()
    shown = [_in_words(metrics, *name) for name in (("W-F1", "wf1"), ("accuracy", "acc"), ("macro F1", "macro_f1"))]
    print(f"evaluate {dataset}: {metrics.n} test utterances, {', '.join(shown)}; {_calibration_in_words(calibration)}")


def _in_words(metrics: Metrics, title: str, name: str) -> str:
    value, low, high = metrics.score(name)
    interval = "(no interval)" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"
    return f"{title} {100 * value:.1f} {interval}"


def _calibration_in_words(report: CalibrationReport) -> str:
    before, after = (100 * of.measures.ece.value for of in (report.before, report.after))
    return f"calibration error {before:.1f}, with the temperature {after:.1f}"


def prediction_table(predictions: Predictions, utterances: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Return one row for each predicted utterance: what it is, and the probability of every emotion."""
    probabilities = predictions.probabilities
    return utterances[predictions.indices].with_columns(
        pl.Series("predicted", [labels[index] for index in predictions.predicted]),
        pl.Series("confidence", probabilities.max(axis=1)),
        *(pl.Series(f"p_{label}", probabilities[:, column]) for column, label in enumerate(labels)),
    )


if __name__ == "__main__":
    run_dataset_stage(main)
