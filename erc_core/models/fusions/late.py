"""Late fusion, `w/o JFM` of Table 2: two models side by side, of which only the logits meet."""

from erc_core.models.batch import Output
from erc_core.models.fusions.fusion import Fusion, average
from erc_core.models.streams import Encoded


class LateFusion(Fusion):
    """A classifier on the text features' CLS and one on the ViT's CLS; their logits are averaged (Eq. 5)."""

    classifiers = True

    def forward(self, text: Encoded | None, speech: Encoded | None) -> Output:
        """Classify a batch."""
        return average(text, speech)
