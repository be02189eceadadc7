"""Late fusion, `w/o JFM` of Table 2: two models side by side, of which only the logits meet."""

from erc_core.models.backbones import VitStack
from erc_core.models.batch import Batch, Output
from erc_core.models.config import ModelConfig
from erc_core.models.fusions.separate import SeparateVit


class LateFusion(SeparateVit):
    """A classifier on the text features' CLS and one on the ViT's CLS; their logits are averaged (Eq. 5)."""

    def __init__(self, config: ModelConfig, vit: VitStack) -> None:
        """Make the model; see SeparateVit."""
        super().__init__(config, vit, classifiers=True)

    def forward(self, batch: Batch) -> Output:
        """Classify a batch; see UtteranceClassifier."""
        f_t_BTD, _ = self.read_text(batch)
        f_m_BPD, _ = self.read_mel(batch, cls_only=True)
        return self.average(f_t_BTD[:, 0], self.mel_norm(f_m_BPD[:, 0]))
