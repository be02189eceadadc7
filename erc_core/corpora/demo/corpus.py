"""The embedded corpus on disk: the script, spoken, in the files of MELD.

    train_sent_emo.csv   train_splits/diaX_uttY.wav
    dev_sent_emo.csv     dev_splits_complete/diaX_uttY.wav
    test_sent_emo.csv    output_repeated_splits_test/diaX_uttY.wav

and the file SYNTHETIC, by which every stage knows that no person spoke. A few clips are damaged, each in a way that real corpora have, so that every rule about clips has something to do.
"""

import csv
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from erc_core.corpora.demo.script import Dialogue, Turn, write_script
from erc_core.corpora.demo.voice import SAMPLE_RATE, Voice
from erc_core.corpora.meld.layout import CLIP_FOLDERS
from erc_core.params.data import DemoParams
from erc_core.params.training import ParallelParams
from erc_core.run.atomic import atomic_folder
from erc_core.run.pools import map_ordered
from erc_core.run.progress import progress
from erc_core.store.utterances import SPLITS, SYNTHETIC_FILE

COLUMNS = (
    "Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
    "StartTime", "EndTime",
)  # fmt: skip

Damage = Literal["absent", "header_only", "empty", "silent", "too_short", "not_finite", "too_long"]

# MELD has a clip without its index in train, a missing one in dev, and over-long ones in test.
DAMAGES: dict[str, tuple[Damage, ...]] = {
    "train": ("header_only", "silent", "too_short", "not_finite"),
    "dev": ("absent", "empty"),
    "test": ("too_long",),
}

DIALOGUES_IN_EPISODE = 12
EPISODES_IN_SEASON = 24
PAUSE_SECONDS = 0.4  # between two turns, on the time line of the episode
SHORT_SECONDS = 0.05
LONG_SECONDS = 25.0
WAV_HEADER_BYTES = 44


@dataclass(frozen=True)
class DemoSummary:
    """What was spoken: numbers of dialogues, utterances and damaged clips, and the seconds of speech."""

    dialogues: int
    utterances: int
    damaged: int
    seconds: float


def speak_corpus(folder: Path, params: DemoParams, parallel: ParallelParams) -> DemoSummary:
    """Write and speak the whole corpus: same parameters, same bytes, whatever the number of workers.

    The folder appears when it is complete, and replaces what was there. ErcError where eSpeak NG is not installed or
    does not work.
    """
    voice = Voice()
    script = write_script(params)
    damages = choose_damages(script) if params.damaged_clips else {}
    with atomic_folder(folder) as partial_folder:
        for clip_folder in CLIP_FOLDERS.values():
            (partial_folder / clip_folder).mkdir()
        # absolute, as workers elsewhere have working folders of their own
        speak = partial(_speak_dialogue, folder=partial_folder.absolute(), voice=voice, damages=damages)
        spoken = map_ordered(speak, script, parallel, label=lambda d: f"dialogue {d.number} of {d.split}")
        with progress(spoken, total=len(script), desc="demo", unit="dialogue") as shown:
            seconds = list(shown)
        (partial_folder / SYNTHETIC_FILE).write_text(
            "Spoken by eSpeak NG, not by people.\n", encoding="utf-8", newline="\n"
        )
        for split in SPLITS:
            rows = [(d, s) for d, s in zip(script, seconds, strict=True) if d.split == split]
            _write_annotation(partial_folder / f"{split}_sent_emo.csv", rows)
    utterances = sum(len(dialogue.turns) for dialogue in script)
    return DemoSummary(len(script), utterances, damaged=len(damages), seconds=sum(map(sum, seconds)))


