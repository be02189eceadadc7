"""Speech clips to extract features from: a folder of recordings, or MELD-like clips spoken by eSpeak NG."""

from itertools import islice
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from erc_core.corpora.demo.script import write_script
from erc_core.corpora.demo.voice import SAMPLE_RATE, Voice
from erc_core.params.data import DemoParams, SplitSizes

SOUNDFILE_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"}
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".m4a"}
VIDEO_RATE = 48000
AAC_FRAME = 1024
MADE_KINDS = ("wav 22050 Hz", "wav 48000 Hz", "flac 48000 Hz", "mp4 48000 Hz")


def find_speech(folder: Path, limit: int) -> dict[str, list[Path]]:
    """Return the recordings below a folder by kind (format and sample rate), in order of their paths.

    Args:
        folder: Where to look, at any depth.
        limit: Recordings of each kind, at most. Of those of one kind and name, the first counts.
    """
    kinds: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower()
        if suffix in SOUNDFILE_SUFFIXES:
            kind = f"{suffix[1:]} {soundfile.info(path).samplerate} Hz"
        elif suffix in VIDEO_SUFFIXES:
            with av.open(str(path)) as container:
                kind = f"{suffix[1:]} {container.streams.audio[0].rate} Hz"
        else:
            continue
        kinds.setdefault(kind, {}).setdefault(path.stem, path)
    return {kind: list(islice(named.values(), limit)) for kind, named in sorted(kinds.items())}


def make_speech(folder: Path, demo: DemoParams, count: int) -> dict[str, list[Path]]:
    """Speak `count` clips with eSpeak NG and write each as wav of 22.05 kHz, and as wav, flac and mp4 of 48 kHz.

    A clip is two turns of the demo corpus's script, about as long as MELD's clips are on average (3 s). The mp4 has a small
    picture and AAC in stereo, as clips of films have.

    Args:
        folder: Where to.
        demo: Section demo of params.yaml: seed and probabilities.
        count: Number of clips of each kind.

    Returns:
        Kind -> paths.

    Raises:
        ErcError: eSpeak NG is not installed.
    """
    voice = Voice()
    enough = SplitSizes(train=count, dev=1, test=1)  # a dialogue has two turns at least, on average more
    turns_each = {"min_turns": max(2, demo.min_turns), "max_turns": max(2, demo.max_turns)}
    script = write_script(demo.model_copy(update={"dialogues": enough, **turns_each}))
    turns = [turn for dialogue in script for turn in dialogue.turns]
    kinds: dict[str, list[Path]] = {kind: [] for kind in MADE_KINDS}
    for number, (first, second) in enumerate(islice(zip(turns[::2], turns[1::2], strict=False), count)):
        speech = voice.speak(f"{first.text} {second.text}", first.speaker.voice, first.manner)
        fast = np.clip(soxr.resample(speech.astype(np.float32) / 32768, SAMPLE_RATE, VIDEO_RATE), -1, 1)
        for kind, paths in kinds.items():
            suffix, rate, _ = kind.split()
            path = folder / kind.replace(" ", "_") / f"clip{number:05d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if suffix == "mp4":
                write_mp4(path, fast)
            elif int(rate) == SAMPLE_RATE:
                soundfile.write(path, speech, SAMPLE_RATE, subtype="PCM_16")
            else:
                soundfile.write(path, fast, VIDEO_RATE, subtype="PCM_16")
            paths.append(path)
    return kinds


def write_mp4(path: Path, samples: NDArray[np.float32]) -> None:
    """Write a clip with a small picture and AAC at 48 kHz, the same samples on both channels."""
    both = np.stack([samples, samples])
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        audio = container.add_stream("aac", rate=VIDEO_RATE, layout="stereo")
        black = np.zeros((64, 64, 3), np.uint8)
        for _ in range(max(1, round(25 * len(samples) / VIDEO_RATE))):
            container.mux(video.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
        container.mux(video.encode())
        for start in range(0, len(samples), AAC_FRAME):
            block = np.ascontiguousarray(both[:, start : start + AAC_FRAME])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = VIDEO_RATE, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
