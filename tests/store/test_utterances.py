import polars as pl
import pytest

from erc_core.errors import ErcError
from erc_core.store.clips import ClipStatus, count_statuses, read_clips, write_clips
from erc_core.store.utterances import SCHEMA, check_utterances, labels_of, read_utterances, write_utterances


def utterances(emotions: dict[str, list[str]] | None = None) -> pl.DataFrame:
    """Return a table with the given emotions in each split, two utterances to a dialogue."""
    emotions = emotions or {"train": ["joy", "anger", "joy"], "dev": ["joy"], "test": ["anger"]}
    rows = [
        {
            "status": "ok",
            "utterance_id": f"{split}_{n}",
            "split": split,
            "dialogue_id": f"{split}_dia{n // 2}",
            "turn": n % 2,
            "speaker": "Zoë",
            "text": 'a, "b"\n',
            "emotion": emotion,
            "audio_path": None,
            "further": 1,
        }
        for split, names in emotions.items()
        for n, emotion in enumerate(names)
    ]
    return pl.DataFrame(rows)


def with_value(column: str, row: int, value: object) -> pl.DataFrame:
    table = utterances()
    return table.with_columns(
        pl.when(pl.int_range(len(table)) == row).then(pl.lit(value)).otherwise(column).alias(column)
    )


def test_a_good_table_comes_back_in_its_schema():
    checked = check_utterances(utterances(), "corpus")
    assert checked.schema == SCHEMA
    assert checked["utterance_id"].to_list() == utterances()["utterance_id"].to_list()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (utterances().clear(), "corpus: no utterances found"),
        (with_value("utterance_id", 1, "train_0"), "1 utterance ids occur more than once, such as 'train_0'"),
        (with_value("utterance_id", 3, "train_0"), "1 utterance ids occur more than once, such as 'train_0'"),
        (pl.concat([utterances()] * 2), "5 utterance ids occur more than once, such as 'train_0'"),
        (with_value("dialogue_id", 3, "train_dia0"), "dialogue 'train_dia0' is in more than one split"),
        (with_value("emotion", 1, None), "1 utterances have no emotion, such as 'train_1'"),
        (with_value("emotion", 1, ""), "1 utterances have no emotion, such as 'train_1'"),
        *(
            (utterances().filter(pl.col("split") != split), f"the {split} split has no utterances")
            for split in ("train", "dev", "test")
        ),
    ],
)
def test_a_table_that_breaks_a_rule_is_told(table, told):
    with pytest.raises(ErcError) as caught:
        check_utterances(table, "corpus")
    assert str(caught.value).startswith("corpus: ")
    assert told in str(caught.value)


def test_labels_are_those_of_train_the_most_frequent_first_then_by_name():
    table = utterances({"train": ["c", "b", "a", "b", "d"], "dev": ["a"] * 9, "test": ["b"]})
    assert labels_of(table) == ["b", "a", "c", "d"]
    assert labels_of(table.reverse()) == ["b", "a", "c", "d"]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_an_emotion_that_train_does_not_have_is_told(split):
    emotions = {"train": ["joy"], "dev": ["joy"], "test": ["joy"]}
    emotions[split] = ["joy", "fear", "awe"]
    with pytest.raises(ErcError, match=r"\['awe', 'fear'\] occur in dev or test but not in train"):
        labels_of(utterances(emotions))


def test_the_table_survives_the_disk(tmp_path):
    checked = check_utterances(utterances(), "corpus")
    write_utterances(checked, tmp_path / "new")
    assert read_utterances(tmp_path / "new").equals(checked)
    assert read_utterances(tmp_path / "new").schema == SCHEMA
    before = (tmp_path / "new" / "utterances.parquet").read_bytes()
    write_utterances(checked, tmp_path / "new")
    assert (tmp_path / "new" / "utterances.parquet").read_bytes() == before
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_missing_table_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(ErcError, match=r"utterances\.parquet: not found; the stage ingest makes it: run `dvc repro`"):
        read_utterances(tmp_path)
    with pytest.raises(ErcError, match=r"clips\.parquet: not found; the stage resample makes it: run `dvc repro`"):
        read_clips(tmp_path)


def test_a_damaged_table_is_told_wherever_it_is_cut(tmp_path):
    write_utterances(check_utterances(utterances(), "corpus"), tmp_path)
    path = tmp_path / "utterances.parquet"
    content = path.read_bytes()
    for length in (*range(0, len(content), 97), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(
            ErcError, match=r"utterances\.parquet: damaged .*; run `python -m erc_core\.run\.mend .*`, then `dvc repro`"
        ) as caught:
            read_utterances(tmp_path)
        assert "\n" not in str(caught.value)


def test_clips_are_counted_by_status_also_those_that_do_not_occur(tmp_path):
    rows = [("a", "ok", 1.5, ""), ("b", "silent", 2.0, "level -90 dBFS"), ("c", "ok", 0.5, "")]
    written = write_clips(rows, tmp_path)
    assert read_clips(tmp_path).equals(written)
    assert written.rows() == rows
    counts = count_statuses(written)
    assert list(counts) == [status.value for status in ClipStatus]
    assert {status: count for status, count in counts.items() if count} == {"ok": 2, "silent": 1}
    assert sum(count_statuses(write_clips([], tmp_path)).values()) == 0
