"""The frozen text encoder: token-level output of one of its layers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, PreTrainedModel, RobertaConfig, RobertaModel

from erc_core.errors import ErcError, damaged
from erc_core.params.backbones import PretrainedTextEncoder, TextEncoderFromConfig, TextEncoderParams
from erc_core.run.atomic import write_json
from erc_core.run.hub import loading_pretrained, require_weights
from erc_core.store.checksums import seal_folder, verify_folder

POSITION_SHARE = 0.1  # of a random encoder: the size of a position's embedding beside a word's
MAX_POSITIONS = 514  # RoBERTa's 512 tokens, and two positions that its padding uses


class FrozenTextEncoder:
    """A pretrained language model, read at one layer, never trained."""

    def __init__(self, model: PreTrainedModel, device: torch.device, *, exact: bool = False) -> None:
        """Take a model whose last layer is the one to read; it runs in half precision on a GPU, in float32 on a CPU.

        An `exact` one runs in float64 on both, which leaves nothing in the result of what machines do differently in the
        last bits. That costs nothing for a small encoder, and twice the time and more for a large one.
        """
        self.model = model.to(device, torch.float64 if exact else None)  # type: ignore[arg-type]
        self.autocasts = device.type == "cuda" and not exact
        self.model.train(mode=False)
        self.model.requires_grad_(requires_grad=False)
        self.device = device
        self.pad_id = model.config.pad_token_id or 0

    @property
    def width(self) -> int:
        """D of the output."""
        return int(self.model.config.hidden_size)

    @torch.inference_mode()
    def __call__(self, utterances: Sequence[NDArray[np.int32]], batch_size: int) -> list[NDArray[np.float16]]:
        """Return (T, D) float16 for each utterance of T token ids, in the order given; batched by length, to pad little."""
        encoded: list[NDArray[np.float16]] = [np.zeros((0, self.width), np.float16)] * len(utterances)
        by_length = sorted(range(len(utterances)), key=lambda index: (len(utterances[index]), index))
        for start in range(0, len(by_length), batch_size):
            batch = by_length[start : start + batch_size]
            lengths = [len(utterances[index]) for index in batch]
            ids = np.full((len(batch), max(lengths)), self.pad_id, np.int64)
            for row, index in enumerate(batch):
                ids[row, : lengths[row]] = utterances[index]
            mask = np.arange(max(lengths)) < np.asarray(lengths)[:, None]
            with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.autocasts):
                output = self.model(
                    input_ids=torch.from_numpy(ids).to(self.device),
                    attention_mask=torch.from_numpy(mask.astype(np.int64)).to(self.device),
                ).last_hidden_state
            half = output.to(torch.float16).cpu().numpy()
            for row, index in enumerate(batch):
                encoded[index] = half[row, : lengths[row]].copy()
        return encoded


def weights_checksum(model: PreTrainedModel) -> str:
    """Return the checksum of an encoder's weights in float32: names, shapes and numbers, in the order of the names.

    The pooling layer is left out: nothing reads it, and checkpoints without one get random numbers there.
    """
    digest = xxhash.xxh3_128()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith("pooler."):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()


def make_text_encoder(params: TextEncoderParams, key: str, vocab_size: int) -> PreTrainedModel:
    """Return the frozen encoder, cut after the layer to read; from a configuration, with a vocabulary of the size given.

    ErcError where pretrained weights cannot be found or read, or the layer does not exist.
    """
    return _pretrained(params, key) if isinstance(params, PretrainedTextEncoder) else _from_config(params, vocab_size)


def save_text_encoder(model: PreTrainedModel, folder: Path) -> None:
    """Write an encoder's folder with its checksums.

    The version of transformers is left out: stages that read the folder would run again for nothing.
    """
    model.save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["transformers_version"]
    write_json(path, config)
    seal_folder(folder)


def load_text_encoder(folder: Path) -> PreTrainedModel:
    """Read an encoder that save_text_encoder wrote; ErcError where the folder holds none, or a damaged one."""
    if not (folder / "config.json").is_file():
        raise ErcError(f"{folder}: holds no encoder; the stage embed makes it: run `dvc repro`")
    try:
        # without the pooling layer, which was not saved: making one would use up random numbers, and warn
        model = RobertaModel.from_pretrained(str(folder), add_pooling_layer=False, local_files_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise damaged(folder, f"damaged ({reason})") from None
    verify_folder(folder)
    return model


def _pretrained(params: PretrainedTextEncoder, key: str) -> PreTrainedModel:
    with loading_pretrained(params.name, f"{key}.name") as source:
        config = AutoConfig.from_pretrained(source)
        if params.layer > config.num_hidden_layers:
            raise ErcError(f"{key}.layer = {params.layer}: {params.name!r} has layers 1 to {config.num_hidden_layers}")
        # layers after the one to read are never built: roberta-large at layer 12 costs half
        config.num_hidden_layers = params.layer
        # left to itself, transformers keeps the precision of the file, and makes up weights that the file does not have
        options = {"config": config, "dtype": torch.float32, "output_loading_info": True}
        model, report = AutoModel.from_pretrained(source, **options)
    require_weights(params.name, key, [part for part in report["missing_keys"] if not part.startswith("pooler.")])
    return cast("PreTrainedModel", model)


def _from_config(params: TextEncoderFromConfig, vocab_size: int) -> PreTrainedModel:
    config = RobertaConfig(
        vocab_size=vocab_size,
        hidden_size=params.width,
        num_hidden_layers=params.layer,
        num_attention_heads=params.heads,
        intermediate_size=round(params.width * params.mlp_ratio),
        max_position_embeddings=MAX_POSITIONS,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        # with BERT's 0.02 and this width, a token's output hardly depends on its context (0.7%, here 20% at width 64)
        initializer_range=1.0 / np.sqrt(params.width),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        model = RobertaModel(config, add_pooling_layer=False)
        # a trained encoder tells words apart before places; random ones of equal size would drown the word in its place
        torch.nn.init.normal_(model.embeddings.position_embeddings.weight, std=POSITION_SHARE / np.sqrt(params.width))
        return model
