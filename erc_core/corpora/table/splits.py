"""The split of a user's table: as it has it, or seeded; and what must hold for either."""

from typing import Literal

from erc_core.corpora.splitting import SplitError, linked_groups, seeded_split
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.table.rows import Utterance
from erc_core.params.data import TableIngest
from erc_core.store.utterances import SPLITS


class TableSettings(TableIngest):
    """Section ingest.<dataset> with a value for everything that params.yaml leaves out."""

    split_by: Literal["dialogue", "speaker"] = "dialogue"
    dev_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0


def make_split(
    utterances: list[Utterance], settings: TableSettings, columns: dict[str, str], findings: Findings
) -> None:
    """Give every utterance a split by whole dialogues or speakers; refuse in findings where there is none."""
    dialogues = [utterance.dialogue_id for utterance in utterances]
    if settings.split_by == "speaker":
        groups = linked_groups([utterance.cells["speaker"] for utterance in utterances], dialogues)
        units = "speakers (linked ones, who share a dialogue, count once)"
    else:
        groups, units = dialogues, "dialogues"
        if "dialogue_id" not in columns:
            units += " (each row is one, as there is no column dialogue_id)"
        if not {"dialogue_id", "utterance_id"} & columns.keys():
            # row numbers change with the order of the rows, contents do not; and copies stay together
            groups = [f"{u.cells.get('text', '')}\n{u.cells.get('audio', '')}" for u in utterances]
    emotions = [utterance.cells["emotion"] for utterance in utterances]
    try:
        splits = seeded_split(groups, emotions, settings.dev_share, settings.test_share, settings.seed)
    except SplitError as error:
        findings.refuse(f"seeded split by whole {units}: {error}")
        return
    for utterance, split in zip(utterances, splits, strict=True):
        utterance.split = split


def check_split(
    utterances: list[Utterance], settings: TableSettings, columns: dict[str, str], findings: Findings, complete: bool
) -> None:
    """Refuse a dialogue or (with split_by: speaker) a speaker in two splits, an empty split, emotions that train lacks.

    What is lacking is judged only where no row was refused before, and where every utterance has a split.
    """
    _check_whole(utterances, "dialogue_id", columns, findings)
    if settings.split_by == "speaker":
        _check_whole(utterances, "speaker", columns, findings)
    if not complete or not all(utterance.split for utterance in utterances):
        return
    present = {utterance.split for utterance in utterances}
    for split in SPLITS:
        if split not in present:
            findings.refuse(f"no row is in the {split} split; columns: {{split: ''}} makes a seeded split instead")
    if "emotion" not in columns or "train" not in present:
        return
    known = {utterance.cells["emotion"] for utterance in utterances if utterance.split == "train"} - {""}
    for utterance in utterances:
        emotion = utterance.cells["emotion"]
        if emotion and emotion not in known:
            known.add(emotion)
            problem = f"{quoted(emotion)} occurs in {utterance.split} but not in train, and so cannot be learned"
            findings.refuse(problem, utterance.row, columns["emotion"])
    if len({utterance.cells["emotion"] for utterance in utterances}) == 1 and known:
        problem = "every row has the same emotion: there is nothing to tell apart"
        findings.refuse(problem, HEADER_ROW, columns["emotion"])


def _check_whole(utterances: list[Utterance], ours: str, columns: dict[str, str], findings: Findings) -> None:
    """Refuse a dialogue or speaker that is in two splits, once each."""
    first: dict[str, Utterance] = {}
    refused: set[str] = set()
    for utterance in utterances:
        name = utterance.cells.get(ours, "")
        if not name or not utterance.split or name in refused:
            continue
        other = first.setdefault(name, utterance)
        if other.split != utterance.split:
            refused.add(name)
            problem = f"{quoted(name)} is in {utterance.split}, but in {other.split} in row {other.row}"
            findings.refuse(problem, utterance.row, columns[ours])
