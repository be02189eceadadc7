"""MultiEMO (Shi & Huang, ACL 2023) with text and speech: context per modality, MultiAttn, one classifier, three losses.

B dialogues, U utterances of the longest dialogue, K utterances of all dialogues, W width, C classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erc_core.inference.dialogues import DialogueBatch, DialogueOutput, DialogueShapes
from erc_core.params.peers import MultiEmoParams
from erc_core.peers.dialogue_rnn import DialogueRNN
from erc_core.training.losses import Losses

DIFFERENCES = [
    "no visual stream, and no VisExtNet: text and speech only",
    "the text encoder is not fine-tuned on the corpus; its vectors have a DialogueRNN on every corpus, on MELD too",
    "mean and deviation of mel bins instead of openSMILE features",
    "MELD is read in both directions",
    "on MELD a classifier of half the width",
    "the learning rate falls where validation W-F1 stands still (the authors': by 0.95 after 10 epochs, on validation loss)",
    "Soft-HGR as defined, and padding masked, where the authors' code does neither",
    "dropout inside the classifier, not on its logits",
]


class MultiAttnLayer(nn.Module):
    """One layer: the modality asks, the other answers; then a feed-forward network. LayerNorm after each, as in BERT."""

    def __init__(self, params: MultiEmoParams) -> None:
        super().__init__()
        width, hidden = params.width, round(params.width * params.mlp_ratio)
        self.attention = nn.MultiheadAttention(width, params.heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, asking_BUW: Tensor, other_BUW: Tensor, padding_BU: Tensor) -> Tensor:
        """Return the asking modality with what it read, (B, U, W)."""
        read_BUW, _ = self.attention(asking_BUW, other_BUW, other_BUW, key_padding_mask=padding_BU, need_weights=False)
        asking_BUW = self.attention_norm(asking_BUW + self.dropout(read_BUW))
        fused_BUW: Tensor = self.feed_forward_norm(asking_BUW + self.dropout(self.feed_forward(asking_BUW)))
        return fused_BUW


class MultiAttn(nn.Module):
    """MultiAttn_text and MultiAttn_audio (Shi & Huang, ACL 2023), with text and speech only.

    A stack for each modality. Every layer asks with what the layer before it gave; keys and values are always the other
    modality's features before the fusion. The paper's layer attends to two other modalities one after the other; with
    two modalities in all, one of its two attentions is left.
    """

    def __init__(self, params: MultiEmoParams) -> None:
        super().__init__()
        self.text_layers = nn.ModuleList(MultiAttnLayer(params) for _ in range(params.layers))
        self.speech_layers = nn.ModuleList(MultiAttnLayer(params) for _ in range(params.layers))

    def forward(self, text_BUW: Tensor, speech_BUW: Tensor, mask_BU: Tensor) -> tuple[Tensor, Tensor]:
        """Return text and speech after fusion, (B, U, W) each; the mask is true for real utterances, numbers elsewhere mean nothing."""
        fused_text_BUW, fused_speech_BUW = text_BUW, speech_BUW
        for layer in self.text_layers:
            fused_text_BUW = layer(fused_text_BUW, speech_BUW, ~mask_BU)
        for layer in self.speech_layers:
            fused_speech_BUW = layer(fused_speech_BUW, text_BUW, ~mask_BU)
        return fused_text_BUW, fused_speech_BUW


def class_weights(class_counts: Sequence[int], alpha: float) -> Tensor:
    """Return the weight of each class's samples: w_c proportional to (N / n_c)^alpha, all weights adding up to 1.

    n_c are the samples of a class in the train split, N is their sum; with alpha = 0 all classes are alike.

    Returns:
        (C,) float32; a class that the train split lacks has weight 0 and no part in the sum.
    """
    counts_C = torch.tensor(class_counts, dtype=torch.float64)
    present_C = counts_C > 0
    raw_C = torch.where(present_C, (counts_C.sum() / counts_C.clamp(min=1)) ** alpha, 0.0)
    return (raw_C / raw_C.sum().clamp(min=torch.finfo(raw_C.dtype).tiny)).float()


def swfc_loss(features_KW: Tensor, labels_K: Tensor, weights_C: Tensor, *, temperature: float, gamma: float) -> Tensor:
    """Return the sample-weighted focal contrastive loss of a batch (Shi & Huang, ACL 2023).

        s_ip = exp(z_i . z_p / tau) / sum_{j != i} exp(z_i . z_j / tau)
        L    = mean over samples i of  -w_{y_i}  1/|P(i)|  sum_{p in P(i)}  (1 - s_ip)^gamma log s_ip

    z has unit length and P(i) are the other samples with i's label. As in the authors' code the mean runs over all K
    samples: one without a positive adds zero, yet counts. Computed in float32 whatever the precision of the model.

    w comes from class_weights, tau is the temperature; with gamma = 0 all positive pairs count alike.

    Returns:
        A float32 scalar; 0, with zero gradients, where no sample has a positive.
    """
    with torch.autocast(features_KW.device.type, enabled=False):
        z_KW = F.normalize(features_KW.float(), dim=1)
        itself_KK = torch.eye(len(labels_K), dtype=torch.bool, device=labels_K.device)
        similarity_KK = (z_KW @ z_KW.T / temperature).masked_fill(itself_KK, -torch.inf)
        # a sample's share of itself is 0, whose logarithm would turn the gradients of the product below into NaN
        log_s_KK = F.log_softmax(similarity_KK, dim=1).masked_fill(itself_KK, 0.0)
        # likewise the power's slope where s = 1 (two samples only) and gamma < 1; the clamp's slope is 0 there
        focus_KK = (1 - log_s_KK.exp()).clamp(min=torch.finfo(torch.float32).tiny) ** gamma
        positive_KK = (labels_K[:, None] == labels_K[None, :]) & ~itself_KK
        per_pair_KK = torch.where(positive_KK, focus_KK * log_s_KK, 0.0)
        per_sample_K = -per_pair_KK.sum(dim=1) / positive_KK.sum(dim=1).clamp(min=1)
        loss: Tensor = (weights_C[labels_K] * per_sample_K).mean()
    return loss


def soft_hgr_loss(f_KW: Tensor, g_KW: Tensor) -> Tensor:
    """Return the negative Soft-HGR objective of paired features.

        L = -E[f^T g] + 1/2 tr(cov(f) cov(g)),  with E[f] = E[g] = 0

    The objective of Wang et al., "An efficient approach to informative feature extraction from multimodal data" (AAAI 2019),
    which MultiEMO takes up. The features are centred on the batch's mean, and every expectation is the sum over the pairs
    divided by K - 1. The smallest value is -W/2, reached by features that are the same and white. Computed in float32
    whatever the precision of the model.

    Returns:
        A float32 scalar; 0, with zero gradients, for fewer than two utterances, which have no covariance.
    """
    with torch.autocast(f_KW.device.type, enabled=False):
        f, g = f_KW.float(), g_KW.float()
        f, g = f - f.mean(dim=0), g - g.mean(dim=0)
        degrees = len(f) - 1
        if degrees < 1:
            return (f.sum() + g.sum()) * 0
        correlation = (f * g).sum() / degrees
        # the trace of a product of symmetric matrices is the sum over their entries' products
        penalty = ((f.T @ f) * (g.T @ g)).sum() / degrees**2
        loss: Tensor = penalty / 2 - correlation
    return loss


class MultiEMO(nn.Module):
    """MultiEMO without its visual stream; docs/systems/multiemo.md says what else differs from the paper.

    With one modality there is its context and the classifier: no MultiAttn and no Soft-HGR.
    """

    def __init__(self, params: MultiEmoParams, shapes: DialogueShapes) -> None:
        super().__init__()
        self.params = params
        modality, text_width, speech_width, class_counts = shapes
        has_text, has_speech = "T" in modality, "A" in modality
        modalities = has_text + has_speech
        self.enter_text = nn.Linear(text_width, params.width) if has_text else None
        self.enter_speech = nn.Linear(speech_width, params.width) if has_speech else None
        self.context = DialogueRNN(modalities, params.width, params.dropout)
        self.fusion = MultiAttn(params) if modalities == 2 else None
        self.join = nn.Linear(modalities * params.width, params.width)
        self.classifier = nn.Sequential(
            nn.Linear(params.width, params.width),
            nn.ReLU(),
            nn.Dropout(params.dropout),
            nn.Linear(params.width, len(class_counts)),
        )
        self.class_weights_C: Tensor
        # made from the arguments, so it needs no place among the saved weights
        self.register_buffer("class_weights_C", class_weights(class_counts, params.alpha), persistent=False)

    def forward(self, batch: DialogueBatch) -> DialogueOutput:
        """Classify every utterance of the dialogues."""
        entered = []
        if self.enter_text is not None:
            entered.append(self.enter_text(batch.text_BUE))
        if self.enter_speech is not None:
            entered.append(self.enter_speech(batch.speech_BUS))
        features = self.context(torch.stack(entered), batch.speakers_BU, batch.utterances_B).unbind(0)
        if self.fusion is not None:
            features = self.fusion(*features, batch.mask_BU)
        return DialogueOutput(
            logits_BUC=self.classifier(self.join(torch.cat(features, dim=-1))),
            text_BUW=None if self.enter_text is None else features[0],
            speech_BUW=None if self.enter_speech is None else features[-1],
        )

    def loss(self, output: DialogueOutput, batch: DialogueBatch) -> Losses:
        """Return the weighted sum of SWFC, Soft-HGR and cross entropy over the batch's utterances, and its parts.

        Soft-HGR is divided by K, as in the authors' code, where the paper's weights were found: undivided it reaches -W/2
        and drowns the cross entropy. `icl` of the result is the SWFC term.
        """
        mask_BU = batch.mask_BU
        features = [part_BUW[mask_BU] for part_BUW in (output.text_BUW, output.speech_BUW) if part_BUW is not None]
        labels_K = batch.labels_BU[mask_BU]
        cross_entropy = F.cross_entropy(output.logits_BUC[mask_BU].float(), labels_K)
        total, swfc = self.params.ce_weight * cross_entropy, torch.zeros_like(cross_entropy)
        if self.params.swfc_weight:
            # the joined features are what SWFC orders; they cost less to make again than to hand through every caller
            joined_KW = self.join(torch.cat(features, dim=-1))
            swfc = swfc_loss(
                joined_KW,
                labels_K,
                self.class_weights_C,
                temperature=self.params.temperature,
                gamma=self.params.gamma,
            )
            total = total + self.params.swfc_weight * swfc
        if len(features) == 2 and self.params.soft_hgr_weight:
            soft_hgr = soft_hgr_loss(*features) / len(labels_K)
            total = total + self.params.soft_hgr_weight * soft_hgr
        return Losses(total, cross_entropy.detach(), swfc.detach())
