"""The checks of a corpus: leaks between splits, classes, and utterances that hold nothing. None is fatal here."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

from erc_core.report.card.source import CardSource
from erc_core.report.page.clean import shorten
from erc_core.report.page.formats import count, percent, plural
from erc_core.store.utterances import SPLITS, stand_alone

NAMES_SHOWN = 10
# of a score over so few speakers, 95% bootstrap intervals that resample them hold the truth in 51% (2), 80% (4), 90% (10)
FEW_SPEAKERS = 10
NAME_WIDTH = 60  # characters of a name that comes from the corpus
REPEATED = 0.25  # share of a split whose texts are in train: of MELD's test split, full of short words, it is less
COMMON = 0.9  # share of utterances from which texts that occur with every emotion say that text tells nothing
SMALL_CLASS = 10  # utterances in train
FEW_SILENT = 0.05  # share of a split; of MELD as published it is 0.1%, of an archive unpacked in part far more
FEWEST_SILENT = 5  # utterances: in a small corpus a single clip is more than the share
# The script of a dialogue of IEMOCAP: script01_1 of Ses01F_script01_1, and of Ses05M_script01_1b, a second take
SCRIPT = r"^Ses\d\d[FM]_(script\d\d_\d)"


class Outcome(NamedTuple):
    """What came of a check, in a word and in words; a warning is a line that a reader of scores has to know."""

    result: Literal["pass", "fail", "warning", "information", "not applicable"]
    words: str
    warnings: tuple[str, ...] = ()


class Duplicates(NamedTuple):
    """Utterances of different splits with the same content, in the order of the corpus; the text is that of the first."""

    kind: Literal["text and audio", "audio only"]
    ids: list[str]
    splits: list[str]
    text: str


@dataclass(frozen=True)
class CheckResults:
    """All checks, by what should hold, and the groups of duplicates between splits."""

    outcomes: dict[str, Outcome]
    duplicates: list[Duplicates]

    @property
    def warnings(self) -> list[str]:
        """One line for each warning, in the order of the checks."""
        return [warning for outcome in self.outcomes.values() for warning in outcome.warnings]


def run_checks(source: CardSource) -> CheckResults:
    """Check a corpus."""
    table, ingest = source.utterances, source.ingest
    pairs = _groups(table, ["text_hash", "audio_hash"], "text and audio")
    same_audio = _groups(table, ["audio_hash"], "audio only")
    paired = {utterance_id for group in pairs for utterance_id in group.ids}
    audio_only = [group for group in same_audio if not paired.issuperset(group.ids)]
    outcomes = {
        "No dialogue is in two splits": _dialogues(table),
        "Speakers in more than one split": _speakers(table, ingest),
        f"The test split has {FEW_SPEAKERS} speakers or more": _test_speakers(table, ingest),
        "No text-and-audio pair is in two splits": _pairs(table, pairs),
        "No audio is in two splits, whatever its text": _same_audio(table, same_audio, audio_only),
    }
    if ingest.get("format") == "iemocap":
        outcomes["No sentence of a script is both in train and in test or dev"] = _scripts(table)
    outcomes |= {
        "Utterances without audio whose text is also in another split": _texts_without_audio(table),
        "Utterances of dev and test whose text is also in train": _texts_of_train(table),
        "Texts that occur with every emotion": _texts_of_all_emotions(table),
        "Every class is in every split": _classes_in_splits(table),
        f"Every class of train has {SMALL_CLASS} utterances or more": _small_classes(table),
        "Every utterance has text or audio": _content(table),
        f"In every split all but {FEW_SILENT:.0%} of the utterances have audio that can be used": _audio(table),
    }
    return CheckResults(outcomes, pairs + audio_only)


def names_in_words(names: list[str]) -> str:
    """Return names from the corpus as a list of at most ten, and how many more there are."""
    shown = ", ".join(shorten(name, NAME_WIDTH) for name in names[:NAMES_SHOWN])
    hidden = len(names) - NAMES_SHOWN
    return shown if hidden <= 0 else f"{shown} and {count(hidden)} more"


def _of(table: pl.DataFrame, *splits: str) -> pl.DataFrame:
    return table.filter(pl.col("split").is_in(splits))


def _in_several_splits(table: pl.DataFrame, column: str) -> list[str]:
    spread = table.drop_nulls(column).group_by(column).agg(pl.col("split").n_unique())
    return spread.filter(pl.col("split") > 1)[column].sort().to_list()


def _dialogues(table: pl.DataFrame) -> Outcome:
    spread = _in_several_splits(table, "dialogue_id")
    if not spread:
        if stand_alone(table):
            return Outcome("not applicable", "the corpus names no dialogues: every utterance stands alone")
        return Outcome("pass", f"each of {plural(table['dialogue_id'].n_unique(), 'dialogue')} is in one split")
    words = f"{plural(len(spread), 'dialogue')} in more than one split: {names_in_words(spread)}"
    return Outcome("fail", words, (words,))


def _speakers(table: pl.DataFrame, ingest: dict[str, Any]) -> Outcome:
    known = table["speaker"].drop_nulls().n_unique()
    if not known:
        return Outcome("not applicable", "the corpus names no speakers")
    spread = _in_several_splits(table, "speaker")
    if not spread:
        return Outcome("pass", f"none of {plural(known, 'speaker')}")
    words = f"{count(len(spread))} of {plural(known, 'speaker')}: {names_in_words(spread)}"
    in_test = [name for name in spread if name in _of(table, "test")["speaker"]]
    if ingest.get("split_by") == "speaker":
        warning = f"the split should be by speaker, but has in more than one split {words}"
        return Outcome("fail", f"{words}; the split should be by speaker", (warning,))
    if in_test and ingest.get("format") == "iemocap":
        should = "the speakers of the test session should be new"
        warning = f"{should}, but these are also in train or dev: {names_in_words(in_test)}"
        return Outcome("fail", f"{words}; {should}", (warning,))
    what = "None of them is in test: scores are about new speakers, the choice of the epoch is not."
    if in_test:
        what = (
            "The split is not by speaker, as in MELD: scores are about speakers that training or validation has heard."
        )
    return Outcome("information", f"{words}. {what}")


def _test_speakers(table: pl.DataFrame, ingest: dict[str, Any]) -> Outcome:
    """Count the speakers of a test split that is made of whole speakers: they are what its scores are a sample of."""
    n = _of(table, "test")["speaker"].drop_nulls().n_unique()
    if not n:
        return Outcome("not applicable", "the corpus names no speakers there")
    by_speaker = ingest.get("split_by") == "speaker" or stand_alone(table)
    if not by_speaker or _in_several_splits(_of(table, "train", "test"), "speaker"):
        return Outcome("not applicable", f"{plural(n, 'speaker')}, and the split is not by speaker")
    if n >= FEW_SPEAKERS:
        return Outcome("pass", plural(n, "speaker"))
    words = f"the test split has {plural(n, 'speaker')}, none of them in train"
    told = "scores depend much on who speaks there, and intervals over so few are too narrow, or not given"
    return Outcome("warning", words, (f"{words}: {told}",))


def _groups(table: pl.DataFrame, by: list[str], kind: Literal["text and audio", "audio only"]) -> list[Duplicates]:
    """Return the groups of utterances that are equal in `by` and lie in more than one split, in order of the corpus."""
    rows = (
        table.drop_nulls(by)
        .group_by(by, maintain_order=True)
        .agg("utterance_id", pl.col("split").cast(pl.String), pl.col("text").first().fill_null(""))
        .filter(pl.col("split").list.n_unique() > 1)
        .select("utterance_id", "split", "text")
    )
    return [Duplicates(kind, *row) for row in rows.iter_rows()]


def _in_splits(groups: list[Duplicates], noun: str) -> str:
    utterances = plural(sum(len(group.ids) for group in groups), "utterance")
    return f"{plural(len(groups), noun)} in more than one split ({utterances})"


def _pairs(table: pl.DataFrame, pairs: list[Duplicates]) -> Outcome:
    n = len(table.drop_nulls(["text_hash", "audio_hash"]))
    if not n:
        return Outcome("not applicable", "no utterance has both text and audio")
    if not pairs:
        return Outcome("pass", f"{plural(n, 'pair')} compared by content: normalised text and decoded samples")
    words = _in_splits(pairs, "text-and-audio pair")
    return Outcome("fail", words, (f"{words}; the first: {names_in_words(pairs[0].ids)}",))


def _same_audio(table: pl.DataFrame, groups: list[Duplicates], other: list[Duplicates]) -> Outcome:
    """Judge the groups of the same audio; `other` are those of them with different texts."""
    n = table["audio_hash"].count()
    if not n:
        return Outcome("not applicable", "no utterance has audio")
    if not groups:
        return Outcome("pass", f"{plural(n, 'clip')} compared by their decoded samples")
    words = _in_splits(groups, "recording")
    if not other:
        return Outcome("fail", f"{words}, all with the same text")
    words += f", {count(len(other))} of them with different texts"
    return Outcome("fail", words, (f"{words}; the first: {names_in_words(other[0].ids)}",))


def _scripts(table: pl.DataFrame) -> Outcome:
    """Look for sentences that were read from the same script in train and elsewhere, be it by other actors."""
    scripted = table.with_columns(script=pl.col("dialogue_id").str.extract(SCRIPT)).drop_nulls(["script", "text_hash"])
    others = _of(scripted, "test", "dev")
    if others.is_empty():
        return Outcome("not applicable", "no utterance of test or dev is of a scripted dialogue")
    repeated = others.join(_of(scripted, "train"), on=["script", "text_hash"], how="semi")
    if repeated.is_empty():
        return Outcome("pass", f"{plural(len(others), 'utterance')} of scripted dialogues compared within their script")
    shares = []
    for split in ("test", "dev"):
        n, total = len(_of(repeated, split)), len(_of(table, split))
        shares.append(f"{count(n)} of {plural(total, 'utterance')} of {split} ({percent(n / max(1, total))})")
    scripts = names_in_words(repeated["script"].unique().sort().to_list())
    words = f"{' and '.join(shares)} have the text of an utterance of train from the same script: {scripts}"
    return Outcome("warning", words, (f"{words}; scores on them are not about new sentences",))


def _texts_without_audio(table: pl.DataFrame) -> Outcome:
    silent = table.filter(pl.col("audio_hash").is_null()).drop_nulls("text_hash")
    if silent.is_empty():
        return Outcome("not applicable", "no utterance has text without audio")
    n = len(silent.filter(pl.col("text_hash").is_in(_in_several_splits(table, "text_hash"))))
    words = f"{count(n)} of {plural(len(silent), 'utterance')}, compared by text only"
    return Outcome("information", words + ("; short texts repeat in conversation" if n else ""))


def _texts_of_train(table: pl.DataFrame) -> Outcome:
    """Count the normalised texts, whatever their audio: much of a split may be sentences that training has seen."""
    if not table["text_hash"].count():
        return Outcome("not applicable", "no utterance has text")
    seen = _of(table, "train")["text_hash"].drop_nulls().unique().implode()
    words, most = [], 0.0
    for split in ("dev", "test"):
        texts = _of(table, split)["text_hash"].drop_nulls()
        n = int(texts.is_in(seen).sum())
        most = max(most, n / max(1, len(texts)))
        words.append(f"{count(n)} of {plural(len(texts), 'utterance')} of {split} ({percent(n / max(1, len(texts)))})")
    told = " and ".join(words)
    if most <= REPEATED:
        return Outcome("information" if most else "pass", told)
    return Outcome("warning", told, (f"{told} have a text that is also in train: scores are not about new sentences",))


def _texts_of_all_emotions(table: pl.DataFrame) -> Outcome:
    """Look for texts from which no emotion can be told, as in corpora in which actors read the same sentences."""
    texts = table.drop_nulls("text_hash")
    n_emotions = table["emotion"].n_unique()
    if texts.is_empty() or n_emotions < 2:
        return Outcome("not applicable", "no utterance has text" if texts.is_empty() else "there is one emotion")
    by_text = texts.group_by("text_hash").agg(
        pl.len(), kinds=pl.col("emotion").n_unique(), most=pl.col("emotion").unique_counts().max()
    )
    common = by_text.filter(pl.col("kinds") == n_emotions)
    n = int(common["len"].sum())
    words = f"{plural(len(common), 'text')}, of {count(n)} of {plural(len(texts), 'utterance')}"
    if n < COMMON * len(texts):
        return Outcome("information" if n else "pass", words)
    most = texts.group_by("emotion").len()["len"]
    guessed, usual = (float(right.to_numpy().sum()) / len(texts) for right in (by_text["most"], most.sort().tail(1)))
    warning = (
        f"text tells little or nothing about the emotion: {words}, each occur with every one of {count(n_emotions)} emotions. "
        f"Guessing the most frequent emotion of each text is right in {percent(guessed)}, the most frequent of all in {percent(usual)}"
    )
    return Outcome("warning", words, (warning,))


def _classes_in_splits(table: pl.DataFrame) -> Outcome:
    labels = set(table["emotion"])
    warnings = []
    for split in SPLITS:
        absent = sorted(labels - set(_of(table, split)["emotion"]))
        if absent:
            what, they = ("class", "it") if len(absent) == 1 else ("classes", "they")
            effect = f": {they} cannot be learned" if split == "train" else ""
            warnings.append(f"{count(len(absent))} {what} missing from {split}: {names_in_words(absent)}{effect}")
    if warnings:
        return Outcome("warning", "; ".join(warnings), tuple(warnings))
    return Outcome("pass", "1 class" if len(labels) == 1 else f"all of {count(len(labels))} classes")


def _small_classes(table: pl.DataFrame) -> Outcome:
    counts = _of(table, "train").group_by("emotion").len().sort("len", "emotion")
    if counts.is_empty():
        return Outcome("not applicable", "train has no utterances")
    small = counts.filter(pl.col("len") < SMALL_CLASS)
    if small.is_empty():
        return Outcome("pass", f"the smallest has {count(int(counts['len'][0]))}")
    listed = names_in_words([f"{shorten(label, NAME_WIDTH - 4)} ({n})" for label, n in small.iter_rows()])
    words = f"{count(len(small))} of {count(len(counts))} have fewer: {listed}"
    return Outcome("warning", words, (f"classes with fewer than {SMALL_CLASS} utterances in train: {listed}",))


def _content(table: pl.DataFrame) -> Outcome:
    empty = table.filter(pl.col("text_hash").is_null() & pl.col("audio_hash").is_null())["utterance_id"].to_list()
    text, audio = (table[column].count() for column in ("text_hash", "audio_hash"))
    if not empty:
        return Outcome("pass", f"{count(text)} of {count(len(table))} have text, {count(audio)} have audio")
    words = f"{plural(len(empty), 'utterance')} with neither text nor audio: {names_in_words(empty)}"
    return Outcome("fail", words, (words,))


def _audio(table: pl.DataFrame) -> Outcome:
    n = table["audio_hash"].count()
    if not n:
        return Outcome("not applicable", f"none of {plural(len(table), 'utterance')} has any: only text can be learned")
    silent = [
        f"{count(audio.null_count())} of {plural(len(audio), 'utterance')} of {split}"
        for split in SPLITS
        for audio in [_of(table, split)["audio_hash"]]
        if audio.null_count() > max(FEW_SILENT * len(audio), FEWEST_SILENT)
    ]
    if not silent:
        return Outcome("pass", f"{count(n)} of {count(len(table))} have it")
    words = f"no audio in {', '.join(silent)}"
    return Outcome("warning", words, (f"{words}; if they should have, look at the raw folder",))
