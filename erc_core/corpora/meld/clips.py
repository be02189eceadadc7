"""Which of the clips on disk belongs to which of MELD's utterances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from erc_core.corpora.meld.annotation import Annotation
from erc_core.corpora.meld.layout import CLIP_SUFFIXES, utterance_id
from erc_core.corpora.meld.search import ClipFile, Listing
from erc_core.store.ingest import DataIssue

Key = tuple[str, tuple[int, int]]


@dataclass
class Matched:
    """Clips of utterances.

    Attributes:
        paths: (split, number) of an annotated utterance -> path of its clip, relative to the folder of clips.
        twins: Number of utterances with two clips of which the twin was taken.
        repeated: Number of utterances whose clip lies there more than once, twins apart.
        orphans: Number of clips without a row.
        missing: Number of utterances without a clip.
        issues: What was wrong, and what was done.
    """

    paths: dict[Key, str] = field(default_factory=dict)
    twins: int = 0
    repeated: int = 0
    orphans: int = 0
    missing: int = 0
    issues: list[DataIssue] = field(default_factory=list)


def match_clips(annotations: Mapping[str, Annotation], listing: Listing, *, prefer_twins: bool) -> Matched:
    """Find each utterance's clip.

    Args:
        annotations: Split -> its annotation.
        listing: The folder of clips.
        prefer_twins: Whether final_videos_testdiaX_uttY is taken where diaX_uttY exists too.
    """
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
    path = PurePosixPath(clip.path)
    try:
        is_empty = (folder / path).stat().st_size == 0
    except OSError:
        is_empty = True
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
        if split not in listing.splits:
            matched.issues.append(DataIssue(split, "no_clips", "the split has no clips at all", "text only"))
            continue
        rule = ("missing_clip", "no such clip in the corpus", "text only")
        matched.issues += [DataIssue(utterance_id(split, number), *rule) for number in numbers]
