"""Train the model on the cached features; the epoch is chosen on the validation split.

Reads   data/<dataset>/: utterances.parquet, text.h5, mel.h5, tokenizer/, text_encoder/
Writes  data/<dataset>/model/, reports/<dataset>/history.csv, reports/<dataset>/training.json
Params  backbone, backbones.<backbone>, model, jfm, icl, train, audio, mel, text

Several processes train together under `accelerate launch -m stages.train <dataset>`; the main one writes and prints.
"""

import platform
from importlib.metadata import version

import polars as pl

from erc_core.errors import ErcError
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.precision import autocast_dtype
from erc_core.models.save import save_model
from erc_core.params.schema import Params, deciding, dump
from erc_core.params.training import resolve_training
from erc_core.run.atomic import atomic_file, write_json
from erc_core.run.device import describe_device, pick_device
from erc_core.run.hub import quiet_transformers
from erc_core.run.paths import data_folder, raw_folder, reports_folder
from erc_core.run.stage import run_dataset_stage
from erc_core.store.utterances import labels_of, read_utterances
from erc_core.training.build import build_model
from erc_core.training.checkpoint import Checkpoint, run_key
from erc_core.training.loop import Trainer, seed_everything
from erc_core.training.processes import join_processes
from erc_core.training.task import UtteranceTask

SECTIONS = ("model", "jfm", "icl", "train", "audio", "mel", "text")


def main(params: Params, dataset: str) -> None:
    """Train, or continue an interrupted training, and write what the evaluation and other programs need."""
    folder = data_folder(dataset)
    quiet_transformers()
    processes, device = join_processes(pick_device(params))
    seed_everything(params.train.seed)
    labels = labels_of(read_utterances(folder))
    settings = {name: deciding(getattr(params, name)) for name in SECTIONS}
    settings |= {"backbone": dump(params.selected_backbone)}
    with FeatureSet(
        folder,
        labels,
        how=params.train.features,
        memory_share=params.train.memory_share,
        copies=processes.local_count,
        everywhere=processes.everywhere,
    ) as features:
        if "A" in params.model.modality and not features.has_speech:
            raise ErcError(
                f"{dataset}: model.modality = {params.model.modality!r} needs speech, but no training utterance has a usable "
                f"clip (see data/{dataset}/clips.parquet); use -S model.modality=T, or put the clips under {raw_folder(dataset, params.ingest[dataset])}"
            )
        model = build_model(params, labels, features, params.train.seed)
        trained_parameters = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        parameters = sum(weight.numel() for weight in model.parameters())
        precision = str(autocast_dtype(params.train.precision, device)).removeprefix("torch.")
        machine = (f"{processes.count} processes, each on " if processes.count > 1 else "") + describe_device(device)
        if processes.is_main:
            print(
                f"train {dataset}: {params.model.modality}, backbone {params.backbone}, {parameters:,} parameters "
                f"({trained_parameters:,} trained), {precision} on {machine}; {features.choice}",
                flush=True,
            )
        key = run_key(features.files, settings | {"device": device.type, "processes": processes.count})
        processes.require_same(key, "features, parameters or code")
        checkpoint = Checkpoint(f"{dataset}-{key}")
        resolved = resolve_training(params.train, params.selected_backbone.training)
        task = UtteranceTask(
            model,
            features,
            train=params.train,
            resolved=resolved,
            icl=params.icl,
            device=device,
            processes=processes,
        )
        trainer = Trainer(
            task, train=params.train, resolved=resolved, device=device, checkpoint=checkpoint, processes=processes
        )
        trained = trainer.fit()
    processes.end()
    if not processes.is_main:
        return
    text_encoder = params.selected_backbone.text_encoder
    description = {
        "dataset": dataset,
        "backbone": params.backbone,
        "features": {name: settings[name] for name in ("audio", "mel", "text")},
        "text_encoder": dump(text_encoder) | ({"folder": "text_encoder"} if text_encoder.source == "config" else {}),
        "params": settings,
        "chosen_epoch": trained.best.epoch,
        "versions": {name: version(name) for name in ("torch", "transformers", "timm")},
    }
    extras = [folder / "tokenizer", folder / "text_encoder"]
    save_model(folder / "model", model.config, trained.weights, description, extras)
    reports = reports_folder(dataset)
    with atomic_file(reports / "history.csv") as partial:
        pl.DataFrame(trained.history).write_csv(partial)
    write_json(
        reports / "training.json",
        {
            "seed": params.train.seed,
            "best_epoch": trained.best.epoch,
            "epochs": len(trained.history),
            "val_acc": trained.best.val_acc,
            "val_wf1": trained.best.val_wf1,
            "parameters": parameters,
            "trained_parameters": trained_parameters,
            "seconds": round(trained.seconds, 1),
            "seconds_per_epoch": round(trained.seconds / max(1, len(trained.history) - trained.continued_from), 3),
            "precision": precision,
            "device": machine,
            "python": platform.python_version(),
        },
    )
    checkpoint.remove()
    print(
        f"train {dataset}: {trained.seconds:.1f} s, {len(trained.history)} epochs; epoch {trained.best.epoch} chosen on the "
        f"validation split: W-F1 {100 * trained.best.val_wf1:.1f}, accuracy {100 * trained.best.val_acc:.1f}"
    )


if __name__ == "__main__":
    run_dataset_stage(main, distributed=True)
