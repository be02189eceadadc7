"""Who extracts features in the first benchmark: ours by its stages, the peers, and the floor.

All get the same files and parameters, and leave log-mel features of every file on disk.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from benchmarks.harness import TOTAL, Parts
from benchmarks.speech import SOUNDFILE_SUFFIXES
from erc_core.params.data import AudioParams, MeldIngest, MelParams
from erc_core.params.schema import Params
from erc_core.params.training import ParallelParams
from erc_core.run.paths import data_folder
from erc_core.run.pools import map_ordered
from erc_core.speech.decoding.files import decode
from erc_core.speech.decoding.sound import center_of, downmix
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged import RaggedReader
from erc_core.store.utterances import SCHEMA, write_utterances
from stages import mel as mel_stage
from stages import resample as resample_stage

SHARDS_PER_PROCESS = 4
FeatureMaker = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Work:
    """What everyone has to do for one kind of file.

    Attributes:
        dataset: A name for files and folders.
        paths: The clips, each with a name of its own.
        folder: An empty folder, for what the peers write.
        params: Sections audio and mel are what everyone follows.
        processes: How many everyone may use.
    """

    dataset: str
    paths: list[Path]
    folder: Path
    params: Params
    processes: int

    @property
    def shards(self) -> list[list[Path]]:
        """The clips, dealt into a few shards for each process, as equal as they can be."""
        count = min(len(self.paths), SHARDS_PER_PROCESS * self.processes)
        return [self.paths[first::count] for first in range(count)]

    @property
    def parallel(self) -> ParallelParams:
        """The processes, as map_ordered and the stages read it."""
        return self.params.parallel.model_copy(
            update={"backend": "processes", "scheduler": None, "workers": self.processes}
        )

    def output(self, contender: str) -> Path:
        """Return the folder of a contender's output."""
        return self.folder / self.dataset / contender

    def clear(self, contender: str) -> None:
        """Remove a contender's output, and make its folder."""
        shutil.rmtree(self.output(contender), ignore_errors=True)
        self.output(contender).mkdir(parents=True)


def warm(work: Work) -> None:
    """Start the worker processes that ours and the per-file peers use, if they sleep, with their imports done."""
    if work.processes > 1:
        for _ in map_ordered(_import, range(2 * work.processes), work.parallel):
            pass


def _import(_: int) -> None:
    import torchaudio  # noqa: F401

    time.sleep(0.05)  # so that no worker takes the tasks of another


# ---- ours ------------------------------------------------------------------------------------------------------------


def write_table(work: Work) -> None:
    """Write what the stages read: the table of utterances, and where the clips are. Done once, untimed, as ingest is."""
    rows = [
        ("u" + path.stem, "train", path.stem, 0, "speaker", "text", "neutral", str(path.resolve()), "ok")
        for path in work.paths
    ]
    folder = data_folder(work.dataset)
    folder.mkdir(parents=True, exist_ok=True)
    write_utterances(pl.DataFrame(rows, schema=SCHEMA, orient="row"), folder)
    IngestRecord(ingest={}, synthetic=False, clips="raw", facts={}, issues=[]).write(folder)


def run_ours(work: Work) -> Parts:
    """Run the stages resample and mel as `dvc repro` does, in the current folder, and return the seconds of each."""
    ingest = {work.dataset: MeldIngest(format="meld", raw_dir="/")}
    params = work.params.model_copy(update={"parallel": work.parallel, "ingest": ingest})
    seconds = {}
    for name, stage in (("resample", resample_stage), ("mel", mel_stage)):
        start = time.perf_counter()
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            stage.main(params, work.dataset)
        seconds[name] = time.perf_counter() - start
    return seconds


def clear_ours(work: Work) -> None:
    """Remove what the stages made."""
    for name in ("audio.h5", "clips.parquet", "mel.h5"):
        (data_folder(work.dataset) / name).unlink(missing_ok=True)


def read_ours(work: Work) -> dict[str, NDArray[Any]]:
    """Return our features by the clip's name."""
    with RaggedReader(data_folder(work.dataset) / "mel.h5") as reader:
        return {utterance_id[1:]: reader[index] for index, utterance_id in enumerate(reader.ids)}


# ---- peers that work file by file ------------------------------------------------------------------------------------


def run_per_file(work: Work, contender: str) -> None:
    """Let a per-file peer extract everything, in the same worker processes as ours, one .npy for each clip."""
    extract = partial(
        extract_shard,
        contender=contender,
        folder=work.output(contender),
        audio=work.params.audio,
        mel=work.params.mel,
    )
    for _ in map_ordered(extract, work.shards, work.parallel):
        pass


def read_per_file(work: Work, contender: str) -> dict[str, NDArray[Any]]:
    """Return a per-file peer's features by the clip's name."""
    return {path.stem: np.load(path) for path in work.output(contender).glob("*.npy")}


