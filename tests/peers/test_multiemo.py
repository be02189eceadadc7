"""MultiEMO: its fusion against plain loops, what each modality may change, padding, its loss, and edges of batches."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from erc_core.inference.dialogues import DialogueBatch, DialogueOutput, DialogueShapes
from erc_core.params.peers import MultiEmoParams
from erc_core.peers.multiemo import MultiAttn, MultiAttnLayer, MultiEMO, class_weights, soft_hgr_loss, swfc_loss

TEXT, SPEECH, WIDTH, HEADS = 6, 10, 8, 2
COUNTS = [40, 10, 25, 0]  # train lacks the last class
MODALITIES = ["T", "A", "T+A"]
VALUES = {
    "width": WIDTH,
    "heads": HEADS,
    "layers": 2,
    "mlp_ratio": 1.5,
    "dropout": 0.1,
    "temperature": 0.8,
    "alpha": 1.2,
    "gamma": 2.0,
    "swfc_weight": 0.3,
    "soft_hgr_weight": 0.5,
    "ce_weight": 0.4,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "epochs": 1,
    "schedule": "constant",
    "warmup": 0,
    "batch_dialogues": 4,
}


def make_model(modality: str = "T+A", *, seed: int = 0, **values: float) -> MultiEMO:
    torch.manual_seed(seed)
    params = MultiEmoParams.model_validate(VALUES | values)
    return MultiEMO(params, DialogueShapes(modality, TEXT, SPEECH, COUNTS))


def make_batch(lengths: Sequence[int] = (4, 1, 6), *, longest: int | None = None, seed: int = 0) -> DialogueBatch:
    """Return dialogues of random utterances, every third without speech; vectors in padding are far from zero."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), longest or max(lengths))
    text, speech = torch.full((*shape, TEXT), 1e3), torch.full((*shape, SPEECH), 1e3)
    heard = torch.zeros(shape, dtype=torch.bool)
    speakers, labels, index = (torch.full(shape, -1) for _ in range(3))
    for b, length in enumerate(lengths):
        place = torch.arange(length)
        text[b, :length] = torch.randn(length, TEXT, generator=generator)
        speech[b, :length] = torch.randn(length, SPEECH, generator=generator)
        heard[b, :length] = place % 3 != 2
        speakers[b, :length] = place % 2
        labels[b, :length] = (place + b) % 3
        index[b, :length] = place + sum(lengths[:b])
    return DialogueBatch(
        text_BUE=text,
        speech_BUS=torch.where(heard[..., None] | (speakers < 0)[..., None], speech, 0.0),
        has_speech_BU=heard,
        utterances_B=torch.tensor(lengths),
        speakers_BU=speakers,
        labels_BU=labels,
        index_BU=index,
    )


def real(output: DialogueOutput, batch: DialogueBatch) -> dict[str, Tensor]:
    """Return what was said of real utterances."""
    found = {"logits": output.logits_BUC, "text": output.text_BUW, "speech": output.speech_BUW}
    return {name: tensor[batch.mask_BU] for name, tensor in found.items() if tensor is not None}


# ---- fusion ----


def cross_attention_layer(layer: MultiAttnLayer, asking_UW: Tensor, other_UW: Tensor) -> Tensor:
    """MultiAttn's layer for one dialogue, head by head and utterance by utterance."""
    attention, per_head = layer.attention, WIDTH // HEADS
    projected = zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    query, key, value = (x @ w.T + b for x, (w, b) in zip((asking_UW, other_UW, other_UW), projected, strict=True))
    fused = []
    for u, asking in enumerate(asking_UW):
        heads = []
        for h in range(HEADS):
            own = slice(h * per_head, (h + 1) * per_head)
            scores = torch.stack([query[u, own] @ key[v, own] / per_head**0.5 for v in range(len(other_UW))])
            heads.append(torch.softmax(scores, dim=0) @ value[:, own])
        read = attention.out_proj.weight @ torch.cat(heads) + attention.out_proj.bias
        x = F.layer_norm(
            asking + read, (WIDTH,), layer.attention_norm.weight, layer.attention_norm.bias, layer.attention_norm.eps
        )
        first, _, second = layer.feed_forward
        hidden = second.weight @ (first.weight @ x + first.bias).clamp(min=0) + second.bias
        norm = layer.feed_forward_norm
        fused.append(F.layer_norm(x + hidden, (WIDTH,), norm.weight, norm.bias, norm.eps))
    return torch.stack(fused)


