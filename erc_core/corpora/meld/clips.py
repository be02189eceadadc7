"""Which of the clips on disk belongs to which of MELD's utterances."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from erc_core.corpora.meld.annotation import Annotation
from erc_core.corpora.meld.layout import CLIP_SUFFIXES, utterance_id
from erc_core.corpora.meld.search import ClipFile, Listing
from erc_core.store.ingest import DataIssue

Key = tuple[str, tuple[int, int]]  # split; numbers of dialogue and utterance


@dataclass
class Matched:
    """Clips of utterances, and numbers for the facts."""

    paths: dict[Key, str] = field(default_factory=dict)  # of an annotated utterance -> relative to the folder of clips
    twins: int = 0  # utterances with two clips of which the twin was taken
    repeated: int = 0  # utterances whose clip lies there more than once, not counting twins
    orphans: int = 0  # clips without a row
    missing: int = 0  # utterances without a clip
    issues: list[DataIssue] = field(default_factory=list)


def match_clips(annotations: Mapping[str, Annotation], listing: Listing, *, prefer_twins: bool) -> Matched:
    """Find each utterance's clip; with prefer_twins final_videos_testdiaX_uttY where diaX_uttY exists too."""
    candidates: dict[Key, list[ClipFile]] = {}
    for clip in listing.clips:
        candidates.setdefault((clip.split, clip.number), []).append(clip)
    usable = {(split, row.number) for split, annotation in annotations.items() for row in annotation.rows}
    matched = Matched()
    for key, clips in candidates.items():
        split, number = key
        if key in usable:
            chosen = min(clips, key=lambda clip: _rank(clip, listing.folder, prefer_twins=prefer_twins))
            same_kind = [clip for clip in clips if clip.is_twin == chosen.is_twin]
            matched.twins += chosen.is_twin and len(same_kind) < len(clips)
            matched.repeated += len(same_kind) > 1
            matched.paths[key] = chosen.path
        elif number not in annotations[split].numbers:  # a row that was left out is recorded already
            matched.orphans += len(clips)
            rule = ("clip_without_row", "the annotation has no such utterance", "left out")
            matched.issues += [DataIssue(clip.path, *rule) for clip in clips]
    _record_missing(matched, annotations, listing)
    return matched


def _rank(clip: ClipFile, folder: Path, *, prefer_twins: bool) -> tuple[bool, bool, int, int, str]:
    """Order the clips of one utterance, the best first: with content, the right twin, by format, the least deep."""
    path, is_empty = PurePosixPath(clip.path), True
    with suppress(OSError):
        is_empty = (folder / path).stat().st_size == 0
    suffix = CLIP_SUFFIXES.index(path.suffix.lower())
    return is_empty, clip.is_twin != prefer_twins, suffix, len(path.parts), clip.path


def _record_missing(matched: Matched, annotations: Mapping[str, Annotation], listing: Listing) -> None:
    """Record utterances without a clip by name, but a split without any clip, or a corpus, in one line."""
    missing = {
        split: [row.number for row in annotation.rows if (split, row.number) not in matched.paths]
        for split, annotation in annotations.items()
    }
    matched.missing = sum(map(len, missing.values()))
    if not listing.clips:
        matched.issues.append(DataIssue("all splits", "no_clips", "the corpus has no clips at all", "text only"))
        return
    for split, numbers in missing.items():
        rule = ("missing_clip", "no such clip in the corpus", "text only")
        issues = [DataIssue(utterance_id(split, number), *rule) for number in numbers]
        whole = DataIssue(split, "no_clips", "the split has no clips at all", "text only")
        matched.issues += issues if split in listing.splits else [whole]
