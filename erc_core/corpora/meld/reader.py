"""Reader of MELD's files as people have them: three annotation CSVs, and the clips of each split.

    train_sent_emo.csv   train_splits/diaX_uttY.mp4
    dev_sent_emo.csv     dev_splits_complete/diaX_uttY.mp4
    test_sent_emo.csv    output_repeated_splits_test/diaX_uttY.mp4

They are found by their names, wherever below the raw folder they lie. Clips may have been converted to wav or flac, or still be
in MELD.Raw.tar.gz or in the archives of the splits that it holds. Dialogue and utterance numbers restart in every split, so ids
carry the split.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from erc_core.corpora.archives import Unpacked, Unpacker, unpack_archives
from erc_core.corpora.corpus import SECTION, Corpus, DataIssue
from erc_core.corpora.meld.annotation import Annotation, name_of, read_annotation
from erc_core.corpora.meld.clips import Matched, match_clips
from erc_core.corpora.meld.layout import (
    ANNOTATIONS,
    CLIP_FOLDERS,
    PUBLISHED_ROWS,
    Listing,
    expected,
    inner_split,
    is_clip,
    search,
)
from erc_core.errors import ErcError
from erc_core.params.data import MeldIngest
from erc_core.store.utterances import SCHEMA

GIGABYTE = 1e9
SHOWN_PER_KIND = 100  # of the kinds below, which a folder that is not what it seems could have by the ten thousand
CAPPED_KINDS = ("clip_without_row", "link_outside", "unsafe_member", "repeated_member")

Archives = list[tuple[Path, str]]


def read_meld(folder: Path, params: MeldIngest, unpack_to: Path, section: str = SECTION) -> Corpus:
    """Read the annotation, and find each utterance's clip.

    Args:
        folder: The raw folder; never written to.
        params: Section ingest.<dataset>.
        unpack_to: Folder for what archives hold; exists and is empty.
        section: The name of that section, for messages.

    Returns:
        One row for each annotated utterance that has a label of MELD; see erc_core.store.utterances.SCHEMA.

    Raises:
        ErcError: The annotation is missing or has not the columns that MELD has, or an archive is damaged.
    """
    if not folder.is_dir():
        raise ErcError(expected(folder, "no such folder", section))
    raw = search(folder)
    archives, issues = _choose_archives(raw)
    from_archives = bool(archives)
    if not archives and len(raw.annotations) < len(ANNOTATIONS):
        archives = _all_archives(raw)  # for the annotation alone
    unpacked, clips = Unpacked(), raw
    if archives:
        unpacker = Unpacker(
            unpack_to,
            wanted=lambda name: name in ANNOTATIONS.values() or (from_archives and is_clip(name)),
            inner=inner_split,
            max_bytes=params.max_unpacked_gb * GIGABYTE,
            bound=f"{section}.max_unpacked_gb",
        )
        unpacked = unpack_archives(unpacker, archives)
        held = search(unpack_to)
        raw.annotations = (
            held.annotations | raw.annotations
        )  # what a person put beside an archive replaces what is in it
        if from_archives:
            clips = held
            if not held.clips:
                raise ErcError(f"{archives[0][0]}: holds no clips: expected diaX_uttY.mp4 in a folder for each split")
    annotations = {split: read_annotation(path, split) for split, path in _one_file_each(raw, section).items()}
    matched = match_clips(annotations, clips, prefer_twins=params.prefer_test_twins)
    found = [a for annotation in annotations.values() for a in annotation.issues]
    clip_issues = clips.issues if clips is not raw else []
    issues = [*raw.issues, *issues, *unpacked.issues, *clip_issues, *found, *matched.issues]
    source = ", ".join(path.name for path, _ in archives) if from_archives else "folders"
    return Corpus(
        _table(annotations, matched),
        clips="unpacked" if from_archives else "raw",
        issues=_cap(issues),
        facts=_facts(annotations, matched, unpacked, source if clips.clips else "none: text only"),
    )


def _choose_archives(raw: Listing) -> tuple[Archives, list[DataIssue]]:
    """Return the archives that the clips have to come from: none where every split that there is lies unpacked.

    Raises:
        ErcError: Some splits are unpacked and others are not, and no archive has them all; or two archives are the same part.
    """
    folders, inner, every = raw.splits, set(raw.inner), set(CLIP_FOLDERS)
    if folders == every or (inner <= folders and not raw.outer):
        return [], []
    for paths in (raw.outer, *raw.inner.values()):
        if len(paths) > 1:
            raise ErcError(f"{paths[0]} and {paths[1]}: two archives of the same; leave one of them there")
    archives: Archives
    if raw.outer and inner != every:
        archives, covered = [(raw.outer[0], "")], every
    else:
        archives, covered = [(paths[0], split) for split, paths in raw.inner.items()], inner
    names = ", ".join(path.name for path, _ in archives)
    if folders - covered:
        raise ErcError(
            f"{raw.folder}: the clips of {', '.join(sorted(folders))} are unpacked, those of {', '.join(sorted(covered))} are "
            f"in {names}: unpack these too, or put the missing archives there"
        )
    if not folders:
        return archives, []
    detail = f"the clips of {', '.join(sorted(folders))} alone are unpacked"
    return archives, [DataIssue("all splits", "partly_unpacked", detail, f"all clips are read from {names}")]


def _all_archives(raw: Listing) -> Archives:
    return [(path, "") for path in raw.outer] or [(paths[0], split) for split, paths in raw.inner.items()]


def _one_file_each(raw: Listing, section: str) -> dict[str, Path]:
    """Return split -> its CSV.

    Raises:
        ErcError: One is missing, or there are several with different content.
    """
    absent = [name for split, name in ANNOTATIONS.items() if split not in raw.annotations]
    if absent:
        nothing = len(absent) == len(ANNOTATIONS)
        found = "no annotation of MELD" if nothing else f"{' and '.join(absent)} not found"
        links = [issue.where for issue in raw.issues if issue.kind == "link_outside"]
        if links:
            found += f"; links that lead out of the folder are not followed, such as {links[0]}"
        raise ErcError(expected(raw.folder, found, section))
    chosen = {}
    for split in ANNOTATIONS:
        first, *others = raw.annotations[split]
        for other in others:
            if other.read_bytes() != first.read_bytes():
                raise ErcError(
                    f"{first} and {other}: two files of that name with different content. Leave one of them there; if both "
                    f"come from an archive, put the one that counts into {raw.folder}"
                )
        chosen[split] = first
    return chosen


def _table(annotations: Mapping[str, Annotation], matched: Matched) -> pl.DataFrame:
    records = [
        (
            name_of(split, row.number),
            split,
            f"{split}_dia{row.number[0]}",
            row.number[1],
            row.speaker,
            row.text,
            row.emotion,
            path := matched.paths.get((split, row.number)),
            "ok" if path else "missing",
        )
        for split, annotation in annotations.items()
        for row in annotation.rows
    ]
    return pl.DataFrame(records, schema=SCHEMA, orient="row")


def _facts(annotations: Mapping[str, Annotation], matched: Matched, unpacked: Unpacked, source: str) -> dict[str, Any]:
    facts: dict[str, Any] = {f"rows in {ANNOTATIONS[split]}": a.n_rows for split, a in annotations.items()}
    equal = [annotation.n_rows == PUBLISHED_ROWS[split] for split, annotation in annotations.items()]
    if any(equal):  # a corpus in MELD's layout, such as the demo, has other sizes altogether
        published = " / ".join(f"{count:,}" for count in PUBLISHED_ROWS.values())
        facts["rows of MELD as published"] = f"{published}: {'all found' if all(equal) else 'not what was found'}"
    facts["rows left out"] = sum(annotation.n_rows - len(annotation.rows) for annotation in annotations.values())
    facts["clips read from"] = source
    if unpacked.files:
        facts["unpacked"] = f"{unpacked.files:,} files, {unpacked.size / GIGABYTE:.3g} GB"
    formats = Counter(PurePosixPath(path).suffix.lower().lstrip(".") for path in matched.paths.values())
    facts |= {f"clips in {name}": count for name, count in sorted(formats.items())}
    facts["utterances without a clip"] = matched.missing
    facts["test twins preferred"] = matched.twins
    facts["clips without an annotation"] = matched.orphans
    if matched.repeated:
        facts["clips that lie there more than once"] = matched.repeated
    return facts


def _cap(issues: list[DataIssue]) -> list[DataIssue]:
    """Shorten lists of one kind that could be endless; the facts have the full numbers."""
    counts = Counter(issue.kind for issue in issues)
    seen: Counter[str] = Counter()
    kept = []
    for issue in issues:
        seen[issue.kind] += 1
        if issue.kind not in CAPPED_KINDS or seen[issue.kind] <= SHOWN_PER_KIND:
            kept.append(issue)
        elif seen[issue.kind] == SHOWN_PER_KIND + 1:
            more = counts[issue.kind] - SHOWN_PER_KIND
            kept.append(DataIssue("further ones", issue.kind, f"{more:,} more of the same kind", issue.action))
    return kept
