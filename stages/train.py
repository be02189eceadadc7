"""Train the model on the cached features; the epoch and the temperature are chosen on the validation split.

Reads   data/<dataset>/: utterances.parquet, ingest.json, text.h5, mel.h5, tokenizer/, text_encoder/
Writes  data/<dataset>/trained/, reports/<dataset>/history.csv (after every epoch), reports/<dataset>/training.json
Params  backbone, backbones.<backbone>, model, jfm, icl, train, audio, mel, text

Several processes train together under `accelerate launch -m stages.train <dataset>`; the main one writes and prints.
"""

import platform
from functools import partial
from importlib.metadata import version

from erc_core.errors import ErcError
from erc_core.evaluation.temperature import fit_temperature
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.save import check_extras, save_model
from erc_core.params.schema import Params, deciding, dump, feature_widths, speech_params, text_params
from erc_core.run.baseline import changed_params
from erc_core.run.device import describe_device, pick_device
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder, raw_folder, reports_folder
from erc_core.run.stage import run_dataset_stage
from erc_core.store.checksums import file_checksum
from erc_core.store.ingest import IngestRecord
from erc_core.store.utterances import labels_of, read_utterances
from erc_core.training.build import make_task
from erc_core.training.checkpoint import Checkpoint, run_key
from erc_core.training.loop import count_parameters, train_model
from erc_core.training.processes import join_processes
from erc_core.training.record import HISTORY_FILE, TrainingRecord, write_history
from erc_core.training.settings import training_settings

SECTIONS = ("model", "jfm", "icl", "train", "audio", "mel", "text")
MADE_BY = ("tokenizer_checksum", "text_encoder_checksum")  # attributes of text.h5 that a model has to know


def main(params: Params, dataset: str) -> None:
    """Train, or continue an interrupted training, and write what the evaluation and other programs need."""
    folder, reports = data_folder(dataset), reports_folder(dataset)
    quiet_transformers()
    processes, device = join_processes(
        pick_device(params, (params.selected_backbone.bert, params.selected_backbone.vit))
    )
    settings = training_settings(params, dataset, device)
    labels, synthetic = labels_of(read_utterances(folder)), IngestRecord.read(folder).synthetic
    extras = [folder / "tokenizer", folder / "text_encoder"]
    if processes.is_main:
        check_extras(extras)
    deciding_params = {name: deciding(getattr(params, name)) for name in SECTIONS}
    deciding_params |= {"backbone": dump(params.selected_backbone)}
    with FeatureSet(
        folder,
        labels,
        how=params.train.features,
        memory_share=params.train.memory_share,
        copies=processes.local_count,
        everywhere=processes.everywhere,
    ) as features:
        if lacking := features.lacking(params.model.modality):
            raw = raw_folder(dataset, params.ingest[dataset])
            remedy = (
                f"(see data/{dataset}/clips.parquet); use -S model.modality=T, or put the clips under {raw}"
                if features.has_text
                else f"(see data/{dataset}/utterances.parquet); use -S model.modality=A"
            )
            raise ErcError(f"{dataset}: model.modality = {params.model.modality!r} needs {lacking} {remedy}")
        features.require_params(speech_params(params) | text_params(params))
        features.require_widths(*feature_widths(params), "params.yaml")
        made_by = {name: features.text.reader.word(name) for name in MADE_BY}
        task = make_task(params, labels, features, settings, device, processes)
        parameters, trained_parameters = count_parameters(task.model)
        machine = (f"{processes.count} processes, each on " if processes.count > 1 else "") + describe_device(device)
        if processes.is_main:
            if changed := changed_params():
                print(f"train {dataset}: {changed}")
            print(
                f"train {dataset}: {params.model.modality}, backbone {params.backbone}, {parameters:,} parameters "
                f"({trained_parameters:,} trained), {settings.precision} on {machine}; {features.choice}",
                flush=True,
            )
        key = run_key(features.files, deciding_params | {"device": device.type, "processes": processes.count})
        processes.require_same(key, "features, parameters or code")
        checkpoint = Checkpoint(f"{dataset}-{key}")
        trained = train_model(task, settings, checkpoint, processes=processes, on_epoch=partial(write_history, reports))
        validation = task.predict("dev")  # by all processes together, with the weights of the chosen epoch
    processes.end()
    if not processes.is_main:
        return
    calibration = fit_temperature(validation.logits, validation.gold)
    text_encoder = params.selected_backbone.text_encoder
    description = {
        "dataset": dataset,
        "synthetic": synthetic,
        "backbone": params.backbone,
        "features": {name: deciding_params[name] for name in ("audio", "mel", "text")},
        "text_encoder": dump(text_encoder) | ({"folder": "text_encoder"} if text_encoder.source == "config" else {}),
        **made_by,
        "params": deciding_params,
        "chosen_epoch": trained.best.epoch,
        "calibration": calibration.model_dump(mode="json"),
        "versions": {name: version(name) for name in ("torch", "transformers", "timm")},
    }
    save_model(folder / "trained", task.model, description, extras)
    TrainingRecord(
        seed=settings.seed,
        best_epoch=trained.best.epoch,
        epochs=len(trained.history),
        stopped_by=trained.stopped_by,
        val_acc=trained.best.val_acc,
        val_wf1=trained.best.val_wf1,
        parameters=parameters,
        trained_parameters=trained_parameters,
        seconds=round(trained.seconds, 1),
        seconds_per_epoch=round(trained.seconds_per_epoch, 3),
        precision=settings.precision,
        device=machine,
        python=platform.python_version(),
        history=file_checksum(reports / HISTORY_FILE),
    ).write(reports)
    checkpoint.remove()
    print(
        f"train {dataset}: {trained.seconds:.1f} s, {len(trained.history)} epochs; epoch {trained.best.epoch} chosen on the "
        f"validation split: W-F1 {100 * trained.best.val_wf1:.1f}, accuracy {100 * trained.best.val_acc:.1f}; "
        f"temperature {calibration.temperature:.3f}"
    )


if __name__ == "__main__":
    run_dataset_stage(main, distributed=True)
