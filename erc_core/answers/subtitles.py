"""WebVTT and SRT with speaker and emotion, for any video player. Only utterances with usable times are in them, by their start."""

from html import escape
from pathlib import Path

from erc_core.answers.answered import Answered, Utterance, percent
from erc_core.run.atomic import write_text

# SRT knows no escapes, and players take what stands in <> or {} for styles: there its characters are others of their look
_SRT = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})


def emotion_in_brackets(utterance: Utterance) -> str:
    """Return an answer as it stands before a text: [joy 93%], [joy? 41%] where it is uncertain, [no answer]."""
    if utterance.emotion is None or utterance.confidence is None:
        return "[no answer]"
    return f"[{utterance.emotion}{'?' if utterance.is_uncertain else ''} {percent(utterance.confidence)}]"


def write_vtt(answered: Answered, path: Path) -> None:
    """Write WebVTT; a cue's identifier is the number of its utterance, and a voice tag tells the speaker."""
    cues = ["WEBVTT\n"]
    for utterance in answered.timed:
        voice = f"<v {escape(utterance.speaker, quote=False)}>" if utterance.speaker else ""
        line = f"{emotion_in_brackets(utterance)} {utterance.text or ''}".rstrip()
        cues.append(f"{utterance.number}\n{_stretch(utterance, '.')}\n{voice}{escape(line, quote=False)}\n")
    write_text(path, "\n".join(cues))


def write_srt(answered: Answered, path: Path) -> None:
    """Write SRT, which has no voices: `Anna [joy 93%]: text`."""
    cues = []
    for number, utterance in enumerate(answered.timed, start=1):
        head = " ".join(filter(None, (utterance.speaker, emotion_in_brackets(utterance))))
        line = f"{head}: {utterance.text}" if utterance.text else head
        cues.append(f"{number}\n{_stretch(utterance, ',')}\n{line.translate(_SRT)}\n")
    write_text(path, "\n".join(cues))


def _stretch(utterance: Utterance, point: str) -> str:
    start = round((utterance.start or 0) * 1000)
    end = max(round((utterance.end or 0) * 1000), start + 1)
    return f"{_clock(start, point)} --> {_clock(end, point)}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{milliseconds:03d}"
