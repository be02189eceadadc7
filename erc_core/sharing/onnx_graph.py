"""A trained model as one module for ONNX: token ids and log-mel in, probabilities out.

An export follows tensors, and freezes what Python makes of their sizes. So the patches are cut here a second time, by operations
that suit every length; all else is the model's own code.

B batch, T text tokens, E width of the frozen encoder, F frames, M mel bins, P patches, D width, C classes.
"""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import GELUActivation

from erc_core.models.batch import Batch
from erc_core.models.classifier import UtteranceClassifier
from erc_core.models.patches import MelPatchEmbedding


class Example(NamedTuple):
    """What an export needs to know of the inputs."""

    inputs: dict[str, Tensor]
    sizes: dict[str, dict[int, str]]  # names of those that may differ from the example's, by input and axis


class ExportedModel(nn.Module):
    """Softmax of a model's logits over its temperature, with the frozen text encoder before it.

    The encoder computes in the precision that the pipeline has for it on a CPU, double for one made from a configuration. Its
    output and the mel are rounded to half precision, as the model was trained on. All of this is needed: a number that is
    rounded to its other neighbour, in a text encoder of width 64, moves a probability by up to 1e-4.
    """

    def __init__(self, model: UtteranceClassifier, encoder: PreTrainedModel, temperature: float) -> None:
        """Take a model and its encoder, both in evaluation mode and on the CPU; they stay as they are, weights are shared."""
        super().__init__()
        shared = {id(weight): weight for weight in (*model.parameters(), *model.buffers())}
        self.model = copy.deepcopy(model, shared)
        if self.model.speech:
            self.model.speech.patches = ExportedPatches(self.model.speech.patches)  # type: ignore[assignment]
        self.encoder = None
        if self.model.text:
            shared = {id(weight): weight for weight in (*encoder.parameters(), *encoder.buffers())}
            self.encoder = copy.deepcopy(encoder, shared)
            if encoder.dtype == torch.float64:
                _replace(self.encoder, GELUActivation, DoubleGelu)
            self.pad_id = int(encoder.config.pad_token_id or 0)
        self.temperature = temperature

    def forward(
        self,
        token_ids: Tensor | None = None,
        tokens: Tensor | None = None,
        mel: Tensor | None = None,
        frames: Tensor | None = None,
    ) -> Tensor:
        """Return (B, C) probabilities.

        Args:
            token_ids: (B, T) int64, padded with any ids.
            tokens: (B,) int64, how many of them are the utterance's.
            mel: (B, F, M) float32 log-mel frames, padded with anything.
            frames: (B,) int64, how many of them are the utterance's; 0 where there is no speech.
        """
        nothing = torch.zeros(0)
        text_BTE = self._encode(token_ids, tokens) if token_ids is not None and tokens is not None else nothing
        batch = Batch(
            text_BTE=text_BTE,
            tokens_B=nothing if tokens is None else tokens,
            mel_BFM=nothing if mel is None else mel,
            frames_B=nothing if frames is None else frames,
            labels_B=nothing,
            index_B=nothing,
        )
        return torch.softmax(self.model(batch).logits_BC / self.temperature, dim=1)

    def _encode(self, ids_BT: Tensor, tokens_B: Tensor) -> Tensor:
        assert self.encoder is not None
        mask_BT = torch.arange(ids_BT.shape[1]) < tokens_B[:, None]
        # RoBERTa counts positions by what is not padding
        output = self.encoder(
            input_ids=torch.where(mask_BT, ids_BT, self.pad_id), attention_mask=mask_BT.to(torch.int64)
        )
        return _rounded(output.last_hidden_state)

    def example(self) -> Example:
        """Return inputs to follow the tensors with."""
        batch, tokens = 3, 4
        inputs: dict[str, Tensor] = {}
        sizes: dict[str, dict[int, str]] = {}
        if self.model.text:
            inputs |= {
                "token_ids": torch.full((batch, tokens), self.pad_id + 1),
                "tokens": torch.tensor([tokens, 2, 1]),
            }
            sizes |= {"token_ids": {0: "B", 1: "T"}, "tokens": {0: "B"}}
        if self.model.speech:
            # an export takes a size of one for one that never changes: two columns at least
            frames = 2 * self.model.speech.patches.patch
            inputs["mel"] = torch.zeros(batch, frames, self.model.config.n_mels)
            inputs["frames"] = torch.tensor([frames, 1, 0])
            sizes |= {"mel": {0: "B", 1: "F"}, "frames": {0: "B"}}
        return Example(inputs, sizes)


