"""DialogueRNN of all runs at once against plain loops: one dialogue, one modality, one direction, one speaker at a time."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.peers.dialogue_rnn import DialogueRNN, StackedGRUCell

WIDTH = 3
# lengths 5, 1 and 3; the second speaker of the last dialogue is silent for long, the first has an index of 2
SPEAKERS = torch.tensor([[0, 1, 0, 0, 1], [0, -1, -1, -1, -1], [2, 0, 2, -1, -1]])
UTTERANCES = torch.tensor([5, 1, 3])


def torch_cell(cell: StackedGRUCell, run: int) -> nn.GRUCell:
    """Return torch's own cell with the weights of one run."""
    entering, gates = cell.enter.weight_RIO.shape[1:]
    own = nn.GRUCell(entering, gates // 3).double()
    with torch.no_grad():
        own.weight_ih.copy_(cell.enter.weight_RIO[run].T)
        own.bias_ih.copy_(cell.enter.bias_R1O[run, 0])
        own.weight_hh.copy_(cell.state.weight_RIO[run].T)
        own.bias_hh.copy_(cell.state.bias_R1O[run, 0])
    return own


def one_direction(model: DialogueRNN, run: int, u_UW: Tensor, speakers: list[int]) -> list[Tensor]:
    """The recurrence for one dialogue in the order in which it is read."""
    states = model.states
    dialogue, party, emotion = (
        torch_cell(cell, run) for cell in (states.dialogue_cell, states.party_cell, states.emotion_cell)
    )
    nothing = torch.zeros(WIDTH, dtype=torch.float64)
    history, parties, emotions = [], {}, [nothing]
    for u, speaker in zip(u_UW, speakers, strict=True):
        q = parties.get(speaker, nothing)
        context = nothing
        if history:
            past = torch.stack(history)
            context = torch.softmax(past @ states.attention.weight_RIO[run, :, 0], dim=0) @ past
        history.append(dialogue(torch.cat([u, q]), history[-1] if history else nothing))
        parties[speaker] = party(torch.cat([u, context]), q)
        emotions.append(emotion(parties[speaker], emotions[-1]))
    return emotions[1:]


def both_directions(model: DialogueRNN, modality: int, modalities: int, u_UW: Tensor, speakers: list[int]) -> Tensor:
    forth = one_direction(model, modality, u_UW, speakers)
    back = one_direction(model, modalities + modality, u_UW.flip(0), speakers[::-1])[::-1]
    joined = torch.stack([torch.cat(pair) for pair in zip(forth, back, strict=True)])
    return F.relu(joined @ model.join.weight_RIO[modality] + model.join.bias_R1O[modality])


def test_it_is_the_recurrence_of_the_paper_whatever_the_padding():
    torch.manual_seed(0)
    for modalities in (1, 2):
        model = DialogueRNN(modalities, WIDTH, dropout=0.5).double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.5 * torch.randn_like(parameter))
        u = torch.randn(modalities, *SPEAKERS.shape, WIDTH, dtype=torch.float64)
        u[:, SPEAKERS < 0] = 1e3
        found = model(u, SPEAKERS, UTTERANCES)
        for dialogue, length in enumerate(UTTERANCES.tolist()):
            for modality in range(modalities):
                speakers = SPEAKERS[dialogue, :length].tolist()
                expected = both_directions(model, modality, modalities, u[modality, dialogue, :length], speakers)
                torch.testing.assert_close(found[modality, dialogue, :length], expected, rtol=0, atol=1e-6)


def test_a_speakers_own_past_counts():
    torch.manual_seed(0)
    model = DialogueRNN(1, WIDTH, dropout=0.0)
    u = torch.randn(1, 1, 4, WIDTH)
    alternating, alone = (model(u, torch.tensor([who]), torch.tensor([4])) for who in ([0, 1, 0, 1], [0, 0, 0, 0]))
    assert not torch.allclose(alternating, alone, atol=1e-4)
    # names of speakers mean nothing
    torch.testing.assert_close(model(u, torch.tensor([[3, 1, 3, 1]]), torch.tensor([4])), alternating)


def test_weights_start_as_those_of_torch():
    torch.manual_seed(0)
    cell, reference = StackedGRUCell(2, 128, 64), nn.GRUCell(128, 64)
    for ours, theirs in ((cell.enter.weight_RIO, reference.weight_ih), (cell.state.weight_RIO, reference.weight_hh)):
        assert ours.abs().max() <= 64**-0.5
        assert abs(ours.std() - theirs.std()) < 0.02 * theirs.std()
