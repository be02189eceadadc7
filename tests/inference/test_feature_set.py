from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from made_up_features import EMOTIONS, write_features

from erc_core.errors import ErcError
from erc_core.inference.feature_set import FeatureSet
from erc_core.store.ragged import RaggedReader


def test_memory_and_lazy_give_the_same_batches(corpus):
    chosen = np.array([5, 3, 60, 0, 100])
    with FeatureSet(corpus, EMOTIONS, how="memory") as memory, FeatureSet(corpus, EMOTIONS, how="lazy") as lazy:
        assert memory.in_memory
        assert not lazy.in_memory
        first, second = memory.batch(chosen), lazy.batch(chosen)
        for name in ("text_BTE", "tokens_B", "mel_BFM", "frames_B", "labels_B", "index_B"):
            torch.testing.assert_close(getattr(first, name), getattr(second, name), rtol=0, atol=0)


def test_a_batch_holds_what_was_cached(corpus):
    with FeatureSet(corpus, EMOTIONS, how="memory") as features, RaggedReader(corpus / "mel.h5") as mel:
        batch = features.batch(np.array([5, 1]))
        assert batch.frames_B.tolist() == [0, len(mel[1])]
        np.testing.assert_array_equal(batch.mel_BFM[1].numpy(), mel[1].astype(np.float32))
        assert not batch.mel_BFM[0].any()
        assert [EMOTIONS[i] for i in batch.labels_B] == features.utterances["emotion"][[5, 1]].to_list()


def test_auto_reads_lazily_what_does_not_fit(corpus):
    with FeatureSet(corpus, EMOTIONS, how="auto", memory_share=1e-9) as features:
        assert not features.in_memory
        assert "lazily" in features.choice


def test_several_processes_divide_the_memory_and_decide_alike(corpus, monkeypatch):
    with FeatureSet(corpus, EMOTIONS, how="auto") as features:
        needed = features.text.reader.nbytes + features.mel.reader.nbytes
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=4 * needed))
    for copies, in_memory in ((1, True), (2, True), (3, False)):
        with FeatureSet(corpus, EMOTIONS, how="auto", memory_share=0.5, copies=copies) as features:
            assert features.in_memory is in_memory
    with FeatureSet(corpus, EMOTIONS, how="auto", memory_share=0.5, everywhere=lambda _: False) as features:
        assert not features.in_memory


def test_an_emotion_without_a_label_is_refused(corpus):
    with pytest.raises(ErcError, match="'anger'"):
        FeatureSet(corpus, ["neutral", "joy"], how="memory")


def test_features_of_other_utterances_are_refused(corpus, tmp_path):
    write_features(tmp_path / "other", {"train": 9, "dev": 3, "test": 3})
    (corpus / "mel.h5").write_bytes((tmp_path / "other" / "mel.h5").read_bytes())
    with pytest.raises(ErcError, match=r"mel\.h5.*utterances\.parquet"):
        FeatureSet(corpus, EMOTIONS, how="memory")
