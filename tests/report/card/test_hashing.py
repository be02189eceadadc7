import numpy as np
import pytest

from erc_core.report.card.hashing import audio_hashes, block_ranges, normalize_text, text_hash
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import RaggedWriter


@pytest.mark.parametrize("frames", [1, 3, 4, 7, 100])
def test_blocks_cover_all_utterances_and_keep_their_size(frames):
    offsets = np.array([0, 2, 2, 5, 5, 5, 14, 15, 15])
    ranges = list(block_ranges(offsets, frames))
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(8))
    assert all(offsets[stop] - offsets[start] <= frames or stop - start == 1 for start, stop in ranges)
    assert list(block_ranges(np.array([0]), frames)) == []


def test_hashes_are_of_the_samples_whatever_the_block(tmp_path):
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9, 9, n, dtype=np.int16) for n in (5, 0, 7, 300, 1)]
    with RaggedWriter(tmp_path / "audio.h5", dtype=np.int16, width=None, attributes={}) as writer:
        for i, samples in enumerate([*clips, clips[2], clips[2][:-1]]):
            writer.append(str(i), samples)
    with RaggedReader(tmp_path / "audio.h5") as audio:
        hashes = audio_hashes(audio)
        assert audio_hashes(audio, block_bytes=16) == hashes
    assert hashes[1] is None
    assert hashes[5] == hashes[2]
    assert len(set(hashes)) == 6


def test_texts_are_compared_without_case_white_space_and_compatibility_forms():
    assert normalize_text("  Ｏh\u00a0MY \n God… ") == "oh my god..."
    assert text_hash("Straße") == text_hash("STRASSE ")
    assert text_hash("don't") != text_hash("dont")
    assert text_hash("") is text_hash(" \t\u3000") is text_hash(None) is None
