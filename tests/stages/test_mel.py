import numpy as np
import pytest
from closure import ROOT

from erc_core.params.load import load_params
from erc_core.store.ragged import RaggedWriter
from stages.mel import BLOCK, mel_shard


@pytest.mark.parametrize("count", [0, 1, 2 * BLOCK + 3])
def test_bytes_and_order_do_not_depend_on_the_threads(tmp_path, count):
    params = load_params(ROOT / "params.yaml").mel
    rng = np.random.default_rng(0)
    with RaggedWriter(tmp_path / "audio.h5", dtype=np.int16, width=None, attributes={}) as writer:
        for i in range(count):
            writer.append(f"u{i}", rng.integers(-9000, 9000, 0 if i == 4 else 400 + 160 * i, np.int16))
    one, many = (mel_shard((0, count), tmp_path / "audio.h5", params, 16000, threads=threads) for threads in (1, 3))
    assert [len(mel) for mel in one] == [0 if i == 4 else 3 + i for i in range(count)]
    assert [mel.tobytes() for mel in many] == [mel.tobytes() for mel in one]