def extract_shard(paths: list[Path], contender: str, folder: Path, audio: AudioParams, mel: MelParams) -> None:
    """Extract some clips' features with a per-file peer, and write them, in a worker process."""
    torch.set_num_threads(1)
    load, features = {"librosa": librosa_peer, "torchaudio": torchaudio_peer, "transformers AST": ast_peer}[contender](
        audio, mel
    )
    for path in paths:
        np.save(folder / f"{path.stem}.npy", features(load(path)).astype(np.float16))


def plain_samples(path: Path, audio: AudioParams) -> tuple[NDArray[np.float32], int]:
    """Decode a clip to mono as the documentation of soundfile and PyAV shows it, for peers without a decoder of their own."""
    if path.suffix.lower() in SOUNDFILE_SUFFIXES:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    else:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            to_planar_float = av.AudioResampler(format="fltp")
            blocks = [
                converted.to_ndarray()
                for frame in container.decode(stream)
                for converted in to_planar_float.resample(frame)
            ]
            samples, rate = np.concatenate(blocks, axis=1).T, stream.rate
    return downmix(samples, audio.downmix, center_of(samples.shape[1]))[: round(audio.max_seconds * rate)], rate


def librosa_peer(audio: AudioParams, mel: MelParams) -> tuple[Callable[[Path], NDArray[np.float32]], FeatureMaker]:
    """Return librosa's loader (soxr inside) and its log-mel spectrogram. It reads no mp4 by itself, so that is decoded for it."""
    import librosa

    rate = audio.sample_rate

    def load(path: Path) -> NDArray[np.float32]:
        if path.suffix.lower() in SOUNDFILE_SUFFIXES:
            loaded: NDArray[np.float32] = librosa.load(
                path, sr=rate, mono=True, duration=audio.max_seconds, res_type="soxr_hq"
            )[0]
            return loaded
        samples, its_rate = plain_samples(path, audio)
        resampled: NDArray[np.float32] = librosa.resample(samples, orig_sr=its_rate, target_sr=rate, res_type="soxr_hq")
        return resampled

    def features(samples: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=rate,
            n_fft=mel.n_fft,
            win_length=round(mel.window_ms * rate / 1000),
            hop_length=round(mel.hop_ms * rate / 1000),
            window="hann",
            center=True,
            pad_mode="reflect",
            power=2.0,
            n_mels=mel.n_mels,
            fmin=mel.f_min,
            fmax=mel.f_max,
            htk=True,
            norm=None,
        )
        logarithm: NDArray[np.floating[Any]] = np.log(power + mel.floor).T
        return logarithm

    return load, features


