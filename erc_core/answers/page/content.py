"""Makes of an answered conversation what the page shows."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from erc_core.answers.answered import Answered, Utterance, percent
from erc_core.answers.page import words
from erc_core.answers.page.curve import LEAST, area_paths, smoothed, width_of
from erc_core.answers.page.palette import colours_of, ink_on
from erc_core.answers.page.parts import Bar, Content, Emotion, Lane, Mark, Row, Timeline
from erc_core.answers.page.sound import Sounds
from erc_core.report.page.clean import shorten
from erc_core.report.page.formats import plural

LOW_CONFIDENCE = 0.5  # where no minimum was asked: below it, the other emotions together are likelier
BARS = 3  # of an utterance; the others stand together, and the tables have all
LEAST_BAR = 0.01
LEAST_REST = 0.1
SHOWN = 8  # emotions in the curves
LANES = 8  # speakers with a lane of their own
NAME_LENGTH = 60  # characters of a speaker's or an emotion's name
NOBODY = "speaker unknown"
NO_ANSWER = "no answer"
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)  # s between ticks


def content_of(answered: Answered, sounds: Sounds) -> Content:
    """Gather what the page shows."""
    return _Builder(answered, sounds).content()


class _Builder:
    def __init__(self, answered: Answered, sounds: Sounds) -> None:
        self.answered, self.sounds = answered, sounds
        self.places = {label: place for place, label in enumerate(answered.labels)}
        self.names = [shorten(label, NAME_LENGTH) for label in answered.labels]
        self.speakers = list(dict.fromkeys(one.speaker or NOBODY for one in answered.utterances))
        self.least = LOW_CONFIDENCE if answered.min_confidence is None else answered.min_confidence

    def content(self) -> Content:
        answered, utterances = self.answered, self.answered.utterances
        rows = [self._row(one) for one in utterances]
        counts = Counter(one.emotion for one in utterances if one.emotion is not None)
        colours = colours_of(answered.labels)
        shown = sorted(counts, key=lambda label: (-counts[label], self.places[label]))
        drawn = {place for lane in (self._timeline.lanes if self._timeline else []) for place, _ in lane.areas}
        drawn |= {bar.place for row in rows for bar in row.bars if bar.place is not None}
        shown += [label for label in answered.labels if label not in counts and self.places[label] in drawn]
        recording = self.sounds.sources[0] if answered.recording is not None else None
        return Content(
            title=shorten(answered.title, 200) or "Conversation",
            model_name=shorten(str(answered.model.get("name") or answered.model.get("dataset") or "model"), 100),
            model=words.model_in_words(answered.model),
            fingerprint=str(answered.model.get("fingerprint") or ""),
            is_synthetic=bool(answered.model.get("synthetic")),
            facts=self._facts(),
            emotions=[
                Emotion(
                    self.places[label],
                    self.names[self.places[label]],
                    colours[label],
                    ink_on(colours[label]),
                    counts[label],
                )
                for label in shown
            ],
            speakers=[shorten(speaker, NAME_LENGTH) for speaker in self.speakers],
            n_unsure=sum(row.is_unsure for row in rows),
            unsure_means=self._unsure_means(),
            n_unanswered=sum(row.place is None for row in rows),
            rows=rows,
            timeline=self._timeline,
            recording=recording.url if recording and recording.is_played else None,
            urls=[source.url for source in self.sounds.sources] if recording is None else [],
            is_playable=any(row.source is not None for row in rows),
            sound_note=self._sound_note(),
        )

    def _facts(self) -> str:
        utterances = self.answered.utterances
        known = [speaker for speaker in self.speakers if speaker != NOBODY]
        facts = plural(len(utterances), "utterance")
        if known:
            facts += f" by {plural(len(known), 'speaker')}"
        return facts + (f" in {words.length_in_words(self._seconds)}" if self.answered.timed else "")

    def _unsure_means(self) -> str:
        if self.answered.min_confidence is not None:
            return (
                f"the answer's probability is below {self.answered.min_confidence:.0%}, the minimum that was asked for"
            )
        return "the answer's probability is below 50%, so that the other emotions together are likelier"

    def _sound_note(self) -> str:
        sources = self.sounds.sources
        if unplayed := [source for source in sources if not source.is_played]:
            name = shorten(unplayed[0].name, NAME_LENGTH)
            which = (
                name if len(sources) == 1 else f"{name} and {len(unplayed) - 1:,} more" if len(unplayed) > 1 else name
            )
            if self.sounds.embed:
                return f"{which} could not be read, and cannot be played here."
            return f"Browsers do not play files like {which}. With --embed-audio, the page holds their sound in a form that they do."
        return "" if sources else "There is no sound to this conversation."

    def _is_unsure(self, one: Utterance) -> bool:
        return one.confidence is not None and one.confidence < self.least

    def _row(self, one: Utterance) -> Row:
        answered = one.emotion is not None and one.confidence is not None
        tags = [] if answered else [NO_ANSWER]
        tags += ["uncertain"] if self._is_unsure(one) else []
        status = words.status_in_words(one.status)
        place = self.places.get(one.emotion) if one.emotion is not None else None
        return Row(
            number=one.number,
            clock=words.clock(one.start) if one.start is not None and one.start >= 0 else None,
            stretch=f"{one.start:.3f},{one.end:.3f}" if one.has_times else None,
            source=self.sounds.source_of(one),
            speaker=shorten(one.speaker, NAME_LENGTH) if one.speaker else None,
            speaker_place=self.speakers.index(one.speaker or NOBODY),
            place=place,
            emotion=NO_ANSWER if place is None else self.names[place],
            text=one.text,
            bars=self._bars(one),
            is_unsure=self._is_unsure(one),
            tags=tags,
            note=": ".join(filter(None, (status, shorten(one.detail, 400)))),
        )

    def _bars(self, one: Utterance) -> list[Bar]:
        ranked = sorted((one.probabilities or {}).items(), key=lambda pair: -pair[1])
        shown = [(label, p) for label, p in ranked if p >= LEAST_BAR][:BARS]
        bars = [
            Bar(self.places[label], self.names[self.places[label]], percent(p), round(100 * p, 1)) for label, p in shown
        ]
        others, rest = len(ranked) - len(shown), 1 - sum(p for _, p in shown)
        if shown and others and rest >= LEAST_REST:
            bars.append(Bar(None, f"{others:,} other{'s' if others > 1 else ''}", percent(rest), round(100 * rest, 1)))
        return bars

    @cached_property
    def _seconds(self) -> float:
        """The length of the time line: as far as utterances go that lie in the recording."""
        timed = self.answered.timed
        inside = [one for one in timed if one.status != "outside"] or timed
        return max(one.end or 0 for one in inside)

    @cached_property
    def _timeline(self) -> Timeline | None:
        timed = self.answered.timed
        if not timed:
            return None
        seconds = self._seconds
        by_speaker: dict[str, list[Utterance]] = {speaker: [] for speaker in self.speakers}
        for one in timed:
            if (one.start or 0) < seconds:
                by_speaker[one.speaker or NOBODY].append(one)
        by_speaker = {speaker: utterances for speaker, utterances in by_speaker.items() if utterances}
        if len(by_speaker) > LANES:
            most = sorted(by_speaker, key=lambda speaker: -len(by_speaker[speaker]))[: LANES - 1]
            others = [one for speaker, utterances in by_speaker.items() if speaker not in most for one in utterances]
            name = f"{len(by_speaker) - len(most):,} other speakers"
            by_speaker = {speaker: by_speaker[speaker] for speaker in by_speaker if speaker in most}
            by_speaker[name] = others
        step = next((step for step in STEPS if seconds / step <= 8), STEPS[-1])
        ticks = [(100 * at / seconds, words.clock(at)) for at in range(0, int(seconds) + 1, step)][:200]
        width = max(width_of(_middles(utterances), seconds) for utterances in by_speaker.values())
        lanes = [self._lane(speaker, utterances, seconds, width) for speaker, utterances in by_speaker.items()]
        smoothing = words.length_in_words(width) if any(lane.areas for lane in lanes) else ""
        return Timeline(seconds, ticks, lanes, smoothing)

    @cached_property
    def _often(self) -> list[int]:
        """The labels that the curves show, the most frequent first, the same for every speaker."""
        p_NC = np.array(
            [list(one.probabilities.values()) for one in self.answered.timed if one.probabilities], np.float64
        )
        order: list[int] = np.argsort(-np.nan_to_num(p_NC).sum(axis=0), kind="stable")[:SHOWN].tolist()
        return order

    def _lane(self, speaker: str, utterances: Sequence[Utterance], seconds: float, width: float) -> Lane:
        marks = [self._mark(one, seconds) for one in utterances]
        answered = [one for one in utterances if one.probabilities is not None]
        areas = []
        if len(answered) >= LEAST:
            p_NC = np.array([list((one.probabilities or {}).values()) for one in answered], np.float64)
            lengths = np.array([(one.end or 0) - (one.start or 0) for one in answered])
            areas = area_paths(smoothed(_middles(answered), lengths, np.nan_to_num(p_NC), seconds, width), self._often)
        counts = Counter(mark.name for mark in marks)
        often = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(3))
        return Lane(shorten(speaker, NAME_LENGTH), marks, areas, f"{plural(len(marks), 'utterance')}: {often}")

    def _mark(self, one: Utterance, seconds: float) -> Mark:
        start, end = one.start or 0.0, min(one.end or 0.0, seconds)
        place = self.places.get(one.emotion) if one.emotion is not None else None
        name = NO_ANSWER if place is None else self.names[place]
        chance = f" {percent(one.confidence)}" if one.confidence is not None else ""
        unsure = self._is_unsure(one)
        return Mark(
            number=one.number,
            left=round(100 * start / seconds, 3),
            width=round(100 * (end - start) / seconds, 3),
            place=place,
            name=name,
            is_unsure=unsure,
            says=f"{words.clock(start)} {name}{chance}{', uncertain' if unsure else ''}",
        )


def _middles(utterances: Sequence[Utterance]) -> NDArray[np.float64]:
    return np.array([((one.start or 0) + (one.end or 0)) / 2 for one in utterances])
