"""The split of a user's table: as it has it, or seeded; and what must hold for either."""

from erc_core.corpora.splitting import SplitError, linked_groups, seeded_split
from erc_core.corpora.table.issues import HEADER_ROW, Findings, quoted
from erc_core.corpora.table.rows import Utterance
from erc_core.params.data import TableIngest
from erc_core.store.utterances import SPLITS


def make_split(utterances: list[Utterance], params: TableIngest, columns: dict[str, str], findings: Findings) -> None:
    """Give every utterance a split by whole dialogues or speakers; refuse in findings where there is none."""
    if params.split_by == "speaker":
        groups = linked_groups([one.cells["speaker"] for one in utterances], [one.dialogue_id for one in utterances])
        units = "speakers (linked ones, who share a dialogue, count once)"
    else:
        groups = [one.dialogue_id for one in utterances]
        units = "dialogues"
        if "dialogue_id" not in columns:
            units += " (each row is one, as there is no column dialogue_id)"
        if not {"dialogue_id", "utterance_id"} & columns.keys():
            # row numbers change with the order of the rows, contents do not; and copies stay together
            groups = [f"{one.cells.get('text', '')}\n{one.cells.get('audio', '')}" for one in utterances]
    emotions = [one.cells["emotion"] for one in utterances]
    try:
        splits = seeded_split(groups, emotions, params.dev_share, params.test_share, params.seed)
    except SplitError as error:
        findings.refuse(f"seeded split by whole {units}: {error}")
        return
    for one, split in zip(utterances, splits, strict=True):
        one.split = split


def check_split(
    utterances: list[Utterance], params: TableIngest, columns: dict[str, str], findings: Findings, complete: bool
) -> None:
    """Refuse a dialogue or (with split_by: speaker) a speaker in two splits, an empty split, emotions that train lacks.

    What is lacking is judged only where no row was refused before, and where every utterance has a split.
    """
    _check_whole(utterances, "dialogue_id", columns, findings)
    if params.split_by == "speaker":
        _check_whole(utterances, "speaker", columns, findings)
    if not complete or not all(one.split for one in utterances):
        return
    present = {one.split for one in utterances}
    for split in SPLITS:
        if split not in present:
            findings.refuse(f"no row is in the {split} split; columns: {{split: ''}} makes a seeded split instead")
    if "emotion" not in columns or "train" not in present:
        return
    known = {one.cells["emotion"] for one in utterances if one.split == "train"} - {""}
    for one in utterances:
        emotion = one.cells["emotion"]
        if emotion and emotion not in known:
            known.add(emotion)
            findings.refuse(
                f"{quoted(emotion)} occurs in {one.split} but not in train, and so cannot be learned",
                one.row,
                columns["emotion"],
            )
    if len({one.cells["emotion"] for one in utterances}) == 1 and known:
        findings.refuse(
            "every row has the same emotion: there is nothing to tell apart", HEADER_ROW, columns["emotion"]
        )


def _check_whole(utterances: list[Utterance], ours: str, columns: dict[str, str], findings: Findings) -> None:
    """Refuse a dialogue or speaker that is in two splits, once each."""
    first: dict[str, Utterance] = {}
    told: set[str] = set()
    for one in utterances:
        name = one.cells.get(ours, "")
        if not name or not one.split or name in told:
            continue
        other = first.setdefault(name, one)
        if other.split != one.split:
            told.add(name)
            what = f"{quoted(name)} is in {one.split}, but in {other.split} in row {other.row}"
            findings.refuse(what, one.row, columns[ours])
