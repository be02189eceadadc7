"""The script that makes docs/examples/conversation makes what lies there."""

import runpy

import numpy as np
import pytest
import soundfile
from closure import ROOT

EXAMPLES = ROOT / "docs" / "examples"
FOLDER = EXAMPLES / "conversation"
MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conversation")
    runpy.run_path(str(EXAMPLES / "make_conversation.py"))["main"](folder)
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_texts_are_the_same_bytes(made):
    assert files(made) == files(FOLDER)
    for name in files(FOLDER):
        if not name.endswith(".flac"):
            assert (made / name).read_bytes() == (FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("name", [name for name in files(FOLDER) if name.endswith(".flac")])
def test_the_sound_is_the_same_up_to_rounding(made, name):
    """The bytes of a FLAC depend on the version of its library, the last bit of a sample on the processor."""
    there, rate = soundfile.read(FOLDER / name, dtype="int16")
    again, _ = soundfile.read(made / name, dtype="int16")
    assert (rate, again.shape) == (16_000, there.shape)
    assert np.abs(there.astype(int) - again).max() <= 2


def test_clips_are_cut_from_the_recording_and_all_is_small():
    recording, _ = soundfile.read(FOLDER / "conversation.flac", dtype="int16")
    place = 0
    for path in sorted((FOLDER / "clips").glob("*.flac")):
        clip, _ = soundfile.read(path, dtype="int16")
        place += next(k for k in range(20_000) if np.array_equal(recording[place + k : place + k + len(clip)], clip))
        place += len(clip)
        assert path.with_suffix(".txt").read_text(encoding="utf-8").strip()
    assert sum((FOLDER / name).stat().st_size for name in files(FOLDER)) < MOST_BYTES