def choose_damages(script: Sequence[Dialogue]) -> dict[tuple[str, int, int], Damage]:
    """Return (split, dialogue, utterance) -> damage, evenly spread over neutral utterances: no rare class loses one.

    A split with fewer neutral utterances than damages stays whole.
    """
    chosen: dict[tuple[str, int, int], Damage] = {}
    for split, damages in DAMAGES.items():
        neutral = [
            (split, dialogue.number, utterance)
            for dialogue in script
            if dialogue.split == split
            for utterance, turn in enumerate(dialogue.turns)
            if turn.emotion == "neutral"
        ]
        if len(neutral) >= len(damages):
            for k, damage in enumerate(damages):
                chosen[neutral[(2 * k + 1) * len(neutral) // (2 * len(damages))]] = damage
    return chosen


def sentiment(turn: Turn) -> str:
    """Return MELD's sentiment: that of the emotion; surprise is welcome when it is lively, unwelcome otherwise."""
    if turn.emotion == "neutral":
        return "neutral"
    welcome = turn.emotion == "joy" or (turn.emotion == "surprise" and turn.prosody == "lively")
    return "positive" if welcome else "negative"


def _speak_dialogue(
    dialogue: Dialogue, folder: Path, voice: Voice, damages: dict[tuple[str, int, int], Damage]
) -> list[float]:
    """Write the clips of a dialogue, in a worker process, and return the seconds that each utterance lasts."""
    seconds = []
    for utterance, turn in enumerate(dialogue.turns):
        speech = voice.speak(turn.text, turn.speaker.voice, turn.manner)
        seconds.append(len(speech) / SAMPLE_RATE)
        path = folder / CLIP_FOLDERS[dialogue.split] / f"dia{dialogue.number}_utt{utterance}.wav"
        _write_clip(path, speech, damages.get((dialogue.split, dialogue.number, utterance)))
    return seconds


def _write_clip(path: Path, speech: NDArray[np.int16], damage: Damage | None) -> None:
    match damage:
        case "absent":
            return
        case "empty":
            path.touch()
            return
        case "not_finite":
            path.write_bytes(_float_wav_with_holes(speech))
            return
        case "silent":
            speech = np.zeros_like(speech)
        case "too_short":
            speech = speech[: round(SHORT_SECONDS * SAMPLE_RATE)]
        case "too_long":
            speech = np.resize(speech, round(LONG_SECONDS * SAMPLE_RATE))
    soundfile.write(path, speech, SAMPLE_RATE, subtype="PCM_16")
    if damage == "header_only":
        path.write_bytes(path.read_bytes()[: WAV_HEADER_BYTES // 2])


def _float_wav_with_holes(speech: NDArray[np.int16]) -> bytes:
    """Return a 32-bit float wav whose middle tenth is NaN.

    Packed here because libsndfile puts the time of day into a float wav (its PEAK chunk).
    """
    samples = speech.astype("<f4") / 32768
    samples[len(samples) * 45 // 100 : len(samples) * 55 // 100] = np.nan
    content = samples.tobytes()
    ieee_float, mono, width = 3, 1, 4
    rates = (SAMPLE_RATE, SAMPLE_RATE * width)
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, ieee_float, mono, *rates, width, 8 * width)
    chunks = b"WAVE" + layout + struct.pack("<4sI", b"data", len(content)) + content
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks


def _write_annotation(path: Path, dialogues: Sequence[tuple[Dialogue, list[float]]]) -> None:
    """Write a split's CSV as MELD does: UTF-8, CRLF, quotes where needed, a running number over the split."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        numbers = count(1)
        for dialogue, seconds in dialogues:
            season, episode = divmod(dialogue.number // DIALOGUES_IN_EPISODE, EPISODES_IN_SEASON)
            start = dialogue.start
            for utterance, (turn, length) in enumerate(zip(dialogue.turns, seconds, strict=True)):
                said = (turn.text, turn.speaker.name, turn.emotion, sentiment(turn))
                place = (dialogue.number, utterance, 1 + season, 1 + episode)
                writer.writerow((next(numbers), *said, *place, _time_stamp(start), _time_stamp(start + length)))
                start += length + PAUSE_SECONDS


def _time_stamp(seconds: float) -> str:
    """Return HH:MM:SS,mmm."""
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
