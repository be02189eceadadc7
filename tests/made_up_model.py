"""A small model as the stage train writes it, with random weights: what it says means nothing, but it says it always."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from closure import ROOT

from erc_core.models.backbones import make_bert, make_vit
from erc_core.models.classifier import make_classifier
from erc_core.models.config import ModelConfig
from erc_core.models.save import save_model
from erc_core.params.backbones import TextEncoderFromConfig
from erc_core.params.load import load_params
from erc_core.params.schema import deciding, dump
from erc_core.store.checksums import file_checksum
from erc_core.text.encoder import make_text_encoder, save_text_encoder, weights_checksum
from erc_core.text.tokens import learn_tokenizer, save_tokenizer

LABELS = ["neutral", "joy", "anger"]
PARAMS = load_params(ROOT / "params.yaml")


def save_made_up_model(folder: Path, modality: str = "T+A", **changes: Any) -> Path:
    """Write a model's folder, and beside it what it is made of; changes are of its config.json."""
    beside = folder.parent / f"{folder.name}_parts"
    encoder_params = TextEncoderFromConfig(
        source="config", width=16, depth=1, heads=2, mlp_ratio=2.0, vocab_size=300, layer=1, seed=0
    )
    tokenizer = learn_tokenizer(["What's up, Zoë?", "hello there"], 300)
    save_tokenizer(tokenizer, beside / "tokenizer")
    encoder = make_text_encoder(encoder_params, "text_encoder", tokenizer.get_vocab_size())
    save_text_encoder(encoder, beside / "text_encoder")
    backbone = PARAMS.selected_backbone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        bert, vit = make_bert(backbone.bert, "bert"), make_vit(backbone.vit, "vit", backbone.patch)
        config = ModelConfig(
            labels=LABELS,
            text_width=16,
            n_mels=PARAMS.mel.n_mels,
            max_frames=2002,
            model=PARAMS.model.model_copy(update={"modality": modality}),
            jfm=PARAMS.jfm,
            extractor=backbone.extractor,
            bert=bert.architecture,
            vit=vit.architecture,
        )
        model = make_classifier(config, bert, vit)
    if model.speech:
        model.speech.patches.set_statistics(torch.full((80,), -6.0), torch.full((80,), 3.0))
    description = {
        "dataset": "made_up",
        "synthetic": True,
        "features": {name: deciding(getattr(PARAMS, name)) for name in ("audio", "mel", "text")},
        "text_encoder": dump(encoder_params) | {"folder": "text_encoder"},
        "tokenizer_checksum": file_checksum(beside / "tokenizer" / "tokenizer.json"),
        "text_encoder_checksum": weights_checksum(encoder),
        "params": {"train": {"precision": "float32"}, "backbone": dump(backbone)},
        "calibration": {"temperature": 2.0},
    }
    save_model(folder, model, description | changes, [beside / "tokenizer", beside / "text_encoder"])
    return folder


def speech(seconds: float = 1.0, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """Return (n,) float32 noise whose loudness changes, so that no two stretches are alike."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    return (0.2 * rng.normal(size=n) * np.sin(np.arange(n) * 2 / rate)).astype(np.float32)
