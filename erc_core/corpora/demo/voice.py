"""The voice: eSpeak NG from the wheel espeakng-loader, called in this process through ctypes.

eSpeak NG keeps state from one utterance to the next (the phase of the pitch flutter, of the roughness, echoes), and
initialising it again does not reset all of it. The library is therefore loaded afresh for every utterance, which costs
a millisecond and makes the samples a function of text, voice and manner alone.
"""

import _ctypes
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erc_core.corpora.demo.prosody import Manner
from erc_core.errors import ErcError

SAMPLE_RATE = 22050

# The path of English within eSpeak's data. A language's name ("en-us") would do too, but makes the library read the
# headers of all its languages first: 4 ms, more than an utterance takes to speak.
LANGUAGE = "gmw/en"

# From eSpeak NG's speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS, _INITIALIZE_DONT_EXIT = 2, 0x8000
_CHARS_UTF8, _POS_CHARACTER = 1, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Voice:
    """eSpeak NG, ready to speak. The object holds no state of the library and can be pickled."""

    def __init__(self) -> None:
        """Find the library; ErcError where espeakng-loader is not installed, or its library does not load."""
        try:
            import espeakng_loader
        except ImportError:
            raise ErcError(
                "the demo corpus is spoken by eSpeak NG, and the package espeakng-loader is not installed: "
                'run `pip install "erc-core[demo]"` (in a checkout: `pip install -e ".[demo]"`), '
                "or take demo out of `datasets` in params.yaml"
            ) from None
        self._library_path = str(espeakng_loader.get_library_path())
        self._data_path = str(Path(self._library_path).parent / "espeak-ng-data")
        with self._library():  # a library that does not load is told now, once, not in a worker
            pass

    def speak(self, text: str, voice: str, manner: Manner) -> NDArray[np.int16]:
        """Speak one utterance with an eSpeak NG voice variant, such as f1; return mono samples at SAMPLE_RATE.

        ErcError where the voice is unknown, or no sound came.
        """
        pieces: list[bytes] = []

        def collect(samples: int | None, count: int, _events: int | None) -> int:
            if samples and count > 0:
                pieces.append(ctypes.string_at(samples, 2 * count))
            return 0

        callback = _Callback(collect)  # the name keeps it alive while the library may call it
        encoded = text.encode() + b"\0"
        with self._library() as library:
            library.espeak_SetSynthCallback(callback)
            status = library.espeak_SetVoiceByName(f"{LANGUAGE}+{voice}".encode())
            values = {_RATE: manner.rate, _VOLUME: manner.volume, _PITCH: manner.pitch, _RANGE: manner.pitch_range}
            for parameter, value in values.items():
                status = status or library.espeak_SetParameter(parameter, value, 0)
            place = (0, _POS_CHARACTER, 0)  # from the first character to the last
            status = status or library.espeak_Synth(encoded, len(encoded), *place, _CHARS_UTF8, None, None)
        speech = np.frombuffer(b"".join(pieces), dtype="<i2").astype(np.int16)
        if status or not speech.any():
            raise ErcError(f"eSpeak NG gave no sound for {text!r} with the voice {voice!r} (status {status})")
        return speech

    @contextmanager
    def _library(self) -> Iterator[ctypes.CDLL]:
        """Yield the library freshly loaded and initialised, and unload it after use."""
        try:
            library = ctypes.CDLL(self._library_path)
        except OSError as error:
            raise ErcError(f"{self._library_path}: eSpeak NG does not load ({error})") from None
        c_uint, c_void_p = ctypes.c_uint, ctypes.c_void_p
        text, place = (ctypes.c_char_p, ctypes.c_size_t), (c_uint, ctypes.c_int, c_uint)
        library.espeak_Synth.argtypes = [*text, *place, c_uint, c_void_p, c_void_p]
        data = self._data_path.encode()
        try:
            with _quiet():
                rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _INITIALIZE_DONT_EXIT)
                if rate != SAMPLE_RATE:
                    raise ErcError(f"{self._data_path}: eSpeak NG does not start with these data (it returned {rate})")
                try:
                    yield library
                finally:
                    library.espeak_Terminate()
        finally:
            _unload(library)


def _unload(library: ctypes.CDLL) -> None:
    handle = library._handle  # noqa: SLF001 - ctypes offers no other way to unload
    if sys.platform == "win32":
        _ctypes.FreeLibrary(handle)
    else:
        _ctypes.dlclose(handle)


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what C code prints to nowhere: it would break progress bars and logs."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)
