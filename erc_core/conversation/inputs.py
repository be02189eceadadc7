"""What a command line names, as a conversation: a table, a recording with its transcript, a transcript, clips."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from erc_core.conversation.segments import COLUMNS, Conversation
from erc_core.conversation.transcripts.read import read_transcript
from erc_core.conversation.transcripts.speakers import assign_speakers, read_speakers
from erc_core.corpora.table.columns import plain
from erc_core.corpora.table.file import SUFFIXES as TABLES
from erc_core.corpora.table.file import read_file
from erc_core.corpora.table.issues import HEADER_ROW, Findings, listed
from erc_core.corpora.text_repair import decode, mend
from erc_core.errors import ErcError
from erc_core.store.tables import unguarded

AUDIO = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma", ".amr", ".caf",
    ".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".3gp",
)  # fmt: skip
# in the order in which they are looked for beside a recording
TRANSCRIPTS = (".json", ".vtt", ".srt", ".TextGrid", ".eaf")
TURNS = (".rttm",)
READ = (
    f"a recording ({', '.join(AUDIO[:5])}, ...) with its transcript ({', '.join(TRANSCRIPTS)}), a table "
    f"({', '.join(TABLES)}), or a folder of clips"
)
LONGEST_TEXT = 2**20  # bytes of a .txt beside a clip


@dataclass(frozen=True)
class Inputs:
    """A conversation, and what it came from."""

    conversation: Conversation
    title: str  # for people
    recording: Path | None  # the only one, of which utterances are stretches
    notes: list[str]  # what was chosen without being asked, in words
    emotion: str | None = None  # the column that holds the emotions that people heard


def read_inputs(paths: Sequence[Path], transcript: Path | None = None, speakers: Path | None = None) -> Inputs:
    """Read what a command line names: paths by their suffixes, in any order.

    Args:
        paths: One table; or one recording, with its transcript among them, in `transcript`, or beside it under the same name;
            or a transcript alone; or one folder of clips; or several clips.
        transcript: Of the recording: any format of read_transcript, or a table with start and end.
        speakers: RTTM or pyannote's JSON, for segments without a speaker.

    Raises:
        ErcError: There is no such file, or it cannot be read, or they do not make one conversation.
    """
    for path in (*paths, *filter(None, (transcript, speakers))):
        _check_name(path)
        if not path.exists():
            raise ErcError(f"{path}: no such file or folder")
    folders = [path for path in paths if path.is_dir()]
    sound = [path for path in paths if path.suffix.lower() in AUDIO and path not in folders]
    turns = [path for path in paths if path.suffix.lower() in TURNS]
    words = [path for path in paths if path not in (*folders, *sound, *turns)]
    if transcript:
        words.append(transcript)
    turns += [speakers] if speakers else []
    if (
        len(folders) > 1
        or (folders and len(paths) > 1)
        or len(words) > 1
        or len(turns) > 1
        or (turns and not (sound or words))
    ):
        raise ErcError(f"{', '.join(map(str, paths))}: one conversation at a time: {READ}")
    if folders:
        return _clips(_audio_in(folders[0]), folders[0].resolve().name, folders[0])
    if len(sound) > 1:
        if words:
            raise ErcError(f"{words[0]}: a transcript is of one recording, but {len(sound)} were named")
        return _clips(sound, sound[0].stem, Path())
    notes: list[str] = []
    if sound and not words:
        words = _beside(sound[0])
        if not words:
            notes.append("no transcript, so the recording is one utterance; a longer one needs --transcript")
            return _clips(sound, sound[0].stem, Path(), notes)
        notes.append(f"transcript: {words[0]}, which lies beside the recording; --transcript names another one")
    if words[0].suffix.lower() in TABLES:
        return _table(words[0], sound[0] if sound else None, turns, notes)
    return _transcript(words[0], sound[0] if sound else None, turns, notes)


def _transcript(path: Path, recording: Path | None, turns: Sequence[Path], notes: list[str]) -> Inputs:
    segments = read_transcript(path)
    if segments.is_empty():
        raise ErcError(f"{path}: holds no utterance")
    segments = _with_speakers(segments, turns, path)
    if recording:
        # of a segment without times nobody knows where in the recording it is
        timed = pl.col("start").is_finite() | pl.col("end").is_finite()
        segments = segments.with_columns(audio=pl.when(timed).then(pl.lit(str(recording))))
    conversation = Conversation(segments, columns={name: name for name in COLUMNS if name in segments.columns})
    return Inputs(conversation, (recording or path).stem, recording, notes)


def _with_speakers(segments: pl.DataFrame, turns: Sequence[Path], source: Path) -> pl.DataFrame:
    if not turns:
        return segments
    if segments["start"].null_count() == segments.height:
        raise ErcError(f"{turns[0]}: speakers are told by their times, and {source} has none")
    return assign_speakers(segments, read_speakers(turns[0]))


def _table(path: Path, recording: Path | None, turns: Sequence[Path], notes: list[str]) -> Inputs:
    """Read a table by the rules of a corpus of one's own; no column but text or audio is needed."""
    findings = Findings(path)
    raw = read_file(path, findings)
    columns = _columns(raw.header, findings)
    findings.raise_problems()
    if not {"text", "audio"} & columns.keys() and not (recording and {"start", "end"} & columns.keys()):
        findings.refuse(
            f"no column 'text' and no column 'audio', one is needed; found {listed(raw.header)}", HEADER_ROW
        )
    findings.raise_problems()
    if path.suffix.lower() == ".parquet":
        table = pl.read_parquet(path)
        table = table.rename(dict(zip(table.columns, raw.header, strict=True)))
    else:
        cells = {name: [row[name] or None for _, row in raw.rows] for name in raw.header}
        table = pl.DataFrame(cells, schema=dict.fromkeys(raw.header, pl.String()))
        table = table.with_columns(unguarded(pl.col(pl.String)).name.keep())  # it may be one of our predictions.csv
    if path.suffix.lower() == ".tsv" and raw.header == ["start", "end", "text"] and _all_whole(table):
        seconds = (pl.col("start", "end").cast(pl.Float64) / 1000).cast(pl.String)
        table = table.with_columns(seconds)
        notes.append(f"{path}: start and end are milliseconds, as Whisper writes them")
    emotion = columns.pop("emotion", None)
    if emotion and table[emotion].dtype.is_nested():
        emotion = None
    if recording and "audio" in columns:
        raise ErcError(f"{path}: has a column {columns['audio']!r} of its own; leave out {recording}, or the column")
    if recording:
        table = table.with_columns(audio=pl.lit(str(recording)))
        columns["audio"] = "audio"
    conversation = Conversation(
        table, Path() if recording else path.parent, columns=columns, first_row=HEADER_ROW + 1, source=f"{path}: "
    )
    if turns:
        columns_of = {"start": conversation.start, "end": conversation.end, "speaker": conversation.speaker}
        times = pl.DataFrame(columns_of, schema_overrides={"speaker": pl.String()}, nan_to_null=True)
        speakers = _with_speakers(times, turns, path)["speaker"]
        table = table.with_columns(speakers.alias(columns.get("speaker", "speaker")))
        columns.setdefault("speaker", "speaker")
        conversation = replace(conversation, table=table, columns=columns)
    named = {path for path in conversation.audio if isinstance(path, Path)}
    only = next(iter(named)) if len(named) == 1 and conversation.is_timed.any() else None
    return Inputs(conversation, (recording or path).stem, recording or only, notes, emotion)