def _rounded(features: Tensor) -> Tensor:
    """Return features as the pipeline keeps them, in half precision; the model reads them in single."""
    return features.to(torch.float16).to(torch.float32)


def _replace(module: nn.Module, old: type[nn.Module], new: type[nn.Module]) -> None:
    for name, child in module.named_children():
        if isinstance(child, old):
            setattr(module, name, new())
        else:
            _replace(child, old, new)


class DoubleGelu(nn.Module):
    """GELU in double precision, for ONNX Runtime: it has no erf for that.

        erf(x) = 2 / sqrt(pi) x  integral from 0 to 1 of exp(-(x u)^2) du

    by Gauss-Legendre quadrature; with 32 points, what is left is below 1e-14 up to |x| = 6, where erf is 1.
    """

    place: Tensor
    weight: Tensor

    def __init__(self, points: int = 32) -> None:
        super().__init__()
        place, weight = np.polynomial.legendre.leggauss(points)  # for -1 to 1
        self.register_buffer("place", torch.from_numpy((place + 1) / 2))
        self.register_buffer("weight", torch.from_numpy(weight / math.sqrt(math.pi)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x/2 (1 + erf(x / sqrt(2))), as nn.GELU does."""
        argument = (x / math.sqrt(2)).clamp(-6, 6)
        erf = argument * (torch.exp(-((argument[..., None] * self.place) ** 2)) @ self.weight)
        return x / 2 * (1 + erf)


class ExportedPatches(nn.Module):
    """MelPatchEmbedding in evaluation mode, for any number of frames, also none."""

    scale: Tensor
    shift: Tensor
    cls: Tensor
    position: Tensor

    def __init__(self, patches: MelPatchEmbedding) -> None:
        """Take over its weights."""
        super().__init__()
        self.patch, self.rows, self.max_columns = patches.patch, patches.rows, patches.max_columns
        self.projection = patches.projection
        scale_M = patches.std.reciprocal()
        self.register_buffer("scale", scale_M)
        self.register_buffer("shift", -patches.mean * scale_M)
        with torch.no_grad():
            self.register_buffer("cls", (patches.cls_D + patches.cls_position_D)[None, None])
            # a column more: without a branch, an utterance gets one column that is all padding, or a part of one
            self.register_buffer("position", F.pad(patches.position_PD, (0, 0, 0, self.rows)))

    def forward(self, mel_BFM: Tensor, frames_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, 1 + P, D) and its mask (B, 1 + P), as MelPatchEmbedding does."""
        mel_BFM = _rounded(mel_BFM)
        real_BF = torch.arange(mel_BFM.shape[1]) < frames_B[:, None]
        standard_BFM = torch.where(real_BF[:, :, None], mel_BFM * self.scale + self.shift, 0.0)
        padded_BFM = F.pad(standard_BFM, (0, self.rows * self.patch - mel_BFM.shape[2], 0, self.patch))
        # its kernel is turned: time before frequency
        grid_BDKR = F.conv2d(padded_BFM[:, None], self.projection.weight, self.projection.bias, stride=self.patch)
        patches_BPD = grid_BDKR.permute(0, 2, 3, 1).flatten(1, 2)
        patches_BPD = patches_BPD + self.position[: patches_BPD.shape[1]]
        column_P = torch.arange(patches_BPD.shape[1]) // self.rows
        mask_BP = column_P * self.patch < frames_B[:, None]
        cls_B1D = self.cls.expand(mel_BFM.shape[0], 1, -1)
        return torch.cat([cls_B1D, patches_BPD], dim=1), F.pad(mask_BP, (1, 0), value=True)
