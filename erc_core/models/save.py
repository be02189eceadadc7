"""A trained model as a folder that can be used elsewhere: weights, shape, labels, feature parameters. No pickle.

model.safetensors   the weights, with the mel statistics
config.json         `model`: its shape and labels; `features`: how to make what it reads; `text_encoder`: which one;
                    `calibration`: the temperature of its probabilities
tokenizer/          the text encoder's tokenizer
text_encoder/       the frozen encoder, where it has no name to be fetched by
checksums.json      of every other file; load_model compares them

Beside them a folder that was handed on has a README.md, its model card, and one that came from the Hugging Face hub what the hub
adds. These are read by people and by the hub alone, and may be edited.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from erc_core.errors import ErcError, damaged, not_found
from erc_core.models.backbones import bert_from_architecture, vit_from_architecture
from erc_core.models.classifier import UtteranceClassifier, make_classifier
from erc_core.models.config import ModelConfig
from erc_core.run.atomic import atomic_folder, write_json
from erc_core.store.checksums import seal_folder, verify_folder
from erc_core.store.model_folder import CONFIG_FILE, WEIGHTS_FILE, verify_model


class SavedModel(NamedTuple):
    """A model read from its folder, in evaluation mode and on the CPU, and the whole of its config.json."""

    model: UtteranceClassifier
    description: dict[str, Any]
    folder: Path  # that it was read from

    @property
    def temperature(self) -> float:
        """What its logits are divided by before the softmax.

        Raises:
            ErcError: config.json has none, or one that is no positive number of ordinary size.
        """
        calibration = self.description.get("calibration")
        temperature: Any = calibration.get("temperature") if isinstance(calibration, dict) else None
        # type: a truth value is an int too; a number far outside would make probabilities that are none
        if type(temperature) not in (int, float) or not 1e-6 < temperature < 1e6:
            found = (
                "missing"
                if temperature is None
                else f"{temperature!r:.40}, which is no positive number of ordinary size"
            )
            raise ErcError(
                f"{self.folder / CONFIG_FILE}: calibration.temperature is {found}; models have it since their probabilities are "
                "calibrated: run `dvc repro`, which trains the model again"
            )
        return float(temperature)

    @property
    def text_encoder(self) -> Any:
        """The frozen encoder's section of params.yaml, as config.json has it; None where it has none."""
        section = self.description.get("text_encoder")
        # `folder` says where the model's own encoder lies, and is no parameter
        return {key: section[key] for key in section if key != "folder"} if isinstance(section, dict) else section


def save_model(folder: Path, model: UtteranceClassifier, description: dict[str, Any], extras: list[Path]) -> None:
    """Write a model's folder, whole or not at all: its shape, its weights, and what else config.json holds.

    Extras are folders to copy in under their own names; empty ones are left out.
    """
    with atomic_folder(folder) as partial:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, partial / WEIGHTS_FILE)
        write_json(partial / CONFIG_FILE, {"model": model.config.model_dump(mode="json"), **description})
        for extra in extras:
            if any(extra.iterdir()):
                shutil.copytree(extra, partial / extra.name, copy_function=shutil.copyfile)
        seal_folder(partial)


def check_extras(extras: list[Path]) -> None:
    """Verify folders before they are copied into a model, which would seal their damage; empty ones hold nothing.

    Raises:
        ErcError: A folder is missing, or a file in it damaged, missing, or one too many.
    """
    for extra in extras:
        if not extra.is_dir():
            raise ErcError(f"{extra}: not found; run `dvc repro`")
        if any(extra.iterdir()):
            verify_folder(extra)


def load_model(folder: Path) -> SavedModel:
    """Read a model's folder.

    Raises:
        ErcError: A file is missing or damaged, or the weights do not fit the configuration.
    """
    try:
        description = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        config = ModelConfig.model_validate(description["model"])
        weights = load_file(folder / WEIGHTS_FILE)
        with torch.device(
            "meta"
        ):  # without memory: a configuration can ask for any size, and its weights must be there
            _build(config).load_state_dict(weights, assign=True)
        model = _build(config)
        model.load_state_dict(weights)
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            raise ValueError("a weight is not finite")  # noqa: TRY301 - told below, as any other damage
    except FileNotFoundError as error:
        missing = error.filename or folder / WEIGHTS_FILE  # safetensors does not say which
        raise not_found(missing, "train") from None
    # ValueError: also what json, UTF-8 and pydantic raise; AssertionError: timm's checks of sizes
    except (ErcError, AssertionError, KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise damaged(folder, f"not a model of this project, or damaged ({reason})") from None
    verify_model(folder)
    return SavedModel(model.eval(), description, folder)


def _build(config: ModelConfig) -> UtteranceClassifier:
    return make_classifier(config, bert_from_architecture(config.bert), vit_from_architecture(config.vit))
