"""Sources of the fusion transformers: real BERT layers of transformers and real ViT blocks of timm."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.errors import ErcError
from erc_core.hub import loading_pretrained
from erc_core.params.backbones import Pretrained, TransformerParams, TransformerSizes


@dataclass(frozen=True)
class BertStack:
    """BERT layers in order, and what is needed to make them again without weights.

    Attributes:
        layers: L^1, L^2, ... counted from the input.
        architecture: A BertConfig as plain values.
    """

    layers: list[BertLayer]
    architecture: dict[str, Any]


@dataclass(frozen=True)
class VitStack:
    """A ViT, and what is needed to make it again without weights.

    Attributes:
        vit: The whole model; its blocks are V^1, V^2, ... counted from the input.
        architecture: Either the name of a timm architecture, or sizes.
    """

    vit: VisionTransformer
    architecture: dict[str, Any]


def make_bert(params: TransformerParams, key: str) -> BertStack:
    """Return the BERT layers that params ask for.

    Args:
        params: backbones.<backbone>.bert.
        key: Its place in params.yaml, for messages.

    Raises:
        ErcError: Pretrained weights cannot be found or read, or are not BERT's.
    """
    if isinstance(params, TransformerSizes):
        config = BertConfig(
            vocab_size=1,
            hidden_size=params.width,
            num_hidden_layers=params.depth,
            num_attention_heads=params.heads,
            intermediate_size=round(params.width * params.mlp_ratio),
        )
        return bert_from_architecture(config.to_dict())
    with loading_pretrained(params.name, f"{key}.name"):
        model = AutoModel.from_pretrained(params.name)
    if not isinstance(model, BertModel):
        raise ErcError(f"{key}.name = {params.name!r}: holds a {type(model).__name__}; the fusion needs a BERT")
    return BertStack(_layers(model), model.config.to_dict())


def bert_from_architecture(architecture: dict[str, Any]) -> BertStack:
    """Return BERT layers with random weights."""
    config = BertConfig.from_dict(architecture)
    config._attn_implementation = "sdpa"  # noqa: SLF001 - the attribute that transformers reads
    model = BertModel(config, add_pooling_layer=False)
    return BertStack(_layers(model), architecture)


def _layers(model: BertModel) -> list[BertLayer]:
    return cast("list[BertLayer]", list(model.encoder.layer))


def make_vit(params: TransformerParams, key: str, patch: int) -> VitStack:
    """Return the ViT that params ask for.

    Args:
        params: backbones.<backbone>.vit.
        key: Its place in params.yaml, for messages.
        patch: backbones.<backbone>.patch, which the model's own patches must match.

    Raises:
        ErcError: Pretrained weights cannot be found or read, or are not those of a ViT with a CLS token and such patches.
    """
    if isinstance(params, TransformerSizes):
        return vit_from_architecture({"sizes": params.model_dump(exclude={"source"}), "patch": patch})
    vit = _pretrained_vit(params, key)
    if not isinstance(vit, VisionTransformer) or vit.cls_token is None or vit.pos_embed is None:
        raise ErcError(f"{key}.name = {params.name!r}: needs to be a timm VisionTransformer with CLS and positions")
    found = tuple(vit.patch_embed.patch_size)
    if found != (patch, patch):
        raise ErcError(
            f"{key}.name = {params.name!r}: its patches are {found[0]} x {found[1]}, {key[:-4]}.patch is {patch}"
        )
    return VitStack(vit, {"timm": cast("dict[str, Any]", vit.pretrained_cfg)["architecture"]})


def _pretrained_vit(params: Pretrained, key: str) -> nn.Module:
    is_folder = Path(params.name).is_dir()
    with loading_pretrained(params.name, f"{key}.name"):
        source = f"local-dir:{params.name}" if is_folder else params.name
        return timm.create_model(source, pretrained=True, num_classes=0)


def vit_from_architecture(architecture: dict[str, Any]) -> VitStack:
    """Return a ViT with random weights."""
    if "timm" in architecture:
        vit = timm.create_model(architecture["timm"], pretrained=False, num_classes=0)
        return VitStack(cast("VisionTransformer", vit), architecture)
    sizes = architecture["sizes"]
    vit = VisionTransformer(
        img_size=14 * architecture["patch"],
        patch_size=architecture["patch"],
        num_classes=0,
        embed_dim=sizes["width"],
        depth=sizes["depth"],
        num_heads=sizes["heads"],
        mlp_ratio=sizes["mlp_ratio"],
    )
    return VitStack(vit, architecture)


def run_bert(layer: BertLayer, sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Apply one BERT layer; positions where the mask is false are not attended to."""
    output: Tensor = layer(sequence_BSD, mask_BS[:, None, None, :])
    return output


def run_vit(block: nn.Module, sequence_BSD: Tensor, mask_BS: Tensor) -> Tensor:
    """Apply one ViT block; positions where the mask is false are not attended to."""
    output: Tensor = block(sequence_BSD, attn_mask=mask_BS[:, None, None, :])
    return output
