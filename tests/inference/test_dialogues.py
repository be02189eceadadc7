import numpy as np
import polars as pl
import pytest
from made_up_features import EMOTIONS

from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.store.ragged import RaggedReader


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
    has_speech = np.array([len(rows) > 0 for rows in frames])
    np.testing.assert_array_equal(features.has_speech_N, has_speech)
    expected = np.stack([rows.mean(0) for rows in tokens])
    expected = (expected - expected[train].mean(0)) / expected[train].std(0)
    np.testing.assert_allclose(features.text_NE, expected, atol=1e-3)
    summaries = np.stack([np.concatenate([rows.mean(0), rows.std(0)]) if len(rows) else silence for rows in frames])
    seen = summaries[train & has_speech]
    expected = np.where(has_speech[:, None], (summaries - seen.mean(0)) / seen.std(0), 0.0)
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


def test_shapes_are_those_of_the_vectors_and_counts_those_of_train(corpus, features):
    utterances = pl.read_parquet(corpus / "utterances.parquet").filter(pl.col("split") == "train")
    shapes = features.shapes("T+A", 4)
    assert shapes.class_counts == [(utterances["emotion"] == emotion).sum() for emotion in (*EMOTIONS, "none")]
    assert (shapes.text_width, shapes.speech_width) == (features.text_NE.shape[1], features.speech_NS.shape[1])
