"""Reader of MELD's files as people have them: three annotation CSVs, and the clips of each split.

    train_sent_emo.csv   train_splits/diaX_uttY.mp4
    dev_sent_emo.csv     dev_splits_complete/diaX_uttY.mp4
    test_sent_emo.csv    output_repeated_splits_test/diaX_uttY.mp4

They are found by their names, wherever below the raw folder they lie. Clips may have been converted to wav or flac, or still be
in MELD.Raw.tar.gz or in the archives of the splits that it holds.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from erc_core.corpora.archives import Unpacker
from erc_core.corpora.corpus import Corpus, utterance_table
from erc_core.corpora.meld import layout
from erc_core.corpora.meld.annotation import Annotation, read_annotation
from erc_core.corpora.meld.clips import Matched, match_clips
from erc_core.corpora.meld.search import MAX_DEPTH, Listing, search
from erc_core.errors import ErcError
from erc_core.params.data import MeldIngest
from erc_core.store.ingest import DataIssue

GIGABYTE = 1e9
SHOWN_PER_KIND = 100  # of the kinds below, which a folder that is not what it seems could have by the ten thousand
CAPPED_KINDS = ("clip_without_row", "link_outside", "unsafe_member", "repeated_member")

Archives = list[tuple[Path, str]]  # with the folder to unpack to


class MeldSettings(MeldIngest):
    """Section ingest.<dataset> with a value for everything that params.yaml leaves out."""

    prefer_test_twins: bool = True
    max_unpacked_gb: float = 60.0


def read_meld(folder: Path, settings: MeldSettings, unpack_to: Path, section: str) -> Corpus:
    """Read the annotation, and find each utterance's clip; see erc_core.corpora.readers.Reader.

    There is a row for each annotated utterance with a label of MELD. ErcError where the annotation is missing or has
    not the columns that MELD has, or an archive is damaged.
    """
    if not folder.is_dir():
        raise ErcError(_expected(folder, "no such folder", section))
    raw = search(folder)
    archives, issues = _choose_archives(raw)
    from_archives = bool(archives)
    if not archives and len(raw.annotations) < len(layout.ANNOTATIONS):
        archives = _archives_of(raw)  # for the annotation alone
    unpacker = Unpacker(
        unpack_to,
        wanted=lambda name: name in layout.ANNOTATIONS.values() or (from_archives and layout.is_clip(name)),
        inner=layout.inner_split,
        max_bytes=settings.max_unpacked_gb * GIGABYTE,
        bound=f"{section}.max_unpacked_gb",
    )
    for path, part in archives:
        unpacker.unpack(path, part)
    clips = raw
    if archives:
        held = search(unpack_to)
        # what a person put beside an archive replaces what is in it
        raw.annotations = held.annotations | raw.annotations
        if from_archives:
            clips = held
            if not held.clips:
                raise ErcError(f"{archives[0][0]}: holds no clips: expected diaX_uttY.mp4 in a folder for each split")
    annotations = {split: read_annotation(path, split) for split, path in _one_file_each(raw, section).items()}
    matched = match_clips(annotations, clips, prefer_twins=settings.prefer_test_twins)
    issues = [*raw.issues, *issues, *unpacker.issues, *(clips.issues if clips is not raw else [])]
    issues += [issue for annotation in annotations.values() for issue in annotation.issues]
    source = ", ".join(path.name for path, _ in archives) if from_archives else "folders"
    return Corpus(
        _table(annotations, matched),
        clips="unpacked" if from_archives else "raw",
        issues=_capped([*issues, *matched.issues]),
        facts=_facts(annotations, matched, unpacker, source if clips.clips else "none: text only"),
    )


def _expected(folder: Path, what: str, section: str) -> str:
    """Return the message for a folder that has no annotation: where was looked, what belongs there, where it is asked for."""
    return (
        f"{folder}: {what} (looked there and up to {MAX_DEPTH} folders below). Expected: "
        f"{', '.join(layout.ANNOTATIONS.values())}, and the clips as MELD.Raw.tar.gz, as its train.tar.gz, dev.tar.gz and "
        f"test.tar.gz, or as folders {'/, '.join(layout.CLIP_FOLDERS.values())}/ of diaX_uttY.mp4 (wav and flac are read too; "
        f"without any clip, model.modality: T works). The corpus is asked for from its authors: {layout.PAGE}. If it lies "
        f"elsewhere, say where in params.yaml: {section}.raw_dir"
    )


def _choose_archives(raw: Listing) -> tuple[Archives, list[DataIssue]]:
    """Return the archives that the clips have to come from: none where every split that there is lies unpacked."""
    folders, inner, every = raw.splits, raw.archives.keys() - {layout.WHOLE}, set(layout.CLIP_FOLDERS)
    if folders == every or (inner <= folders and layout.WHOLE not in raw.archives):
        return [], []
    for paths in raw.archives.values():
        if len(paths) > 1:
            raise ErcError(f"{paths[0]} and {paths[1]}: two archives of the same; leave one of them there")
    whole = layout.WHOLE in raw.archives and inner != every
    archives, covered = _archives_of(raw, inner=not whole), every if whole else inner
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


def _archives_of(raw: Listing, *, inner: bool = False) -> Archives:
    """Return the archives of the whole corpus, or where there are none, or those are asked for, of the splits."""
    parts = [layout.WHOLE] if layout.WHOLE in raw.archives and not inner else raw.archives.keys() - {layout.WHOLE}
    return [(path, part) for part, paths in raw.archives.items() if part in parts for path in paths]


def _one_file_each(raw: Listing, section: str) -> dict[str, Path]:
    """Return split -> its CSV, of which there may be several with the same content."""
    absent = [name for split, name in layout.ANNOTATIONS.items() if split not in raw.annotations]
    if absent:
        nothing = len(absent) == len(layout.ANNOTATIONS)
        what = "no annotation of MELD" if nothing else f"{' and '.join(absent)} not found"
        if links := [issue.where for issue in raw.issues if issue.kind == "link_outside"]:
            what += f"; links that lead out of the folder are not followed, such as {links[0]}"
        raise ErcError(_expected(raw.folder, what, section))
    for first, *others in raw.annotations.values():
        if different := [other for other in others if other.read_bytes() != first.read_bytes()]:
            raise ErcError(
                f"{first} and {different[0]}: two files of that name with different content. Leave one of them there; if both "
                f"come from an archive, put the one that counts into {raw.folder}"
            )
    return {split: raw.annotations[split][0] for split in layout.ANNOTATIONS}


def _table(annotations: Mapping[str, Annotation], matched: Matched) -> pl.DataFrame:
    return utterance_table(
        vars(row)
        | {
            "utterance_id": layout.utterance_id(split, row.number),
            "split": split,
            "dialogue_id": f"{split}_dia{row.number[0]}",
            "turn": row.number[1],
            "audio_path": matched.paths.get((split, row.number)),
        }
        for split, annotation in annotations.items()
        for row in annotation.rows
    )


def _facts(annotations: Mapping[str, Annotation], matched: Matched, unpacker: Unpacker, source: str) -> dict[str, Any]:
    facts: dict[str, Any] = {f"rows in {layout.ANNOTATIONS[split]}": a.n_rows for split, a in annotations.items()}
    equal = [annotation.n_rows == layout.PUBLISHED_ROWS[split] for split, annotation in annotations.items()]
    if any(equal):  # a corpus in MELD's layout, such as the demo, has other sizes altogether
        published = " / ".join(f"{count:,}" for count in layout.PUBLISHED_ROWS.values())
        facts["rows of MELD as published"] = f"{published}: {'all found' if all(equal) else 'not what was found'}"
    facts["rows left out"] = sum(annotation.n_rows - len(annotation.rows) for annotation in annotations.values())
    facts["clips read from"] = source
    if unpacker.files:
        facts["unpacked"] = f"{unpacker.files:,} files, {unpacker.size / GIGABYTE:.3g} GB"
    formats = Counter(PurePosixPath(path).suffix.lower().lstrip(".") for path in matched.paths.values())
    facts |= {f"clips in {name}": count for name, count in sorted(formats.items())}
    facts |= {"utterances without a clip": matched.missing, "test twins preferred": matched.twins}
    facts["clips without an annotation"] = matched.orphans
    return facts | ({"clips that lie there more than once": matched.repeated} if matched.repeated else {})


def _capped(issues: list[DataIssue]) -> list[DataIssue]:
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