def test_multiattn_is_its_equations_and_reads_no_padding():
    torch.manual_seed(0)
    fusion = MultiAttn(MultiEmoParams.model_validate(VALUES)).double().eval()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    text, speech = torch.randn(2, 3, 5, WIDTH, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    found_text, found_speech = fusion(text, speech, mask)
    for b, length in enumerate(mask.sum(dim=1).tolist()):
        t, s = own_text, own_speech = text[b, :length], speech[b, :length]
        for text_layer, speech_layer in zip(fusion.text_layers, fusion.speech_layers, strict=True):
            # keys and values are the other modality's features before the fusion, in every layer
            t, s = (
                cross_attention_layer(text_layer, t, own_speech),
                cross_attention_layer(speech_layer, s, own_text),
            )
        torch.testing.assert_close(found_text[b, :length], t, rtol=0, atol=1e-10)
        torch.testing.assert_close(found_speech[b, :length], s, rtol=0, atol=1e-10)


def test_with_both_modalities_each_changes_the_other():
    model, batch = make_model().eval(), make_batch()
    before = real(model(batch), batch)
    new_speech = real(model(replace(batch, speech_BUS=batch.speech_BUS + 1)), batch)
    new_text = real(model(replace(batch, text_BUE=batch.text_BUE + 1)), batch)
    for name in ("text", "speech", "logits"):
        assert not torch.allclose(before[name], new_speech[name], atol=1e-3)
        assert not torch.allclose(before[name], new_text[name], atol=1e-3)


@pytest.mark.parametrize(("modality", "read", "unread"), [("T", "text", "speech"), ("A", "speech", "text")])
def test_one_modality_knows_nothing_of_the_other(modality: str, read: str, unread: str):
    model, batch = make_model(modality).eval(), make_batch()
    vectors = {"text": "text_BUE", "speech": "speech_BUS"}
    before = real(model(batch), batch)
    assert before.keys() == {read, "logits"}
    same = real(model(replace(batch, **{vectors[unread]: torch.full_like(batch.text_BUE, torch.nan)})), batch)
    other = real(model(replace(batch, **{vectors[read]: getattr(batch, vectors[read]) + 1})), batch)
    assert all(torch.equal(before[name], same[name]) for name in before)
    assert all(not torch.allclose(before[name], other[name], atol=1e-3) for name in before)


# ---- dialogues ----


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_dialogue_is_what_it_is_alone(modality: str):
    model, lengths = make_model(modality).eval(), (4, 1, 6)
    batch = make_batch(lengths, longest=9)
    together = model(batch)
    for b, length in enumerate(lengths):
        alone = DialogueBatch(
            **{
                name: getattr(batch, name)[b : b + 1, :length]
                for name in ("text_BUE", "speech_BUS", "has_speech_BU", "speakers_BU", "labels_BU", "index_BU")
            },
            utterances_B=batch.utterances_B[b : b + 1],
        )
        for name, expected in real(model(alone), alone).items():
            found = {"logits": together.logits_BUC, "text": together.text_BUW, "speech": together.speech_BUW}[name]
            torch.testing.assert_close(found[b, :length], expected, rtol=0, atol=2e-5)


def test_the_loss_knows_nothing_of_padding():
    model = make_model().eval()
    tight, wide = make_batch(), make_batch(longest=9)
    for found, expected in zip(
        vars(model.loss(model(wide), wide)).values(), vars(model.loss(model(tight), tight)).values(), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


# ---- loss and training ----


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_loss_is_the_weighted_sum_of_its_terms(modality: str):
    model, batch = make_model(modality).eval(), make_batch()
    output = model(batch)
    losses, utterances, labels = model.loss(output, batch), real(output, batch), batch.labels_BU[batch.mask_BU]
    features = [utterances[name] for name in ("text", "speech") if name in utterances]
    chosen = torch.log_softmax(utterances["logits"], dim=1)[torch.arange(11), labels]
    joined = torch.cat(features, dim=1) @ model.join.weight.T + model.join.bias
    swfc = swfc_loss(joined, labels, class_weights(COUNTS, 1.2), temperature=0.8, gamma=2.0)
    soft_hgr = soft_hgr_loss(*features) / 11 if modality == "T+A" else 0.0
    torch.testing.assert_close(losses.erc, -chosen.mean())
    torch.testing.assert_close(losses.icl, swfc)
    torch.testing.assert_close(losses.total, 0.4 * -chosen.mean() + 0.3 * swfc + 0.5 * soft_hgr)
    assert losses.total.requires_grad
    assert not losses.erc.requires_grad
    assert not losses.icl.requires_grad


def test_a_term_without_weight_is_left_out():
    batch, model = make_batch(), make_model(swfc_weight=0.0, soft_hgr_weight=0.0).eval()
    losses = model.loss(model(batch), batch)
    torch.testing.assert_close(losses.total, 0.4 * losses.erc)
    assert losses.icl.item() == 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_parameter_learns_and_a_few_steps_lower_the_loss(modality: str):
    model, batch = make_model(modality, width=32, dropout=0.0), make_batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    errors = []
    for step in range(30):
        losses = model.loss(model(batch), batch)
        losses.total.backward()
        if step == 0:
            silent = [name for name, parameter in model.named_parameters() if not parameter.grad.any()]
            assert silent == []
        optimizer.step()
        optimizer.zero_grad()
        errors.append(losses.erc.item())
    assert errors[-1] < 0.5 * errors[0]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("layers", [1, 3])
def test_parameters(modality: str, layers: int):
    model, d, inner = make_model(modality, layers=layers), WIDTH, round(1.5 * WIDTH)
    modalities = len(modality.split("+"))
    entering = ("T" in modality) * (TEXT + 1) * d + ("A" in modality) * (SPEECH + 1) * d
    # GRU cells of dialogue and party read 2 d, that of the emotion d; the attention is a vector
    direction = 2 * (3 * d * 2 * d + 3 * d * d + 6 * d) + (6 * d * d + 6 * d) + d
    context = modalities * (2 * direction + 2 * d * d + d)
    layer = 4 * d * d + 4 * d + 2 * d * inner + inner + d + 4 * d
    fusion = (modalities == 2) * 2 * layers * layer
    classifier = (modalities * d + 1) * d + (d + 1) * d + (d + 1) * len(COUNTS)
    assert sum(p.numel() for p in model.parameters()) == entering + context + fusion + classifier
    assert sum(t.numel() for t in model.state_dict().values()) == sum(p.numel() for p in model.parameters())


# ---- edges ----


def edge(name: str) -> DialogueBatch:
    batch = make_batch((1,) if name == "one utterance" else (1, 1) if name == "single utterances" else (4, 1, 6))
    if name == "one class":
        return replace(batch, labels_BU=torch.where(batch.mask_BU, 1, -1))
    if name == "class that train lacks":
        return replace(batch, labels_BU=torch.where(batch.mask_BU, 3, -1))
    if name == "no speech":
        return replace(
            batch, speech_BUS=torch.zeros_like(batch.speech_BUS), has_speech_BU=torch.zeros_like(batch.has_speech_BU)
        )
    return batch


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(
    "name", ["one utterance", "single utterances", "one class", "class that train lacks", "no speech"]
)
def test_loss_and_gradients_are_finite(name: str, modality: str):
    model, batch = make_model(modality), edge(name)
    losses = model.loss(model(batch), batch)
    losses.total.backward()
    assert all(torch.isfinite(value) for value in vars(losses).values())
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    unused = {name for name, gradient in gradients.items() if gradient is None}
    # where no dialogue has a second utterance, nobody reads what came before
    assert all("context.states." in parameter for parameter in unused)
    assert bool(unused) == (batch.text_BUE.shape[1] == 1)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values() if gradient is not None)


def test_heads_must_divide_the_width():
    with pytest.raises(ValidationError, match="heads = 3: allowed are divisors of width"):
        make_model(heads=3)
