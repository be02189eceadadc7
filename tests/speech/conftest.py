import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

os.environ["HF_HUB_OFFLINE"] = "1"  # read by the hub's client when it is first imported


@pytest.fixture(scope="session")
def write_container() -> Callable[..., Path]:
    """Return a function that writes sound, and perhaps pictures, with FFmpeg."""

    def write(
        path: Path,
        sound: NDArray[np.float32] | None,
        rate: int = 48000,
        *,
        layout: str = "stereo",
        video: bool = False,
        target: object = None,
    ) -> Path:
        container = path.suffix[1:].replace("mkv", "matroska")
        codec = {"flac": "flac"}.get(container, "aac")
        with av.open(target or str(path), "w", format=container) as file:
            pictures = file.add_stream("mpeg4", rate=25) if video else None
            stream = file.add_stream(codec, rate=rate, layout=layout) if sound is not None else None
            if pictures is not None:
                pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
                for time in range(10):
                    picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                    picture.pts = time
                    file.mux(pictures.encode(picture))
                file.mux(pictures.encode(None))
            if stream is not None:
                for frame in _frames(sound, rate, layout, "s16" if codec == "flac" else "fltp"):
                    file.mux(stream.encode(frame))
                file.mux(stream.encode(None))
        return path

    return write


def _frames(sound: NDArray[np.float32], rate: int, layout: str, sample_format: str) -> Iterator[av.AudioFrame]:
    for start in range(0, len(sound), 1024):
        block = sound[start : start + 1024]
        if sample_format == "s16":
            packed = np.rint(block * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        else:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.T), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, start
        yield frame
