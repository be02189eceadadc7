"""Log-mel spectrograms through torchaudio, and their statistics over the train split."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.functional import melscale_fbanks
from torchaudio.transforms import Spectrogram

from erc_core.params.data import MelParams
from erc_core.run.provenance import code_hash
from erc_core.speech.samples import to_float
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import RaggedWriter

if TYPE_CHECKING:
    from erc_core.speech.shards import Shard

# what decides the spectrograms, beside audio.h5 and parameters; see shards
CODE_FILES = ("speech/mel.py", "speech/samples.py", "store/checksums.py", "store/ragged.py", "store/ragged_writer.py")
CODE = code_hash(*CODE_FILES, packages=("torch", "torchaudio"))
BLOCK = 32  # utterances that a thread takes at a time


class LogMel:
    """The log-mel spectrogram of one waveform: log(mel power + floor).

    Hann window, HTK mel scale, triangular filters without area normalisation, frames centred with reflected borders. Computed
    in float64: libraries choose instructions by the CPU, and what that changes in the last bits is gone in half precision.
    """

    def __init__(self, params: MelParams, sample_rate: int) -> None:
        """Make the filter bank, for waveforms at sample_rate Hz."""
        self.floor = params.floor
        self.n_mels = params.n_mels
        with float64_by_default():
            self.spectrum = Spectrogram(
                n_fft=params.n_fft,
                win_length=round(params.window_ms * sample_rate / 1000),
                hop_length=round(params.hop_ms * sample_rate / 1000),
                power=None,
            )
            self.filters = melscale_fbanks(
                params.n_fft // 2 + 1, params.f_min, params.f_max, params.n_mels, sample_rate
            )

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return (frames, n_mels) for a waveform (samples,) with full scale 1.

        The natural logarithm in half precision: the range of about -14 to 8 keeps a step of at most 0.008. No samples,
        which is what a clip without usable speech has, give no frames.
        """
        if len(waveform) == 0:
            return np.zeros((0, self.n_mels), np.float16)
        # the square of what torch.abs returns is the same to the last bit but one, and takes four times as long
        parts = torch.view_as_real(self.spectrum(torch.from_numpy(waveform).double())).square_()
        power = parts[..., 0].add_(parts[..., 1]).T @ self.filters
        log_power: NDArray[np.float16] = torch.log(power + self.floor).to(torch.float16).numpy()
        return log_power


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Have torchaudio make its filters in float64, for which it has no option."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class RunningMoments:
    """Mean and standard deviation per mel bin over a stream of spectrograms, in float64."""

    def __init__(self, n_mels: int) -> None:
        self.count = 0
        self.total = np.zeros(n_mels)
        self.squares = np.zeros(n_mels)

    def add(self, spectrograms: Iterable[NDArray[np.float16]]) -> None:
        """Count in spectrograms, each (frames, n_mels)."""
        for spectrogram in spectrograms:
            exact = spectrogram.astype(np.float64)
            self.count += len(exact)
            self.total += exact.sum(axis=0)
            self.squares += np.square(exact).sum(axis=0)

    def state(self) -> dict[str, Any]:
        """Return what was counted, JSON-ready and exact."""
        return {"count": self.count, "total": self.total.tolist(), "squares": self.squares.tolist()}

    def add_state(self, state: Mapping[str, Any]) -> None:
        """Count in what another stream's state() says."""
        self.count += state["count"]
        self.total += state["total"]
        self.squares += state["squares"]

    def mean_and_std(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n_mels,) mean and (n_mels,) standard deviation; 0 and 1 where nothing was counted."""
        if self.count == 0:
            return np.zeros(len(self.total), np.float32), np.ones(len(self.total), np.float32)
        mean = self.total / self.count
        variance = np.maximum(self.squares / self.count - np.square(mean), 1e-6)
        return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def mel_shard(
    shard: "Shard", writer: RaggedWriter, path: Path, params: MelParams, sample_rate: int, threads: int
) -> dict[str, Any]:
    """Compute the spectrograms of some utterances; return how many have none, and the moments of the train split's."""
    log_mel = LogMel(params, sample_rate)
    moments = RunningMoments(params.n_mels)
    without = 0
    first, last = shard.details["start"], shard.details["start"] + len(shard.ids)
    with RaggedReader(path) as audio, ThreadPoolExecutor(threads) as executor:
        starts = range(first, last, BLOCK)
        stops = (min(start + BLOCK, last) for start in starts)
        mels = chain.from_iterable(executor.map(partial(mel_block, audio, log_mel), starts, stops))
        for utterance_id, train, mel in zip(shard.ids, shard.details["train"], mels, strict=True):
            writer.append(utterance_id, mel)
            without += len(mel) == 0
            if train:
                moments.add([mel])
    return {"without": without, "train": moments.state()}


def mel_block(audio: RaggedReader, log_mel: LogMel, start: int, stop: int) -> list[NDArray[np.float16]]:
    """Read a few utterances and compute their spectrograms, in a thread."""
    # it holds for the thread that says so: one utterance is too small to share, and the bytes must not depend on the cores
    torch.set_num_threads(1)
    return [log_mel(to_float(samples)) for samples in audio.read_range(start, stop)]
