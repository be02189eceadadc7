"""Clips as corpora have them, made by tests: tones in the containers and channel layouts of MELD."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}


def tones(layout: str, seconds: float = 0.5, rate: int = 48000, pitch: float = 300.0) -> NDArray[np.float32]:
    """Return (channels, n) with another tone in each channel: 300 Hz, 600 Hz, ..."""
    time = np.arange(round(seconds * rate)) / rate
    waves = [0.3 * np.sin(2 * np.pi * pitch * (channel + 1) * time) for channel in range(CHANNELS[layout])]
    return np.stack(waves).astype(np.float32)


def write_mp4(path: Path, layout: str, seconds: float = 0.5, pitch: float = 300.0) -> None:
    """Write a clip as MELD has them: a picture and AAC at 48 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        audio = container.add_stream("aac", rate=48000, layout=layout)
        for _ in range(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        samples = tones(layout, seconds, pitch=pitch)
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = 48000
            frame.pts = start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
