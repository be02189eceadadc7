"""The checks of a corpus: leaks between splits, classes, and utterances that hold nothing. None is fatal here."""

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from erc_core.report.card.source import CardSource
from erc_core.report.page.clean import shorten
from erc_core.report.page.formats import count, plural
from erc_core.store.utterances import SPLITS

NAMES_SHOWN = 10
NAME_WIDTH = 60  # characters of a name that comes from the corpus
SMALL_CLASS = 10  # utterances in train
FEW_SILENT = 0.05  # share of a split; of MELD as published it is 0.1%, of an archive unpacked in part far more
FEWEST_SILENT = 5  # utterances: in a small corpus a single clip is more than the share

Result = Literal["pass", "fail", "warning", "information", "not applicable"]


@dataclass(frozen=True)
class Check:
    """A check and what came of it.

    Attributes:
        name: What should hold.
        result: Whether it does.
        found: The result in words.
        warnings: One line for each thing that a reader of scores has to know.
    """

    name: str
    result: Result
    found: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Duplicates:
    """Utterances of different splits with the same content.

    Attributes:
        kind: What is the same.
        ids: The utterances, in the order of the corpus.
        splits: The split of each.
        text: The text of the first.
    """

    kind: Literal["text and audio", "audio only"]
    ids: list[str]
    splits: list[str]
    text: str


@dataclass(frozen=True)
class CheckResults:
    """All checks, and the groups of duplicates that they found."""

    checks: list[Check]
    duplicates: list[Duplicates] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """One line for each warning, in the order of the checks."""
        return [warning for check in self.checks for warning in check.warnings]


def run_checks(source: CardSource) -> CheckResults:
    """Check a corpus.

    Args:
        source: What is known about it.
    """
    table = source.utterances
    pairs = _groups(table.drop_nulls(["text_hash", "audio_hash"]), ["text_hash", "audio_hash"], "text and audio")
    same_audio = _groups(table.drop_nulls("audio_hash"), ["audio_hash"], "audio only")
    paired = {utterance_id for group in pairs for utterance_id in group.ids}
    audio_only = [group for group in same_audio if not paired.issuperset(group.ids)]
    checks = [
        _dialogues(table),
        _speakers(table, source.ingest),
        _pairs(table, pairs),
        _same_audio(table, same_audio, pairs),
        _texts_without_audio(table),
        _classes_in_splits(table),
        _small_classes(table),
        _content(table),
        _audio(table),
    ]
    return CheckResults(checks, pairs + audio_only)


def names_in_words(names: list[str]) -> str:
    """Return names from the corpus as a list of at most ten, and how many more there are."""
    shown = ", ".join(shorten(name, NAME_WIDTH) for name in names[:NAMES_SHOWN])
    hidden = len(names) - NAMES_SHOWN
    return shown if hidden <= 0 else f"{shown} and {count(hidden)} more"


def _in_several_splits(table: pl.DataFrame, column: str) -> list[str]:
    spread = table.drop_nulls(column).group_by(column).agg(pl.col("split").n_unique())
    return spread.filter(pl.col("split") > 1)[column].sort().to_list()


def _dialogues(table: pl.DataFrame) -> Check:
    name = "No dialogue is in two splits"
    found = _in_several_splits(table, "dialogue_id")
    if not found:
        return Check(name, "pass", f"each of {plural(table['dialogue_id'].n_unique(), 'dialogue')} is in one split")
    words = f"{plural(len(found), 'dialogue')} in more than one split: {names_in_words(found)}"
    return Check(name, "fail", words, (words,))


def _speakers(table: pl.DataFrame, ingest: dict[str, object]) -> Check:
    name = "Speakers in more than one split"
    known = table["speaker"].drop_nulls().n_unique()
    if not known:
        return Check(name, "not applicable", "the corpus names no speakers")
    found = _in_several_splits(table, "speaker")
    if not found:
        return Check(name, "pass", f"none of {plural(known, 'speaker')}")
    words = f"{count(len(found))} of {plural(known, 'speaker')}: {names_in_words(found)}"
    split = pl.col("split")
    test = set(table.filter(split == "test")["speaker"].drop_nulls())
    in_test = sorted(test & set(table.filter(split != "test")["speaker"].drop_nulls()))
    if ingest.get("split_by") == "speaker":
        warning = f"the split should be by speaker, but has in more than one split {words}"
        return Check(name, "fail", f"{words}; the split should be by speaker", (warning,))
    if in_test and ingest.get("format") == "iemocap":
        warning = f"the speakers of the test session should be new, but these are also in train or dev: {names_in_words(in_test)}"
        return Check(name, "fail", f"{words}; the speakers of the test session should be new", (warning,))
    if in_test:
        what = (
            "The split is not by speaker, as in MELD: scores are about speakers that training or validation has heard."
        )
    else:
        what = "None of them is in test: scores are about new speakers, the choice of the epoch is not."
    return Check(name, "information", f"{words}. {what}")


def _groups(table: pl.DataFrame, by: list[str], kind: Literal["text and audio", "audio only"]) -> list[Duplicates]:
    """Return the groups of utterances that are equal in `by` and lie in more than one split, in order of the corpus."""
    grouped = (
        table.group_by(by, maintain_order=True)
        .agg("utterance_id", pl.col("split").cast(pl.String), pl.col("text").first())
        .filter(pl.col("split").list.n_unique() > 1)
    )
    rows = grouped.select("utterance_id", "split", pl.col("text").fill_null(""))
    return [Duplicates(kind, ids, splits, text) for ids, splits, text in rows.iter_rows()]


