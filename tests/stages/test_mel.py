import numpy as np
import pytest
from closure import ROOT

from erc_core.params.load import load_params
from erc_core.speech.mel import BLOCK, mel_shard
from erc_core.speech.shards import Shard
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import RaggedWriter


@pytest.mark.parametrize("count", [0, 1, 2 * BLOCK + 3])
def test_bytes_and_order_do_not_depend_on_the_threads(tmp_path, count):
    params = load_params(ROOT / "params.yaml").mel
    rng = np.random.default_rng(0)
    with RaggedWriter(tmp_path / "audio.h5", dtype=np.int16, width=None, attributes={}) as writer:
        for i in range(count):
            writer.append(f"u{i}", rng.integers(-9000, 9000, 0 if i == 4 else 400 + 160 * i, np.int16))
    shard = Shard(0, [f"u{i}" for i in range(count)], [], {"start": 0, "train": [i % 2 == 0 for i in range(count)]})
    paths = tmp_path / "one.h5", tmp_path / "many.h5"
    told = []
    for path, threads in zip(paths, (1, 3), strict=True):
        with RaggedWriter(path, dtype=np.float16, width=params.n_mels, attributes={}) as writer:
            told.append(mel_shard(shard, writer, tmp_path / "audio.h5", params, 16000, threads=threads))
    assert told[0] == told[1]
    assert told[0]["without"] == (count > 4)
    with RaggedReader(paths[0]) as one:
        assert one.lengths.tolist() == [0 if i == 4 else 3 + i for i in range(count)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
