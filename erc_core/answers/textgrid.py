"""predictions.TextGrid, for Praat and ELAN: of each speaker a tier of texts and a tier of emotions.

Intervals of a tier cannot overlap. An utterance that its speaker's next one overlaps ends where that begins; such as begin within
the same millisecond share an interval. Nothing is left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from erc_core.answers.answered import Answered, Utterance
from erc_core.answers.subtitles import emotion_in_brackets
from erc_core.run.atomic import write_text

NOBODY = "speaker unknown"
Interval = tuple[int, int, str]  # start and end in ms, text


def write_textgrid(answered: Answered, path: Path) -> None:
    """Write the long form, in UTF-8. Times are rounded to milliseconds."""
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in answered.timed:
        by_speaker.setdefault(utterance.speaker or NOBODY, []).append(utterance)
    end = max((max(_ms(one.end), _ms(one.start) + 1) for one in answered.timed), default=1)
    tiers: dict[str, list[Interval]] = {}
    for speaker, utterances in by_speaker.items():
        tiers[_unused(speaker, tiers)] = list(_intervals(utterances, [one.text or "" for one in utterances], end))
        emotions = [emotion_in_brackets(one)[1:-1] for one in utterances]
        tiers[_unused(f"{speaker} emotion", tiers)] = list(_intervals(utterances, emotions, end))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += ["xmin = 0", f"xmax = {_seconds(end)}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {_seconds(end)}", f"        intervals: size = {len(intervals)}"]
        for place, (start, stop, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {_seconds(start)}"]
            lines += [f"            xmax = {_seconds(stop)}", f"            text = {_quoted(text)}"]
    write_text(path, "\n".join(lines) + "\n")


def _intervals(utterances: Sequence[Utterance], texts: Sequence[str], end: int) -> Iterator[Interval]:
    """Yield intervals that fill a tier, those of one speaker's utterances by their start, silence between them."""
    starts: dict[int, tuple[int, list[str]]] = {}
    for utterance, text in zip(utterances, texts, strict=True):
        start = _ms(utterance.start)
        stop, together = starts.get(start, (start + 1, []))
        starts[start] = (max(stop, _ms(utterance.end)), [*together, text])
    reached = 0
    for (start, (stop, together)), following in zip(starts.items(), [*list(starts)[1:], end], strict=True):
        if reached < start:
            yield reached, start, ""
        reached = min(stop, following)
        yield start, reached, " / ".join(filter(None, together))
    if reached < end:
        yield reached, end, ""


def _unused(name: str, taken: dict[str, list[Interval]]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name} {number}"
    return free


def _ms(seconds: float | None) -> int:
    return round((seconds or 0) * 1000)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
