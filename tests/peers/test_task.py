import numpy as np
import polars as pl
import pytest
import torch
from made_up_features import EMOTIONS
from torch import nn

from erc_core.inference.dialogues import DialogueOutput
from erc_core.inference.feature_set import FeatureSet
from erc_core.params.training import resolve_training
from erc_core.peers.task import DialogueFeatures, DialogueTask
from erc_core.store.ragged import RaggedReader
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trainer
from erc_core.training.losses import Losses

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


def test_an_utterance_is_the_mean_of_its_tokens_and_mean_and_deviation_of_its_frames(corpus, features):
    utterances = pl.read_parquet(corpus / "utterances.parquet")
    train = (utterances["split"] == "train").to_numpy()
    with RaggedReader(corpus / "text.h5") as text, RaggedReader(corpus / "mel.h5") as mel:
        tokens = [text[index].astype(np.float64) for index in range(len(utterances))]
        frames = [mel[index].astype(np.float64) for index in range(len(utterances))]
        silence = np.zeros(2 * mel.width)
    heard = np.array([len(rows) > 0 for rows in frames])
    np.testing.assert_array_equal(features.heard_N, heard)
    expected = np.stack([rows.mean(0) for rows in tokens])
    expected = (expected - expected[train].mean(0)) / expected[train].std(0)
    np.testing.assert_allclose(features.text_NE, expected, atol=1e-3)
    summaries = np.stack([np.concatenate([rows.mean(0), rows.std(0)]) if len(rows) else silence for rows in frames])
    seen = summaries[train & heard]
    expected = np.where(heard[:, None], (summaries - seen.mean(0)) / seen.std(0), 0.0)
    np.testing.assert_allclose(features.speech_NS, expected, atol=1e-3)


def test_a_batch_pads_dialogues_and_numbers_their_speakers(corpus, features):
    utterances = pl.read_parquet(corpus / "utterances.parquet")
    chosen = [features.dialogues["train"][0], features.dialogues["train"][-1]]
    assert [len(places) for places in chosen] == [4, 1]
    batch = features.batch(chosen)
    assert batch.index_BU.tolist() == [chosen[0].tolist(), [chosen[1][0], -1, -1, -1]]
    assert batch.mask_BU.tolist() == [[True] * 4, [True, False, False, False]]
    assert batch.labels_BU.tolist() == [
        [EMOTIONS.index(utterances["emotion"][int(place)]) if place >= 0 else -1 for place in row]
        for row in batch.index_BU
    ]
    assert not batch.text_BUE[1, 1:].any()
    assert not batch.speech_BUS[1, 1:].any()
    names = utterances["speaker"][chosen[0].tolist()].to_list()
    numbers = batch.speakers_BU[0].tolist()
    assert [[a == b for b in names] for a in names] == [[a == b for b in numbers] for a in numbers]
    assert batch.speakers_BU[1].tolist() == [0, -1, -1, -1]


def test_dialogues_hold_every_utterance_once_in_the_order_of_their_turns(corpus, features):
    utterances = pl.read_parquet(corpus / "utterances.parquet")
    for split, dialogues in features.dialogues.items():
        places = np.concatenate(dialogues)
        assert sorted(places) == np.flatnonzero((utterances["split"] == split).to_numpy()).tolist()
        for dialogue in dialogues:
            assert utterances["dialogue_id"][dialogue.tolist()].n_unique() == 1
            assert utterances["turn"][dialogue.tolist()].is_sorted()


def test_class_counts_are_those_of_train(corpus, features):
    utterances = pl.read_parquet(corpus / "utterances.parquet").filter(pl.col("split") == "train")
    assert features.class_counts(4) == [(utterances["emotion"] == emotion).sum() for emotion in (*EMOTIONS, "none")]


def test_the_task_trains_and_predicts_in_the_order_of_the_table(corpus, features, make_params, tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))
    params = make_params(train__epochs=15, train__lr=0.03)
    torch.manual_seed(0)
    model = Linear(features.text_NE.shape[1] + features.speech_NS.shape[1], len(EMOTIONS))
    task = DialogueTask(model, EMOTIONS, features, batch_dialogues=3, device=CPU)
    epoch = task.batches(seed=0, epoch=1)
    assert sorted(np.concatenate(epoch)) == list(range(len(features.dialogues["train"])))
    assert [batch.tolist() for batch in epoch] != [batch.tolist() for batch in task.batches(seed=0, epoch=2)]
    resolved = resolve_training(params.train, params.selected_backbone.training)
    trained = Trainer(task, train=params.train, resolved=resolved, device=CPU, checkpoint=Checkpoint("d")).fit()
    assert trained.best.val_wf1 > 0.8  # 0.33 by chance
    predictions = task.predict("test")
    utterances = pl.read_parquet(corpus / "utterances.parquet")
    np.testing.assert_array_equal(predictions.indices, np.flatnonzero((utterances["split"] == "test").to_numpy()))
    one = features.batch([predictions.indices[[5]]])
    np.testing.assert_allclose(predictions.logits[5], model(one).logits_BUC[0, 0].detach(), atol=1e-5)
