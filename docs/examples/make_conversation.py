"""Write the example conversation: Anna and Ben, spoken by the demo corpus' voices, as every kind of file that is read.

Run: python docs/examples/make_conversation.py docs/examples/conversation     (needs the extra [demo])

The same bytes again, up to the version of the library that packs the sound. Times of words are spread by their letters, and
scores are all alike: no recogniser listened.
"""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from erc_core.corpora.demo.script import Turn, write_script
from erc_core.corpora.demo.voice import SAMPLE_RATE as VOICE_RATE
from erc_core.corpora.demo.voice import Voice
from erc_core.params.data import DemoParams, SplitSizes

SEED = 13  # another than the demo corpus': the model has not heard these sentences so
NAMES = {"Mara": "Anna", "Otis": "Ben"}
SPEAKERS = tuple(NAMES.values())
RATE = 16_000  # Hz
PAUSES_MS = (250, 900)
CLIPS = 4
SCORE = 0.9


@dataclass(frozen=True)
class Utterance:
    """One turn in the recording; times in whole milliseconds, so that every format says the same."""

    start: int
    end: int
    speaker: str
    text: str
    emotion: str

    @property
    def number(self) -> int:
        """The speaker, as tools number people that they cannot name."""
        return SPEAKERS.index(self.speaker)

    @property
    def label(self) -> str:
        """The speaker, as pyannote and WhisperX name them."""
        return f"SPEAKER_{self.number:02d}"

    def words(self) -> Iterator[tuple[str, int, int]]:
        """Yield each word with its start and end, by its share of the letters."""
        words = self.text.split()
        ends = np.cumsum([0, *map(len, words)]) * (self.end - self.start) // sum(map(len, words)) + self.start
        yield from zip(words, ends[:-1].tolist(), ends[1:].tolist(), strict=True)


def main(folder: Path) -> None:
    """Write the conversation as every kind of file into a folder."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    utterances, sound = speak(write_turns())
    soundfile.write(folder / "conversation.flac", sound, RATE, subtype="PCM_16")
    for number, said in enumerate(utterances[:CLIPS], start=1):
        clip = folder / "clips" / f"{number:02d}_{said.speaker.lower()}.flac"
        soundfile.write(clip, sound[said.start * RATE // 1000 : said.end * RATE // 1000], RATE, subtype="PCM_16")
        write(clip.with_suffix(".txt"), said.text)
    for suffix, form in FORMS.items():
        write(folder / f"conversation{suffix}", form(utterances))
    with (folder / "conversation.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("start", "end", "speaker", "text", "emotion"))
        rows.writerows((u.start / 1000, u.end / 1000, u.speaker, u.text, u.emotion) for u in utterances)


def write(path: Path, text: str) -> None:
    """Write a text with one line break at its end."""
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def write_turns() -> tuple[Turn, ...]:
    """Return a dialogue of twenty turns of the demo corpus' grammar: two people, every emotion."""
    params = DemoParams(
        seed=SEED, dialogues=SplitSizes(train=1, dev=1, test=1), min_turns=20, max_turns=20, speakers=2,
        persistence=0.35, word_noise=0, prosody_noise=0, damaged_clips=False,
    )  # fmt: skip
    return next(dialogue.turns for dialogue in write_script(params) if dialogue.split == "test")


