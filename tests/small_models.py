"""Small models with weights that no fresh model has, from sizes or from folders as the hub holds them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import save_for_hf
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.models.augment import Augmentation
from erc_core.models.backbones import BertStack, VitStack, make_bert, make_vit
from erc_core.models.classifier import UtteranceClassifier, make_classifier
from erc_core.models.config import ModelConfig
from erc_core.params.backbones import ExtractorParams, Pretrained, TransformerSizes
from erc_core.params.model import JFMParams, ModelParams

WIDTH, HEADS, DEPTH, MLP_RATIO = 16, 2, 4, 1.5
PATCH, N_MELS, MAX_FRAMES = 4, 10, 30  # rows of patches: 3, the last one partial; columns: 8
TEXT_WIDTH, EXTRACTOR_WIDTH, EXTRACTOR_HEADS, EXTRACTOR_LAYERS = 12, 20, 4, 2
LABELS = ["neutral", "joy", "wütend"]
BERT_KEY, VIT_KEY = "backbones.test.bert", "backbones.test.vit"

BERT_SIZES = {
    "vocab_size": 30,
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": 32,
}
# far from the architecture's own 768, 12, 12, 224 and 16: that is what model_args of a timm folder are for
VIT_SIZES = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS, "img_size": 4 * PATCH, "patch_size": PATCH}


def randomize(module: nn.Module, seed: int = 0, scale: float = 0.3) -> None:
    """Give every weight, biases and norms too, a value of its own: fresh ones are 0 or 1, and hide what is left out."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(scale * noise.to(parameter.dtype))


# ---- transformers ----


def stacks_from_sizes(width: int = WIDTH) -> tuple[BertStack, VitStack]:
    sizes = TransformerSizes(source="config", width=width, depth=DEPTH, heads=HEADS, mlp_ratio=MLP_RATIO)
    return make_bert(sizes, BERT_KEY), make_vit(sizes, VIT_KEY, PATCH)


def save_bert(folder: Path, kind: type[BertModel] = BertModel, **changes: Any) -> Path:
    """Write a small BERT as transformers does."""
    model = kind(BertConfig(**(BERT_SIZES | changes)))
    randomize(model, scale=1.0)
    model.save_pretrained(folder)
    return folder


def save_vit(folder: Path, architecture: str = "vit_base_patch16_224", **model_args: Any) -> Path:
    """Write a small ViT as the hub's timm folders are: config.json and model.safetensors."""
    sizes = VIT_SIZES | model_args
    model = timm.create_model(architecture, pretrained=False, **sizes)
    randomize(model, scale=1.0)
    # model_args are given here too, as releases of timm before they were recorded need it
    save_for_hf(model, str(folder), safe_serialization=True, model_args=sizes)
    return folder


def pretrained(folder: Path | str) -> Pretrained:
    return Pretrained(source="pretrained", name=str(folder))


# ---- models ----


def make_config(
    bert: BertStack,
    vit: VitStack,
    *,
    modality: str = "T+A",
    fusion: str = "jfm",
    vit_layers: int | None = None,
    **jfm: Any,
) -> ModelConfig:
    defaults = {
        "n_blocks": 2,
        "joint_len": 4,
        "joint_init_std": 0.02,
        "streams": "aligned",
        "layers": "first",
        "tied": True,
        "frozen": False,
    }
    return ModelConfig(
        labels=LABELS,
        text_width=TEXT_WIDTH,
        n_mels=N_MELS,
        max_frames=MAX_FRAMES,
        model=ModelParams(modality=modality, fusion=fusion, vit_layers=vit_layers),
        jfm=JFMParams(**(defaults | jfm)),
        extractor=ExtractorParams(
            layers=EXTRACTOR_LAYERS, heads=EXTRACTOR_HEADS, width=EXTRACTOR_WIDTH, mlp_ratio=2.0, dropout=0.1
        ),
        bert=bert.architecture,
        vit=vit.architecture,
    )


@dataclass(frozen=True)
class Small:
    """A small model in evaluation mode, and the stacks that it took its layers from."""

    model: UtteranceClassifier
    bert: BertStack
    vit: VitStack


def make_small(
    stacks: tuple[BertStack, VitStack] | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    augmentation: Augmentation | None = None,
    fresh: bool = False,
    **switches: Any,
) -> Small:
    """Make a small model; switches are those of jfm, and modality, fusion and vit_layers."""
    torch.manual_seed(seed)
    bert, vit = stacks or stacks_from_sizes()
    model = make_classifier(make_config(bert, vit, **switches), bert, vit, augmentation)
    # in double before it is made random, so that the copies of untied layers differ from what they were copied from
    model = model.to(dtype)
    if not fresh:
        randomize(model, seed)
    for layer in bert.layers:
        layer.to(dtype)
    vit.vit.to(dtype)
    if model.speech:
        model.speech.patches.set_statistics(torch.linspace(-1, 1, N_MELS), torch.linspace(0.5, 2, N_MELS))
    return Small(model.eval(), bert, vit)


def run_bert(layer: BertLayer, sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Apply one BERT layer; positions where the mask is false are not attended to."""
    output: Tensor = layer(sequence_BSD, mask_BS[:, None, None, :])
    return output


def run_vit(block: nn.Module, sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Apply one ViT block; positions where the mask is false are not attended to."""
    output: Tensor = block(sequence_BSD, attn_mask=mask_BS[:, None, None, :])
    return output
