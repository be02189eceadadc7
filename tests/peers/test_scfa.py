"""SCFA: the whole system against plain loops over one dialogue, what each mask lets through, and edges of dialogues."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from small_models import randomize
from torch import Tensor, nn

from erc_core.inference.dialogues import DialogueBatch, DialogueShapes
from erc_core.params.peers import ScfaParams
from erc_core.peers.scfa import SCFA, speaker_masks

TEXT, SPEECH, WIDTH, HEADS, LAYERS, LABELS = 5, 7, 6, 2, 2, 4
MODALITIES = ["T", "A", "T+A"]
GARBAGE = 1e3
VALUES = {
    "width": WIDTH,
    "heads": HEADS,
    "layers": LAYERS,
    "dropout": 0.1,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "epochs": 1,
    "schedule": "constant",
    "warmup": 0,
    "batch_dialogues": 4,
}
# speakers of each dialogue, and the utterances without speech: a usual dialogue, one speaker, one utterance with and one
# without speech, no speech at all, one speaker (1) whose only utterance has no speech
DIALOGUES = [[0, 1, 0, 2, 1, 1], [0, 0, 0], [0], [0], [0, 1, 1], [0, 1, 0, 0]]
UNHEARD = [[3], [1], [], [0], [0, 1, 2], [1]]


def make(modality: str = "T+A", **values: float) -> SCFA:
    torch.manual_seed(0)
    params = ScfaParams.model_validate(VALUES | values)
    system = SCFA(params, DialogueShapes(modality, TEXT, SPEECH, [1] * LABELS)).double()
    randomize(system)
    return system.eval()


def make_batch(
    dialogues: Sequence[Sequence[int]] = DIALOGUES, unheard: Sequence[Sequence[int]] = UNHEARD, *, longer: int = 2
) -> DialogueBatch:
    """Return dialogues of random utterances with garbage in the padding."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(dialogues), max(map(len, dialogues)) + longer)
    text = torch.full((*shape, TEXT), GARBAGE, dtype=torch.float64)
    speech = torch.full((*shape, SPEECH), GARBAGE, dtype=torch.float64)
    heard = torch.zeros(shape, dtype=torch.bool)
    speakers, labels, index = (torch.full(shape, -1) for _ in range(3))
    for b, (who, silent) in enumerate(zip(dialogues, unheard, strict=True)):
        there = slice(len(who))
        text[b, there] = torch.randn(len(who), TEXT, generator=generator, dtype=torch.float64)
        speech[b, there] = torch.randn(len(who), SPEECH, generator=generator, dtype=torch.float64)
        heard[b, there] = True
        heard[b, list(silent)] = False
        speech[b, list(silent)] = 0.0
        speakers[b, there] = torch.tensor(who)
        labels[b, there] = (torch.arange(len(who)) + b) % LABELS
    return DialogueBatch(text, speech, heard, torch.tensor([len(who) for who in dialogues]), speakers, labels, index)


# ---- the system in loops over the utterances of one dialogue ----


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.sum() / len(x)
    return centred / ((centred**2).sum() / len(x) + norm.eps).sqrt() * norm.weight + norm.bias


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return layer.weight @ x + layer.bias


def attention(query: Tensor, keys: list[Tensor], values: list[Tensor], heads: int) -> Tensor:
    size, read = len(query) // heads, torch.zeros_like(query)
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        shares = [math.exp(float(query[own] @ key[own]) / math.sqrt(size)) for key in keys]
        for share, value in zip(shares, values, strict=True):
            read[own] += share / sum(shares) * value[own]
    return read


def encoder_layer(h: list[Tensor], may_attend: list[list[int]], layer: nn.TransformerEncoderLayer) -> list[Tensor]:
    rows = []
    qkv = [(layer.self_attn.in_proj_weight @ x + layer.self_attn.in_proj_bias).chunk(3) for x in h]
    for i, x in enumerate(h):
        read = attention(qkv[i][0], [qkv[j][1] for j in may_attend[i]], [qkv[j][2] for j in may_attend[i]], HEADS)
        x = layer_norm(x + linear(read, layer.self_attn.out_proj), layer.norm1)
        hidden = linear(x, layer.linear1)
        hidden = hidden / 2 * (1 + torch.erf(hidden / math.sqrt(2)))
        rows.append(layer_norm(x + linear(hidden, layer.linear2), layer.norm2))
    return rows