def speak(turns: tuple[Turn, ...]) -> tuple[list[Utterance], NDArray[np.int16]]:
    """Return what was said when, and the recording: mono samples (n,) at RATE."""
    voice, rng = Voice(), np.random.default_rng(SEED)
    utterances, sounds, now = [], [], 0
    for turn in turns:
        pause = int(rng.integers(*PAUSES_MS))
        speech = soxr.resample(voice.speak(turn.text, turn.speaker.voice, turn.manner), VOICE_RATE, RATE)
        milliseconds = -(-len(speech) * 1000 // RATE)
        speech = np.pad(speech, (pause * RATE // 1000, milliseconds * RATE // 1000 - len(speech)))
        utterances.append(
            Utterance(now + pause, now + pause + milliseconds, NAMES[turn.speaker.name], turn.text, turn.emotion)
        )
        sounds.append(speech)
        now += pause + milliseconds
    return utterances, np.concatenate([*sounds, np.zeros(PAUSES_MS[0] * RATE // 1000, np.int16)])


def clock(milliseconds: int, point: str) -> str:
    """Return HH:MM:SS.mmm, the point being that of the format."""
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def vtt(utterances: list[Utterance]) -> str:
    """WebVTT with voices."""
    cues = (f"{clock(u.start, '.')} --> {clock(u.end, '.')}\n<v {u.speaker}>{escape(u.text)}" for u in utterances)
    return "\n\n".join(["WEBVTT", *cues])


def srt(utterances: list[Utterance]) -> str:
    """SubRip, which has no place for speakers: names stand before the texts."""
    return "\n\n".join(
        f"{number}\n{clock(u.start, ',')} --> {clock(u.end, ',')}\n{u.speaker}: {u.text}"
        for number, u in enumerate(utterances, start=1)
    )


def compact(data: Any) -> str:
    """Return JSON on one line, as the tools write it."""
    return json.dumps(data, ensure_ascii=False)


def whisper(utterances: list[Utterance]) -> str:
    """JSON of Whisper, which knows no speakers."""
    fixed = {"temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.5, "no_speech_prob": 0.01}
    segments = [
        {"id": k, "seek": 0, "start": u.start / 1000, "end": u.end / 1000, "text": f" {u.text}", "tokens": []} | fixed
        for k, u in enumerate(utterances)
    ]
    return compact({"text": "".join(f" {u.text}" for u in utterances), "segments": segments, "language": "en"})


def whisperx(utterances: list[Utterance]) -> str:
    """JSON of WhisperX with --diarize."""
    segments = []
    for u in utterances:
        words = [
            {"word": word, "start": start / 1000, "end": end / 1000, "score": SCORE, "speaker": u.label}
            for word, start, end in u.words()
        ]
        times = {"start": u.start / 1000, "end": u.end / 1000}
        segments.append(times | {"text": f" {u.text}", "words": words, "speaker": u.label})
    all_words = [word for segment in segments for word in segment["words"]]
    return compact({"segments": segments, "word_segments": all_words, "language": "en"})


def funasr(utterances: list[Utterance]) -> str:
    """What AutoModel.generate of FunASR returns, in milliseconds."""
    sentences = [
        {
            "text": u.text,
            "start": u.start,
            "end": u.end,
            "timestamp": [[a, b] for _, a, b in u.words()],
            "spk": u.number,
        }
        for u in utterances
    ]
    timestamps = [times for sentence in sentences for times in sentence["timestamp"]]
    text = " ".join(u.text for u in utterances)
    return compact([{"key": "conversation", "text": text, "timestamp": timestamps, "sentence_info": sentences}])


def pyannote(utterances: list[Utterance]) -> str:
    """What `serialize()` of pyannote 4 returns."""
    turns = [{"start": u.start / 1000, "end": u.end / 1000, "speaker": u.label} for u in utterances]
    return json.dumps({"diarization": turns, "exclusive_diarization": turns}, indent=2)


def rttm(utterances: list[Utterance]) -> str:
    """RTTM as pyannote writes it."""
    return "\n".join(
        f"SPEAKER conversation 1 {u.start / 1000:.3f} {(u.end - u.start) / 1000:.3f} <NA> <NA> {u.label} <NA> <NA>"
        for u in utterances
    )


def audacity(utterances: list[Utterance]) -> str:
    """Labels as Audacity exports them."""
    return "\n".join(f"{u.start / 1000:.6f}\t{u.end / 1000:.6f}\t{u.speaker}: {u.text}" for u in utterances)


def textgrid(utterances: list[Utterance]) -> str:
    """Praat's long form: a tier for each speaker, without gaps."""
    last = (utterances[-1].end + PAUSES_MS[0]) / 1000
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0 ", f"xmax = {last} ", "tiers? <exists> ", f"size = {len(SPEAKERS)} ", "item []: "]
    for number, speaker in enumerate(SPEAKERS, start=1):
        own = [(u.start / 1000, u.end / 1000, u.text.replace('"', '""')) for u in utterances if u.speaker == speaker]
        silences = [(a[1], b[0], "") for a, b in pairwise([(0, 0), *own, (last, last)]) if a[1] < b[0]]
        intervals = sorted(own + silences)
        lines += [f"    item [{number}]:", '        class = "IntervalTier" ', f'        name = "{speaker}" ']
        lines += ["        xmin = 0 ", f"        xmax = {last} ", f"        intervals: size = {len(intervals)} "]
        for place, (start, end, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {start} ", f"            xmax = {end} "]
            lines += [f'            text = "{text}" ']
    return "\n".join(lines)


def eaf(utterances: list[Utterance]) -> str:
    """ELAN's XML: a tier for each speaker."""
    slots = enumerate((time for u in utterances for time in (u.start, u.end)), start=1)
    root = {
        "AUTHOR": "",
        "DATE": "2026-01-01T00:00:00+00:00",
        "FORMAT": "3.0",
        "VERSION": "3.0",
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
    }
    attributes = " ".join(f'{name}="{value}"' for name, value in root.items())
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<ANNOTATION_DOCUMENT {attributes}>",
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        '        <MEDIA_DESCRIPTOR MEDIA_URL="" MIME_TYPE="audio/flac" RELATIVE_MEDIA_URL="./conversation.flac"/>',
        f'        <PROPERTY NAME="lastUsedAnnotationId">{len(utterances)}</PROPERTY>',
        "    </HEADER>",
        "    <TIME_ORDER>",
        *(f'        <TIME_SLOT TIME_SLOT_ID="ts{number}" TIME_VALUE="{time}"/>' for number, time in slots),
        "    </TIME_ORDER>",
    ]
    for speaker in SPEAKERS:
        lines.append(f'    <TIER LINGUISTIC_TYPE_REF="default-lt" PARTICIPANT="{speaker}" TIER_ID="{speaker.lower()}">')
        for number, u in enumerate(utterances, start=1):
            if u.speaker == speaker:
                ends = f'TIME_SLOT_REF1="ts{2 * number - 1}" TIME_SLOT_REF2="ts{2 * number}"'
                lines += [
                    "        <ANNOTATION>",
                    f'            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" {ends}>',
                    f"                <ANNOTATION_VALUE>{escape(u.text)}</ANNOTATION_VALUE>",
                    "            </ALIGNABLE_ANNOTATION>",
                    "        </ANNOTATION>",
                ]
        lines.append("    </TIER>")
    lines += [
        '    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>',
        "</ANNOTATION_DOCUMENT>",
    ]
    return "\n".join(lines)


FORMS = {
    ".vtt": vtt,
    ".srt": srt,
    ".whisper.json": whisper,
    ".whisperx.json": whisperx,
    ".funasr.json": funasr,
    ".pyannote.json": pyannote,
    ".rttm": rttm,
    ".audacity.txt": audacity,
    ".TextGrid": textgrid,
    ".eaf": eaf,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
