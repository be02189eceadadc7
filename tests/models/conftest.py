"""Small models, and the paper's equations a second time: plain loops over one unpadded utterance, in float64.

The second time shares no code with erc_core: attention, layer norm, GELU, the BERT layer, the ViT block, patches and the
text extractor are written out here from the weights by name. D width, S positions, H heads.
"""

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest
import small_models
import torch
from small_models import EXTRACTOR_HEADS, EXTRACTOR_LAYERS, HEADS, LABELS, N_MELS, PATCH, TEXT_WIDTH
from torch import Tensor

from erc_core.models.backbones import BertStack, VitStack
from erc_core.models.batch import Batch
from erc_core.models.classifier import UtteranceClassifier

BERT_EPS, VIT_EPS, TORCH_EPS = 1e-12, 1e-6, 1e-5  # of the layer norms: BERT's, timm's, torch's

Weights = Mapping[str, Tensor]


# ---- the equations, in loops ----


def part(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """Return the weights under a prefix, without it."""
    found = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    assert found, f"no weights under {prefix!r}"
    return found


def linear(x: Tensor, weights: Weights, name: str) -> Tensor:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    centred = x - x.sum(dim=-1, keepdim=True) / x.shape[-1]
    variance = (centred * centred).sum(dim=-1, keepdim=True) / x.shape[-1]
    return centred / (variance + eps).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def attention(query_SD: Tensor, key_SD: Tensor, value_SD: Tensor, heads: int) -> Tensor:
    size = query_SD.shape[1] // heads
    output = torch.zeros_like(query_SD)
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        for i, query in enumerate(query_SD[:, own]):
            shares = (key_SD[:, own] @ query / math.sqrt(size)).exp()
            output[i, own] = (shares / shares.sum()) @ value_SD[:, own]
    return output


def bert_layer(x_SD: Tensor, weights: Weights, heads: int) -> Tensor:
    query, key, value = (linear(x_SD, weights, f"attention.self.{name}") for name in ("query", "key", "value"))
    attended = linear(attention(query, key, value, heads), weights, "attention.output.dense")
    x_SD = layer_norm(x_SD + attended, weights, "attention.output.LayerNorm", BERT_EPS)
    hidden = gelu(linear(x_SD, weights, "intermediate.dense"))
    return layer_norm(x_SD + linear(hidden, weights, "output.dense"), weights, "output.LayerNorm", BERT_EPS)


def vit_block(x_SD: Tensor, weights: Weights, heads: int) -> Tensor:
    query, key, value = linear(layer_norm(x_SD, weights, "norm1", VIT_EPS), weights, "attn.qkv").chunk(3, dim=1)
    x_SD = x_SD + linear(attention(query, key, value, heads), weights, "attn.proj")
    hidden = gelu(linear(layer_norm(x_SD, weights, "norm2", VIT_EPS), weights, "mlp.fc1"))
    return x_SD + linear(hidden, weights, "mlp.fc2")


def joint_block(
    f_m: Tensor, f_t: Tensor, weights: Weights, heads: int, V: Weights | None = None, L: Weights | None = None
) -> tuple[Tensor, Tensor]:
    """Eq. 1-4 for one utterance: (P, D), (T, D) -> the next ones. V and L, if given, replace those among the weights."""
    V, L = V or part(weights, "V."), L or part(weights, "L.")
    if "v_JD" not in weights:
        return vit_block(f_m, V, heads), bert_layer(f_t, L, heads)
    untied = any(name.startswith("V_text_to_mel.") for name in weights)
    V_prime = part(weights, "V_text_to_mel.") if untied else V
    L_prime = part(weights, "L_text_to_mel.") if untied else L

    def mlp(name: str, x: Tensor) -> Tensor:
        return linear(linear(x, weights, f"{name}.layers.0").clamp(min=0), weights, f"{name}.layers.2")

    v_hat = vit_block(torch.cat([f_m, weights["v_JD"]]), V, heads)[len(f_m) :]  # (1)
    v_bar = mlp("mlp", v_hat)
    next_t = bert_layer(torch.cat([f_t, v_bar]), L, heads)[: len(f_t)]  # (2)
    v_hat_prime = bert_layer(torch.cat([f_t, weights["v_prime_JD"]]), L_prime, heads)[len(f_t) :]  # (3)
    v_bar_prime = mlp("mlp_prime", v_hat_prime)
    next_m = vit_block(torch.cat([f_m, v_bar_prime]), V_prime, heads)[: len(f_m)]  # (4)
    return next_m, next_t


def extractor(x_TE: Tensor, weights: Weights, heads: int, layers: int) -> Tensor:
    x = linear(x_TE, weights, "enter")
    for n in range(layers):
        own = part(weights, f"encoder.layers.{n}.")
        qkv = x @ own["self_attn.in_proj_weight"].T + own["self_attn.in_proj_bias"]
        attended = linear(attention(*qkv.chunk(3, dim=1), heads), own, "self_attn.out_proj")
        x = layer_norm(x + attended, own, "norm1", TORCH_EPS)
        x = layer_norm(x + linear(gelu(linear(x, own, "linear1")), own, "linear2"), own, "norm2", TORCH_EPS)
    return linear(x, weights, "leave")


def mel_sequence(mel_FM: Tensor, weights: Weights, patch: int) -> Tensor:
    """CLS and patches of one clip, (1 + P, D): patches run up the frequencies, then on in time."""
    frames, bins = mel_FM.shape
    columns, rows = max(1, math.ceil(frames / patch)), math.ceil(bins / patch)
    padded = torch.zeros(columns * patch, rows * patch, dtype=mel_FM.dtype)
    padded[:frames, :bins] = (mel_FM - weights["mean"]) / weights["std"]
    sequence = [weights["cls_D"] + weights["cls_position_D"]]
    if frames == 0:
        return torch.stack(sequence)
    for k in range(columns):
        for r in range(rows):
            square = padded[k * patch : (k + 1) * patch, r * patch : (r + 1) * patch]
            projected = (weights["projection.weight"][:, 0] * square).sum(dim=(1, 2)) + weights["projection.bias"]
            sequence.append(projected + weights["position_PD"][k * rows + r])
    return torch.stack(sequence)


def classifier(
    model: UtteranceClassifier, bert: BertStack, vit: VitStack, text_TE: Tensor, mel_FM: Tensor
) -> dict[str, Tensor | None]:
    """The paper's model for one utterance. L and V are picked here, from the stacks; the rest is the model's, by name."""
    weights, jfm, modality = model.state_dict(), model.config.jfm, model.config.model.modality
    L = [layer.state_dict() for layer in bert.layers]
    V = [block.state_dict() for block in vit.vit.blocks]
    start_l, start_v = (0, 0) if jfm.layers == "first" else (len(L) - jfm.n_blocks, len(V) - jfm.n_blocks)
    f_t = f_m = None
    if "T" in modality:
        f_t = extractor(text_TE, part(weights, "text.extractor."), EXTRACTOR_HEADS, EXTRACTOR_LAYERS)
        for n in range(start_l):
            f_t = bert_layer(f_t, L[n], HEADS)
    if "A" in modality:
        f_m = mel_sequence(mel_FM, part(weights, "speech.patches."), PATCH)
        for n in range(start_v):
            f_m = vit_block(f_m, V[n], HEADS)
    for n in range(jfm.n_blocks):
        if modality == "T":
            f_t = bert_layer(f_t, L[start_l + n], HEADS)
        elif modality == "A":
            f_m = vit_block(f_m, V[start_v + n], HEADS)
        else:
            own = part(weights, f"fusion.blocks.{n}.")
            v_read_by_vit, t_read_by_bert = joint_block(f_m, f_t, own, HEADS, V[start_v + n], L[start_l + n])
            # to the letter, what L gives is F_{m->t}, and that is what V reads in the next block
            swapped = jfm.streams == "literal"
            f_m, f_t = (t_read_by_bert, v_read_by_vit) if swapped else (v_read_by_vit, t_read_by_bert)
    text_logits = None if f_t is None else linear(f_t[0], weights, "text.classifier")
    mel_cls = None if f_m is None else layer_norm(f_m[0], weights, "speech.norm", VIT_EPS)
    mel_logits = None if mel_cls is None else linear(mel_cls, weights, "speech.classifier")
    given = [logits for logits in (text_logits, mel_logits) if logits is not None]
    cls = [vector for vector in (None if f_t is None else f_t[0], mel_cls) if vector is not None]
    return {
        "text_logits_BC": text_logits,
        "mel_logits_BC": mel_logits,
        "logits_BC": sum(given) / len(given),  # (5)
        "features_BF": torch.cat(cls),  # F of (6)
    }


def cross_modal(z_t: Tensor, z_a: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """Z_t' and Z_a' of cross-modal fusion attention for one utterance, from Z_t (T, D) and Z_a (P, D)."""
    q_t, k_t, v_t = linear(z_t, weights, "text_qkv").chunk(3, dim=1)
    q_a, k_a, v_a = linear(z_a, weights, "speech_qkv").chunk(3, dim=1)
    return (
        layer_norm(z_t + attention(q_t, k_a, v_a, 1), weights, "text_norm", TORCH_EPS),
        layer_norm(z_a + attention(q_a, k_t, v_t, 1), weights, "speech_norm", TORCH_EPS),
    )


def separate(model: UtteranceClassifier, vit: VitStack, text_TE: Tensor, mel_FM: Tensor) -> dict[str, Tensor | None]:
    """A stand-in for the JFM, for one utterance: text features, a ViT of its own for the mel, and one of three fusions."""
    weights, fusion, count = model.state_dict(), model.config.model.fusion, model.config.model.vit_layers
    z_t = extractor(text_TE, part(weights, "text.extractor."), EXTRACTOR_HEADS, EXTRACTOR_LAYERS)
    f_m = mel_sequence(mel_FM, part(weights, "speech.patches."), PATCH)
    for block in list(vit.vit.blocks)[:count]:
        f_m = vit_block(f_m, block.state_dict(), HEADS)
    z_a = layer_norm(f_m, weights, "speech.norm", VIT_EPS)
    if fusion == "late":
        text_logits, mel_logits = (
            linear(z_t[0], weights, "text.classifier"),
            linear(z_a[0], weights, "speech.classifier"),
        )
        return {
            "text_logits_BC": text_logits,
            "mel_logits_BC": mel_logits,
            "logits_BC": (text_logits + mel_logits) / 2,
            "features_BF": torch.cat([z_t[0], z_a[0]]),
        }
    if fusion == "concatenate":
        features = torch.cat([z_t[0], z_a[0]])
    else:
        z_t_prime, z_a_prime = cross_modal(z_t, z_a, part(weights, "fusion.cross_attention."))
        features = torch.cat([sum(sequence) / len(sequence) for sequence in (z_a, z_t, z_a_prime, z_t_prime)])
    logits = linear(features, weights, "fusion.classifier")
    return {"text_logits_BC": None, "mel_logits_BC": None, "logits_BC": logits, "features_BF": features}


@pytest.fixture(scope="session")
def equations() -> SimpleNamespace:
    """Return the loops above."""
    return SimpleNamespace(
        bert_layer=bert_layer,
        vit_block=vit_block,
        joint_block=joint_block,
        classifier=classifier,
        separate=separate,
        part=part,
    )


# ---- small models ----


@pytest.fixture(scope="session")
def make_small() -> Callable[..., small_models.Small]:
    """Return small_models.make_small."""
    return small_models.make_small


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Return a function that makes a batch of random features; what is beyond an utterance's length is garbage."""

    def make(
        tokens: list[int],
        frames: list[int],
        *,
        extra_tokens: int = 0,
        extra_frames: int = 0,
        garbage: float = 1e6,
        dtype: torch.dtype = torch.float64,
        seed: int = 0,
    ) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        text = torch.full((len(tokens), max(tokens) + extra_tokens, TEXT_WIDTH), garbage, dtype=dtype)
        mel = torch.full((len(frames), max(frames) + extra_frames, N_MELS), garbage, dtype=dtype)
        for b, (t, f) in enumerate(zip(tokens, frames, strict=True)):
            text[b, :t] = torch.randn(t, TEXT_WIDTH, generator=generator, dtype=torch.float64).to(dtype)
            mel[b, :f] = torch.randn(f, N_MELS, generator=generator, dtype=torch.float64).to(dtype)
        return Batch(
            text_BTE=text,
            tokens_B=torch.tensor(tokens),
            mel_BFM=mel,
            frames_B=torch.tensor(frames),
            labels_B=torch.arange(len(tokens)) % len(LABELS),
            index_B=torch.arange(len(tokens)),
        )

    return make