def conversation(vectors: Tensor, who: Sequence[int], present: list[int], encoder: nn.Module) -> list[Tensor]:
    h = []
    for position, vector in enumerate(vectors):
        angles = [position / 10_000 ** (2 * (column // 2) / WIDTH) for column in range(WIDTH)]
        encoding = [math.cos(a) if column % 2 else math.sin(a) for column, a in enumerate(angles)]
        h.append(linear(vector, encoder.enter) + torch.tensor(encoding, dtype=torch.float64))
    everyone = range(len(who))
    branches = []
    for branch, may in (
        (encoder.context, [list(present) for _ in everyone]),
        (encoder.same, [[j for j in present if who[j] == who[i]] for i in everyone]),
        (encoder.other, [[j for j in present if who[j] != who[i]] for i in everyone]),
    ):
        x = h
        for layer in branch.layers:
            # who may attend to nothing is still attended to, where others may: it then attends to itself alone
            x = encoder_layer(x, [allowed or [i] for i, allowed in enumerate(may)], layer)
        branches.append([x[i] if may[i] else torch.zeros(WIDTH, dtype=torch.float64) for i in everyone])
    joined = [linear(torch.cat([branch[i] for branch in branches]), encoder.join) for i in everyone]
    return [layer_norm(h[i] + joined[i], encoder.norm) for i in everyone]


@torch.no_grad()
def loops(system: SCFA, text: Tensor, speech: Tensor, heard: list[int], who: Sequence[int]) -> Tensor:
    everyone = list(range(len(who)))
    z_t = conversation(text, who, everyone, system.text) if system.text else None
    z_a = conversation(speech, who, heard, system.speech) if system.speech else None
    rows = []
    for i in everyone:
        features = [z[i] for z in (z_a, z_t) if z is not None]
        if z_t is not None and z_a is not None:
            cfa = system.cfa
            of_text = [linear(z, cfa.text_qkv).chunk(3) for z in z_t]
            of_speech = [linear(z, cfa.speech_qkv).chunk(3) for z in z_a]
            keys, values = [of_text[j][1] for j in everyone], [of_text[j][2] for j in everyone]
            features.append(layer_norm(z_a[i] + attention(of_speech[i][0], keys, values, 1), cfa.speech_norm))
            keys, values = [of_speech[j][1] for j in heard], [of_speech[j][2] for j in heard]
            features.append(layer_norm(z_t[i] + attention(of_text[i][0], keys, values, 1), cfa.text_norm))
        rows.append(linear(torch.cat(features), system.classifier))
    return torch.stack(rows)


@pytest.mark.parametrize("modality", MODALITIES)
def test_is_the_loops_over_each_dialogue_alone(modality: str):
    system, batch = make(modality), make_batch()
    logits = system(batch).logits_BUC
    for b, (who, silent) in enumerate(zip(DIALOGUES, UNHEARD, strict=True)):
        heard = [i for i in range(len(who)) if i not in silent]
        expected = loops(system, batch.text_BUE[b, : len(who)], batch.speech_BUS[b, : len(who)], heard, who)
        torch.testing.assert_close(logits[b, : len(who)], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("modality", MODALITIES)
def test_prediction_in_float32_gives_what_training_gives_without_dropout(modality: str):
    # torch has a path of its own for encoder layers where no gradient is wanted
    system, batch = make(modality).float(), make_batch()
    batch = replace(batch, text_BUE=batch.text_BUE.float(), speech_BUS=batch.speech_BUS.float())
    with torch.inference_mode():
        predicted = system(batch).logits_BUC
    torch.testing.assert_close(predicted[batch.mask_BU], system(batch).logits_BUC[batch.mask_BU], rtol=1e-4, atol=1e-4)


# ---- learning ----


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_weight_learns_from_a_padded_batch(modality: str):
    system, batch = make(modality).train(), make_batch()
    output = system(batch)
    system.loss(output, batch).total.backward()
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name
    assert (output.text_BUW is None) == (modality == "A")
    assert (output.speech_BUW is None) == (modality == "T")


def test_loss_is_the_cross_entropy_over_real_utterances():
    system, batch = make(), make_batch()
    output = system(batch)
    losses = system.loss(output, batch)
    surprises = [
        -math.log(float(scores[label].exp() / scores.exp().sum()))
        for scores, label in zip(output.logits_BUC.detach()[batch.mask_BU], batch.labels_BU[batch.mask_BU], strict=True)
    ]
    assert len(surprises) == sum(map(len, DIALOGUES))
    assert losses.total.item() == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)
    assert losses.erc.item() == losses.total.item()
    assert losses.icl.item() == 0.0
    assert losses.total.requires_grad
    assert not losses.erc.requires_grad


# ---- what each mask lets through ----


def test_masks_are_the_speakers():
    speakers = torch.tensor([[0, 1, 0, -1]])
    present = torch.tensor([[True, True, False, False]])
    masks = speaker_masks(speakers, present)
    yes = {name: mask[0, :3].int().tolist() for name, mask in masks._asdict().items()}
    assert yes == {
        "context": [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]],
        "same": [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]],
        "other": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]],
    }