def torchaudio_peer(audio: AudioParams, mel: MelParams) -> tuple[Callable[[Path], NDArray[np.float32]], FeatureMaker]:
    """Return torchaudio's resampler (its kernels kept) and its log-mel spectrogram; it decodes nothing by itself any more."""
    from torchaudio.transforms import MelSpectrogram, Resample

    rate = audio.sample_rate
    resampler = cache(lambda its_rate: Resample(its_rate, rate))
    transform = MelSpectrogram(
        sample_rate=rate,
        n_fft=mel.n_fft,
        win_length=round(mel.window_ms * rate / 1000),
        hop_length=round(mel.hop_ms * rate / 1000),
        f_min=mel.f_min,
        f_max=mel.f_max,
        n_mels=mel.n_mels,
    )

    @torch.inference_mode()
    def load(path: Path) -> NDArray[np.float32]:
        samples, its_rate = plain_samples(path, audio)
        resampled: NDArray[np.float32] = resampler(its_rate)(torch.from_numpy(np.ascontiguousarray(samples))).numpy()
        return resampled

    @torch.inference_mode()
    def features(samples: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        logarithm: NDArray[np.floating[Any]] = torch.log(transform(torch.from_numpy(samples)) + mel.floor).T.numpy()
        return logarithm

    return load, features


def ast_peer(audio: AudioParams, mel: MelParams) -> tuple[Callable[[Path], NDArray[np.float32]], FeatureMaker]:
    """Return soxr's resampler and transformers' ASTFeatureExtractor, unnormalised, without the padding of its output.

    It knows no other window, step and band than Kaldi's 25 ms, 10 ms, and 20 Hz to half the rate.
    """
    from transformers import ASTFeatureExtractor

    rate = audio.sample_rate
    window, hop = round(0.025 * rate), round(0.01 * rate)
    extractor = ASTFeatureExtractor(  # type: ignore[no-untyped-call]
        sampling_rate=rate,
        num_mel_bins=mel.n_mels,
        max_length=round(audio.max_seconds * rate) // hop + 1,
        do_normalize=False,
    )

    def load(path: Path) -> NDArray[np.float32]:
        samples, its_rate = plain_samples(path, audio)
        resampled: NDArray[np.float32] = soxr.resample(samples, its_rate, rate, quality="HQ")
        return resampled

    def features(samples: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        padded: NDArray[np.floating[Any]] = extractor(samples, sampling_rate=rate, return_tensors="np")["input_values"][
            0
        ]
        return padded[: 1 + (len(samples) - window) // hop]

    return load, features


# ---- lhotse ----------------------------------------------------------------------------------------------------------


class Lhotse:
    """lhotse's own road: cuts over recordings, its parallel extraction with its Kaldi filter bank, its storage."""

    NAME = "lhotse"

    def __init__(self, work: Work, pool: Executor | None) -> None:
        """Make the manifests, untimed, as ours has its table.

        Args:
            work: What to do.
            pool: Warm worker processes; None for a single process.

        Raises:
            Exception: lhotse cannot read such a file.
        """
        lhotse, kaldi = import_module("lhotse"), import_module("lhotse.features.kaldi.extractors")
        audio, mel = work.params.audio, work.params.mel
        self.work, self.pool = work, pool
        self.storage = "lilcom_chunky" if "lilcom_chunky" in lhotse.available_storage_backends() else "numpy_files"
        cuts = []
        for path in work.paths:
            recording = lhotse.Recording.from_file(path, recording_id=path.stem)
            cut = recording.resample(audio.sample_rate).to_cut()
            if recording.num_channels > 1:
                cut = cut.to_mono(mono_downmix=True)
            cuts.append(cut.truncate(duration=audio.max_seconds) if cut.duration > audio.max_seconds else cut)
        self.cuts = lhotse.CutSet.from_cuts(cuts)
        self.fbank = kaldi.Fbank(
            kaldi.FbankConfig(
                sampling_rate=audio.sample_rate,
                frame_length=mel.window_ms / 1000,
                frame_shift=mel.hop_ms / 1000,
                num_filters=mel.n_mels,
                low_freq=mel.f_min,
                high_freq=mel.f_max,
                window_type="hanning",
                preemph_coeff=0.0,
                remove_dc_offset=False,
                energy_floor=mel.floor,
            )
        )
        self.made: Any = None

    def clear(self) -> None:
        """Remove its output."""
        self.work.clear(self.NAME)

    def run(self) -> None:
        """Extract and store everything."""
        self.made = self.cuts.compute_and_store_features(
            extractor=self.fbank,
            storage_path=self.work.output(self.NAME) / "feats",
            num_jobs=self.work.processes,
            storage_type=import_module("lhotse.features.io").get_writer(self.storage),
            executor=self.pool,
            progress_bar=False,
        )

    def read(self) -> dict[str, NDArray[Any]]:
        """Return its features by the clip's name."""
        return {cut.recording.id: cut.load_features() for cut in self.made}


# ---- the floor -------------------------------------------------------------------------------------------------------


def run_floor(work: Work) -> Parts:
    """Decode, resample (soxr) and transform (STFT) every clip, each timed alone, in the same worker processes.

    Returns:
        Seconds of each on perfectly shared cores: the sum over all clips, divided by the processes; and their total.
    """
    steps = partial(floor_shard, audio=work.params.audio, mel=work.params.mel)
    shards = np.array(list(map_ordered(steps, work.shards, work.parallel)))
    decoding, resampling, stft = (shards.sum(axis=0) / work.processes).tolist()
    return {"decode": decoding, "soxr": resampling, "STFT": stft, TOTAL: decoding + resampling + stft}


def floor_shard(paths: list[Path], audio: AudioParams, mel: MelParams) -> tuple[float, float, float]:
    """Return the seconds that some clips take to decode, to resample, and to transform, in a worker process."""
    torch.set_num_threads(1)
    seconds = [0.0, 0.0, 0.0]
    window = torch.hann_window(round(mel.window_ms * audio.sample_rate / 1000))
    for path in paths:
        for step, spent in enumerate(_floor_steps(path, audio, mel, window)):
            seconds[step] += spent
    return seconds[0], seconds[1], seconds[2]


def _floor_steps(path: Path, audio: AudioParams, mel: MelParams, window: torch.Tensor) -> Iterator[float]:
    start = time.perf_counter()
    sound = decode(path, audio.max_seconds, audio.downmix)
    samples = sound.samples[:, 0][: round(audio.max_seconds * sound.sample_rate)]
    yield time.perf_counter() - start
    start = time.perf_counter()
    if sound.sample_rate != audio.sample_rate:
        samples = soxr.resample(samples, sound.sample_rate, audio.sample_rate, quality="HQ")
    yield time.perf_counter() - start
    start = time.perf_counter()
    with torch.inference_mode():
        torch.stft(
            torch.from_numpy(np.ascontiguousarray(samples)),
            n_fft=mel.n_fft,
            hop_length=round(mel.hop_ms * audio.sample_rate / 1000),
            win_length=len(window),
            window=window,
            return_complex=True,
        )
    yield time.perf_counter() - start
