"""Sources of the fusion transformers: real BERT layers of transformers and real ViT blocks of timm."""

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from transformers import AutoModel, BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLayer

from erc_core.errors import ErcError
from erc_core.models.layers import VitParts
from erc_core.params.backbones import Pretrained, TransformerParams, TransformerSizes
from erc_core.run.hub import find_weights, loading_pretrained, require_weights

VIT_POOL = "token"  # the CLS is what is classified: with it, the final LayerNorm is where this model looks for it


@dataclass(frozen=True)
class BertStack:
    """BERT layers in order, and what is needed to make them again without weights."""

    layers: list[BertLayer]  # L^1, L^2, ... counted from the input.
    architecture: dict[str, Any]  # A BertConfig as plain values

    @property
    def width(self) -> int:
        """D."""
        return int(self.architecture["hidden_size"])


@dataclass(frozen=True)
class VitStack:
    """A ViT, and what is needed to make it again without weights."""

    vit: VisionTransformer  # the whole model; its blocks are V^1, V^2, ... counted from the input.
    architecture: dict[str, Any]  # either the name of a timm architecture and the arguments that change it, or sizes

    @property
    def width(self) -> int:
        """D."""
        return int(self.vit.embed_dim)


def make_bert(params: TransformerParams, key: str) -> BertStack:
    """Return the BERT layers that params ask for; `key` is their place in params.yaml, for messages.

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
            attention_probs_dropout_prob=0.0,  # no dropout, as in the ViT; with it, attention takes the slow path
            hidden_dropout_prob=0.0,
            initializer_range=random_weight_std(params.width),
        )
        return bert_from_architecture(config.to_dict())
    with loading_pretrained(params.name, f"{key}.name") as source:
        # left to itself, transformers keeps the precision of the file, and makes up weights that the file does not have
        model, report = AutoModel.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
    if not isinstance(model, BertModel):
        raise ErcError(f"{key}.name = {params.name!r}: holds a {type(model).__name__}; the fusion needs a BERT")
    require_weights(params.name, key, [part for part in report["missing_keys"] if part.startswith("encoder.layer.")])
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
    """Return the ViT that params ask for; see make_bert. Its own patches must match the backbone's `patch`.

    Raises:
        ErcError: Pretrained weights cannot be found or read, or are not those of a ViT with a CLS token and such patches.
    """
    if isinstance(params, TransformerSizes):
        return vit_from_architecture({"sizes": params.model_dump(exclude={"source"}), "patch": patch})
    vit = _pretrained_vit(params, key)
    if not isinstance(vit, VisionTransformer) or vit.cls_token is None or vit.pos_embed is None:
        raise ErcError(f"{key}.name = {params.name!r}: needs to be a timm VisionTransformer with CLS and positions")
    if vit.num_prefix_tokens != 1 or vit.no_embed_class or not isinstance(vit.norm_pre, nn.Identity):
        raise ErcError(
            f"{key}.name = {params.name!r}: has register tokens, a CLS without position or a norm before its blocks, "
            "which this model has no place for"
        )
    try:
        for block in vit.blocks:
            VitParts(block)
    except TypeError as error:
        raise ErcError(f"{key}.name = {params.name!r}: {error}") from None
    own = tuple(vit.patch_embed.patch_size)
    if own != (patch, patch):
        raise ErcError(
            f"{key}.name = {params.name!r}: its patches are {own[0]} x {own[1]}, {key[:-4]}.patch is {patch}"
        )
    architecture = cast("dict[str, Any]", vit.pretrained_cfg)["architecture"]
    return VitStack(vit, {"timm": architecture, "args": _model_args(find_weights(params.name, f"{key}.name"))})


def _pretrained_vit(params: Pretrained, key: str) -> nn.Module:
    source = find_weights(params.name, f"{key}.name")
    is_folder = Path(source).is_dir()
    known = None if is_folder else timm.get_pretrained_cfg(source, allow_unregistered=True)
    repository = known.hf_hub_id if known else params.name.removeprefix("hf-hub:")
    with loading_pretrained(params.name, f"{key}.name", repository):
        # with the classifier it was trained with, which nothing reads: without it, timm forgives missing weights
        return timm.create_model(f"local-dir:{source}" if is_folder else source, pretrained=True, global_pool=VIT_POOL)


def _model_args(name: str) -> dict[str, Any]:
    """Return what a timm folder or repository changes in its architecture, such as sizes: the name alone does not tell."""
    file = Path(name) / "config.json"
    args: dict[str, Any] = {}
    if name.startswith("hf-hub:"):
        args = timm.models.load_model_config_from_hf(name.removeprefix("hf-hub:"))[2]
    elif file.is_file():
        args = json.loads(file.read_text(encoding="utf-8")).get("model_args", {})
    return args


def vit_from_architecture(architecture: dict[str, Any]) -> VitStack:
    """Return a ViT with random weights."""
    if "timm" in architecture:
        args = architecture.get("args", {}) | {"num_classes": 0, "global_pool": VIT_POOL}
        # a name of the hub, a file of weights: timm would fetch and unpickle what a saved configuration says
        own = inspect.signature(timm.create_model).parameters.keys() - {"kwargs"}
        if not timm.is_model(architecture["timm"]) or own & args.keys():
            raise ErcError(
                f"{architecture['timm']!r} with {sorted(args)}: no architecture that timm can make from sizes"
            )
        vit = timm.create_model(architecture["timm"], pretrained=False, **args)
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
    std = random_weight_std(sizes["width"])
    for module in vit.blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
    return VitStack(vit, architecture)


def random_weight_std(width: int) -> float:
    """Return the standard deviation of the random weights of a transformer of some width.

    1 / sqrt(width) keeps the size of what passes through a layer (LeCun et al. 1998, "Efficient BackProp", section 4.6).
    The 0.02 that BERT and ViT start from comes near it at width 768; at width 64 it all but switches a layer off.
    """
    return float(width**-0.5)
