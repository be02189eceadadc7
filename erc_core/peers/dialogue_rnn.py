"""DialogueRNN (Majumder et al., AAAI 2019): an utterance in the light of its dialogue and of how its speaker spoke.

B dialogues, U utterances of the longest dialogue, P speakers of the dialogue with most, W width of utterances and states, M
modalities, R runs: the modalities forwards, then the modalities backwards; I, O width of a layer's input and output, G gates (3 W).

Runs lie side by side: each has weights of its own, and one operator serves them all, as a recurrence over a short dialogue
spends its time on the number of operators, not on their sizes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """R linear layers; run r maps its rows by weight r."""

    def __init__(
        self, runs: int, entering: int, leaving: int, *, bound: float | None = None, bias: bool = True
    ) -> None:
        """Make the layers; they start uniformly between -bound and bound, None = 1 / sqrt(I), as in nn.Linear."""
        super().__init__()
        bound = entering**-0.5 if bound is None else bound
        self.weight_RIO = nn.Parameter(torch.empty(runs, entering, leaving).uniform_(-bound, bound))
        self.bias_R1O = nn.Parameter(torch.empty(runs, 1, leaving).uniform_(-bound, bound)) if bias else None

    def forward(self, x_RBI: Tensor) -> Tensor:
        """Map (R, B, I) to (R, B, O)."""
        if self.bias_R1O is None:
            return torch.bmm(x_RBI, self.weight_RIO)
        return torch.baddbmm(self.bias_R1O, x_RBI, self.weight_RIO)


class StackedGRUCell(nn.Module):
    """R GRU cells with the equations, the order of the gates and the starting weights of nn.GRUCell.

    What a cell makes of its input does not depend on its state: `enter` maps the inputs of all steps at once.
    """

    def __init__(self, runs: int, entering: int, width: int) -> None:
        super().__init__()
        self.enter = StackedLinear(runs, entering, 3 * width, bound=width**-0.5)
        self.state = StackedLinear(runs, width, 3 * width, bound=width**-0.5)

    def forward(self, entered_RBG: Tensor, h_RBW: Tensor) -> Tensor:
        """Return the next state (R, B, W) from what `enter` gave (R, B, 3 W) and the state (R, B, W)."""
        width = h_RBW.shape[-1]
        of_state_RBG = self.state(h_RBW)
        gates_RBV = torch.sigmoid(entered_RBG[..., : 2 * width] + of_state_RBG[..., : 2 * width])
        reset_RBW, update_RBW = gates_RBV.chunk(2, dim=-1)
        new_RBW = torch.tanh(torch.addcmul(entered_RBG[..., 2 * width :], reset_RBW, of_state_RBG[..., 2 * width :]))
        return new_RBW + update_RBW * (h_RBW - new_RBW)


class DialogueStates(nn.Module):
    """R runs of DialogueRNN through one direction each, with the states of Majumder et al.

    For utterance u_t of speaker s, with q_s the state of s so far:

        g_t   = GRU_G([u_t, q_s], g_{t-1})                  the dialogue
        c_t   = sum_{i<t} softmax_i(w . g_i) g_i            what of the dialogue before matters
        q_s  <- GRU_P([u_t, c_t], q_s)                      the speaker; the states of listeners stay as they are
        e_t   = GRU_E(q_s, e_{t-1})                         the emotion, which is returned
    """

    def __init__(self, runs: int, width: int) -> None:
        super().__init__()
        self.dialogue_cell = StackedGRUCell(runs, 2 * width, width)
        self.party_cell = StackedGRUCell(runs, 2 * width, width)
        self.emotion_cell = StackedGRUCell(runs, width, width)
        self.attention = StackedLinear(runs, width, 1, bias=False)

    def forward(self, u_RBUW: Tensor, speakers_RBU: Tensor) -> Tensor:
        """Return e of every utterance, (R, B, U, W), in the order in which they are read; speaker -1 is padding, at the end."""
        speaks_RBUP1 = F.one_hot(speakers_RBU.clamp(min=0))[..., None].bool()
        g_RBW = c_RBW = torch.zeros_like(u_RBUW[:, :, 0])
        parties_RBPW = torch.zeros_like(g_RBW)[:, :, None].expand(-1, -1, speaks_RBUP1.shape[3], -1)
        total_RB1 = torch.full_like(g_RBW[..., :1], -torch.inf, dtype=torch.float32)
        states = []
        for u_RBW, speaks_RBP1 in zip(u_RBUW.unbind(2), speaks_RBUP1.unbind(2), strict=True):
            q_RBW = (parties_RBPW * speaks_RBP1).sum(dim=2)
            g_RBW = self.dialogue_cell(self.dialogue_cell.enter(torch.cat([u_RBW, q_RBW], dim=-1)), g_RBW)
            q_RBW = self.party_cell(self.party_cell.enter(torch.cat([u_RBW, c_RBW], dim=-1)), q_RBW)
            parties_RBPW = torch.where(speaks_RBP1, q_RBW[:, :, None], parties_RBPW)
            states.append(q_RBW)
            # c of the next utterance: a softmax over one more g is a running mean, in which g weighs its share of the sum
            score_RB1 = self.attention(g_RBW).float()
            total_RB1 = torch.logaddexp(total_RB1, score_RB1)
            c_RBW = c_RBW + (score_RB1 - total_RB1).exp() * (g_RBW - c_RBW)
        entered = self.emotion_cell.enter(torch.cat(states, dim=1)).chunk(len(states), dim=1)
        emotions = [torch.zeros_like(g_RBW)]
        for entered_RBG in entered:
            emotions.append(self.emotion_cell(entered_RBG, emotions[-1]))
        return torch.stack(emotions[1:], dim=2)


class DialogueRNN(nn.Module):
    """Bidirectional DialogueRNN of M modalities, each with weights of its own; a linear layer and a ReLU join directions."""

    def __init__(self, modalities: int, width: int, dropout: float) -> None:
        """Make both directions, with dropout of the joined states."""
        super().__init__()
        self.states = DialogueStates(2 * modalities, width)
        self.join = StackedLinear(modalities, 2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, u_MBUW: Tensor, speakers_BU: Tensor, utterances_B: Tensor) -> Tensor:
        """Return every utterance in its context, (M, B, U, W); speakers and lengths are those of a DialogueBatch."""
        modalities, utterances = u_MBUW.shape[0], u_MBUW.shape[2]
        # each dialogue is turned round within its own length, so that padding comes last both ways
        place_U = torch.arange(utterances, device=u_MBUW.device)
        mirrored_BU = utterances_B[:, None] - 1 - place_U
        mirrored_BU = torch.where(mirrored_BU >= 0, mirrored_BU, place_U)
        mirrored_MBUW = mirrored_BU[..., None].expand_as(u_MBUW)
        speakers_2BU = torch.stack([speakers_BU, speakers_BU.gather(1, mirrored_BU)])
        e_RBUW = self.states(
            torch.cat([u_MBUW, u_MBUW.gather(2, mirrored_MBUW)]), speakers_2BU.repeat_interleave(modalities, dim=0)
        )
        forth_MBUW, back_MBUW = e_RBUW.chunk(2)
        both_MBUV = torch.cat([forth_MBUW, back_MBUW.gather(2, mirrored_MBUW)], dim=-1)
        joined_MBUW = self.join(both_MBUV.flatten(1, 2)).unflatten(1, both_MBUV.shape[1:3])
        return F.relu(self.dropout(joined_MBUW))