@pytest.mark.parametrize(
    ("branch", "layers", "reached"),
    [
        # utterance 0 is changed; speaker 0 says 0 and 2, speaker 1 says 1 and 4, speaker 2 says 3
        ("context", 1, [0, 1, 2, 3, 4]),
        ("same", 1, [0, 2]),
        ("same", 3, [0, 2]),
        ("other", 1, [0, 1, 3, 4]),  # itself through the residual
    ],
)
def test_a_changed_utterance_reaches_only_those_who_may_attend_to_it(branch: str, layers: int, reached: list[int]):
    transformer = getattr(make(layers=layers).text, branch)
    mask = getattr(speaker_masks(torch.tensor([[0, 1, 0, 2, 1]]), torch.ones(1, 5, dtype=torch.bool)), branch)
    h = torch.randn(1, 5, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    changed = h.clone()
    changed[0, 0] += torch.linspace(-1, 1, WIDTH)
    differs = (transformer(h, mask) != transformer(changed, mask)).any(dim=2)[0]
    assert differs.nonzero().flatten().tolist() == reached


def test_with_one_speaker_the_other_speaker_branch_says_nothing():
    transformer = make().text.other
    mask = speaker_masks(torch.tensor([[0, 0, 0]]), torch.ones(1, 3, dtype=torch.bool)).other
    said = transformer(torch.randn(1, 3, WIDTH, dtype=torch.float64), mask)
    assert (said == 0).all()


@pytest.mark.parametrize("modality", ["A", "T+A"])
def test_speech_that_is_missing_reaches_no_other_utterance_as_speech(modality: str):
    system, batch = make(modality), make_batch()
    speech = batch.speech_BUS.clone()
    speech[0, UNHEARD[0]] = 5.0
    before, after = system(batch), system(replace(batch, speech_BUS=speech))
    others = [i for i in range(len(DIALOGUES[0])) if i not in UNHEARD[0]]
    assert torch.equal(before.logits_BUC[0, others], after.logits_BUC[0, others])
    assert not torch.equal(before.speech_BUW[0, UNHEARD[0]], after.speech_BUW[0, UNHEARD[0]])


# ---- sizes ----


@pytest.mark.parametrize("modality", MODALITIES)
def test_parameter_count(modality: str):
    w = WIDTH
    layer = 4 * (w * w + w) + (w * 4 * w + 4 * w) + (4 * w * w + w) + 2 * 2 * w  # attention, feed-forward, two norms
    common = 3 * LAYERS * layer + (3 * w * w + w) + 2 * w  # three transformers, the join and its norm
    text, speech = TEXT * w + w + common, SPEECH * w + w + common
    cfa = 6 * (w * w + w) + 2 * 2 * w
    expected = {
        "T": text + (w + 1) * LABELS,
        "A": speech + (w + 1) * LABELS,
        "T+A": text + speech + cfa + (4 * w + 1) * LABELS,
    }
    assert sum(p.numel() for p in make(modality).parameters()) == expected[modality]


def test_heads_must_divide_the_width():
    with pytest.raises(ValidationError, match=r"heads = 4: allowed are divisors of width \(6\): 1, 2, 3, 6"):
        ScfaParams.model_validate(VALUES | {"heads": 4})