def _pairs(table: pl.DataFrame, pairs: list[Duplicates]) -> Check:
    name = "No text-and-audio pair is in two splits"
    n = len(table.drop_nulls(["text_hash", "audio_hash"]))
    if not n:
        return Check(name, "not applicable", "no utterance has both text and audio")
    if not pairs:
        return Check(name, "pass", f"{plural(n, 'pair')} compared by content: normalised text and decoded samples")
    utterances = plural(sum(len(group.ids) for group in pairs), "utterance")
    words = f"{plural(len(pairs), 'text-and-audio pair')} in more than one split ({utterances})"
    return Check(name, "fail", words, (f"{words}; the first: {names_in_words(pairs[0].ids)}",))


def _same_audio(table: pl.DataFrame, groups: list[Duplicates], pairs: list[Duplicates]) -> Check:
    name = "No audio is in two splits, whatever its text"
    n = len(table.drop_nulls("audio_hash"))
    if not n:
        return Check(name, "not applicable", "no utterance has audio")
    if not groups:
        return Check(name, "pass", f"{plural(n, 'clip')} compared by their decoded samples")
    paired = {utterance_id for group in pairs for utterance_id in group.ids}
    other = [group for group in groups if not paired.issuperset(group.ids)]
    utterances = plural(sum(len(group.ids) for group in groups), "utterance")
    words = f"{plural(len(groups), 'recording')} in more than one split ({utterances})"
    if not other:
        return Check(name, "fail", f"{words}, all with the same text")
    words += f", {count(len(other))} of them with different texts"
    return Check(name, "fail", words, (f"{words}; the first: {names_in_words(other[0].ids)}",))


def _texts_without_audio(table: pl.DataFrame) -> Check:
    name = "Utterances without audio whose text is also in another split"
    silent = table.filter(pl.col("audio_hash").is_null()).drop_nulls("text_hash")
    if silent.is_empty():
        return Check(name, "not applicable", "no utterance has text without audio")
    shared = _in_several_splits(table, "text_hash")
    n = len(silent.filter(pl.col("text_hash").is_in(shared)))
    words = f"{count(n)} of {plural(len(silent), 'utterance')}, compared by text only"
    return Check(name, "information", words + ("; short texts repeat in conversation" if n else ""))


def _classes_in_splits(table: pl.DataFrame) -> Check:
    name = "Every class is in every split"
    labels = set(table["emotion"])
    warnings = []
    for split in SPLITS:
        absent = sorted(labels - set(table.filter(pl.col("split") == split)["emotion"]))
        if absent:
            effect = ": it cannot be learned" if len(absent) == 1 else ": they cannot be learned"
            what = "class" if len(absent) == 1 else "classes"
            warnings.append(
                f"{count(len(absent))} {what} missing from {split}: {names_in_words(absent)}"
                + (effect if split == "train" else "")
            )
    if warnings:
        return Check(name, "warning", "; ".join(warnings), tuple(warnings))
    return Check(name, "pass", "1 class" if len(labels) == 1 else f"all of {count(len(labels))} classes")


def _small_classes(table: pl.DataFrame) -> Check:
    name = f"Every class of train has {SMALL_CLASS} utterances or more"
    train = table.filter(pl.col("split") == "train")
    counts = train.group_by("emotion").len().sort("len", "emotion")
    small = counts.filter(pl.col("len") < SMALL_CLASS)
    if counts.is_empty():
        return Check(name, "not applicable", "train has no utterances")
    if small.is_empty():
        return Check(name, "pass", f"the smallest has {count(int(counts['len'][0]))}")
    listed = names_in_words([f"{shorten(label, NAME_WIDTH - 4)} ({n})" for label, n in small.iter_rows()])
    words = f"{count(len(small))} of {count(len(counts))} have fewer: {listed}"
    return Check(name, "warning", words, (f"classes with fewer than {SMALL_CLASS} utterances in train: {listed}",))


def _content(table: pl.DataFrame) -> Check:
    name = "Every utterance has text or audio"
    empty = table.filter(pl.col("text_hash").is_null() & pl.col("audio_hash").is_null())["utterance_id"].to_list()
    text, audio = (table[column].count() for column in ("text_hash", "audio_hash"))
    if not empty:
        return Check(name, "pass", f"{count(text)} of {count(len(table))} have text, {count(audio)} have audio")
    words = f"{plural(len(empty), 'utterance')} with neither text nor audio: {names_in_words(empty)}"
    return Check(name, "fail", words, (words,))


def _audio(table: pl.DataFrame) -> Check:
    name = f"In every split all but {FEW_SILENT:.0%} of the utterances have audio that can be used"
    n = table["audio_hash"].count()
    if not n:
        return Check(
            name, "not applicable", f"none of {plural(len(table), 'utterance')} has any: only text can be learned"
        )
    parts = [(split, table.filter(pl.col("split") == split)["audio_hash"]) for split in SPLITS]
    silent = [
        f"{count(audio.null_count())} of {plural(len(audio), 'utterance')} of {split}"
        for split, audio in parts
        if audio.null_count() > max(FEW_SILENT * len(audio), FEWEST_SILENT)
    ]
    if not silent:
        return Check(name, "pass", f"{count(n)} of {count(len(table))} have it")
    words = f"no audio in {', '.join(silent)}"
    return Check(name, "warning", words, (f"{words}; if they should have, look at the raw folder",))
