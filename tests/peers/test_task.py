import numpy as np
import polars as pl
import pytest
import torch
from made_up_features import EMOTIONS
from torch import nn

from erc_core.inference.dialogues import DialogueFeatures, DialogueOutput
from erc_core.inference.feature_set import FeatureSet
from erc_core.peers.task import DialogueTask
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trainer
from erc_core.training.losses import Losses
from erc_core.training.settings import training_settings

CPU = torch.device("cpu")


class Linear(nn.Module):
    """The least that is a system: each utterance by itself."""

    def __init__(self, width, n_labels):
        super().__init__()
        self.linear = nn.Linear(width, n_labels)

    def forward(self, batch):
        joined = torch.cat([batch.text_BUE, batch.speech_BUS], dim=2)
        return DialogueOutput(self.linear(joined), None, None)

    def loss(self, output, batch):
        erc = nn.functional.cross_entropy(output.logits_BUC.flatten(0, 1), batch.labels_BU.flatten(), ignore_index=-1)
        return Losses(erc, erc.detach(), torch.zeros(()))


@pytest.fixture(params=["memory", "lazy"])
def features(corpus, request):
    with FeatureSet(corpus, EMOTIONS, how=request.param) as opened:
        yield DialogueFeatures(opened)


def test_the_task_trains_and_predicts_in_the_order_of_the_table(corpus, features, make_params, tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))
    params = make_params(train__epochs=15, train__lr=0.03)
    torch.manual_seed(0)
    model = Linear(features.text_NE.shape[1] + features.speech_NS.shape[1], len(EMOTIONS))
    task = DialogueTask(model, EMOTIONS, features, batch_dialogues=3, device=CPU)
    epoch = task.batches(seed=0, epoch=1)
    assert sorted(np.concatenate(epoch)) == list(range(len(features.dialogues["train"])))
    assert [batch.tolist() for batch in epoch] != [batch.tolist() for batch in task.batches(seed=0, epoch=2)]
    trained = Trainer(task, training_settings(params, "made_up", CPU), Checkpoint("d")).fit()
    assert trained.best.val_wf1 > 0.8  # 0.33 by chance
    predictions = task.predict("test")
    utterances = pl.read_parquet(corpus / "utterances.parquet")
    np.testing.assert_array_equal(predictions.indices, np.flatnonzero((utterances["split"] == "test").to_numpy()))
    one = features.batch([predictions.indices[[5]]])
    np.testing.assert_allclose(predictions.logits[5], model(one).logits_BUC[0, 0].detach(), atol=1e-5)