def _all_whole(table: pl.DataFrame) -> bool:
    """Return whether all times are whole numbers."""
    return all(table[name].drop_nulls().str.contains(r"^\d+$").all() for name in ("start", "end"))


def _columns(header: Sequence[str], findings: Findings) -> dict[str, str]:
    """Return our name -> theirs of the columns that there are, by their names, if need be without case and separators."""
    columns: dict[str, str] = {}
    for ours in (*COLUMNS, "emotion"):
        near = [ours] if ours in header else [name for name in header if plain(name) == plain(ours)]
        if len(near) > 1 or header.count(ours) > 1:
            findings.refuse(f"which of the columns {near * header.count(near[0])} is {ours}?", HEADER_ROW)
        elif near:
            columns[ours] = near[0]
    return columns


def _clips(paths: Sequence[Path], title: str, beside: Path, notes: Sequence[str] = ()) -> Inputs:
    """Return clips as a conversation, one utterance each, with the text in the .txt of the same name."""
    texts = [_text_beside(path) for path in paths]
    columns = {"audio": [str(path.relative_to(beside) if beside.parts else path) for path in paths], "text": texts}
    table = pl.DataFrame(columns, schema={"audio": pl.String(), "text": pl.String()})
    return Inputs(Conversation(table, beside, columns={"audio": "audio", "text": "text"}), title, None, list(notes))


def _audio_in(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in AUDIO and path.is_file()]
    if not found:
        raise ErcError(
            f"{folder}: holds no clip ({', '.join(AUDIO[:8])}, ...); clips in folders below are not looked for"
        )
    for path in found:
        _check_name(path)
    return sorted(found, key=_natural)


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ErcError(f"{str(path)!a}: its name is not UTF-8, and no table can hold it; rename it") from None


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort clip2 before clip10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _text_beside(path: Path) -> str | None:
    text = path.with_suffix(".txt")
    if not text.is_file():
        return None
    try:
        with text.open("rb") as file:
            content = file.read(LONGEST_TEXT)
    except OSError as error:
        raise ErcError(f"{text}: not readable: {error.strerror}") from None
    return mend(decode(content, str(text)), strip=True).text or None


def _beside(recording: Path) -> list[Path]:
    """Return the transcript of the same name beside a recording, if there is one."""
    found = [path for suffix in TRANSCRIPTS if (path := recording.with_suffix(suffix)).is_file()]
    if len(found) > 1:
        raise ErcError(
            f"{recording}: which is its transcript, {' or '.join(map(str, found))}? Say it with --transcript"
        )
    return found
