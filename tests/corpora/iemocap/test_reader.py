import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from made_up_iemocap import LABELS, block, make_release

from erc_core.corpora.iemocap import reader as iemocap
from erc_core.corpora.iemocap.reader import EMOTIONS, read_iemocap
from erc_core.corpora.iemocap.split import COMMON_DEV_DIALOGUES, IemocapSettings, session_of
from erc_core.errors import ErcError
from erc_core.store.utterances import SPLITS, check_utterances, labels_of


def read_raw(folder, section="ingest.iemocap", **values):
    return read_iemocap(folder, IemocapSettings(format="iemocap", **values), folder / "nothing", section)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("raw"), COMMON_DEV_DIALOGUES)


@pytest.fixture
def release(made, tmp_path):
    shutil.copytree(made, tmp_path / "IEMOCAP_full_release")
    return tmp_path / "IEMOCAP_full_release"


def read(folder, **values):
    corpus = read_raw(folder, **values)
    return corpus, check_utterances(corpus.utterances, str(folder))


def kinds(corpus):
    """Count the issues, but for those that every made release has: a noise line a dialogue, and a wrong total."""
    counts = Counter(issue.kind for issue in corpus.issues)
    del counts["unknown_transcript_line"], counts["unexpected_count"]
    return counts


def evaluation_file(release: Path, dialogue: str) -> Path:
    return release / f"Session{dialogue[4]}/dialog/EmoEvaluation/{dialogue}.txt"


@pytest.mark.parametrize("fold", range(1, 6))
@pytest.mark.parametrize("classes", [4, 6])
def test_every_fold_of_both_class_sets(made, fold, classes):
    corpus, table = read(made, classes=classes, fold=fold)
    n_dialogues = table["dialogue_id"].n_unique()
    assert n_dialogues == len(list(made.glob("Session?/dialog/EmoEvaluation/[!.]*.txt")))
    assert len(table) == n_dialogues * len(EMOTIONS[classes])
    assert set(labels_of(table)) == set(EMOTIONS[classes].values())
    sessions = table.with_columns(session=pl.col("dialogue_id").map_elements(session_of, pl.Int64))
    assert sessions.filter(pl.col("split") == "test")["session"].unique().to_list() == [fold]
    assert fold not in sessions.filter(pl.col("split") != "test")["session"]
    speakers = {split: set(table.filter(pl.col("split") == split)["speaker"]) for split in SPLITS}
    assert not speakers["test"] & (speakers["train"] | speakers["dev"])
    assert corpus.facts["speakers"] == 10
    assert corpus.facts["speakers of test in train or dev"] == 0
    assert corpus.facts["speakers shared by train and dev"] == len(speakers["train"] & speakers["dev"]) == 8
    if (classes, fold) == (6, 5):
        dev = set(table.filter(pl.col("split") == "dev")["dialogue_id"])
        assert dev == set(COMMON_DEV_DIALOGUES)
        assert "common list" in corpus.facts["validation split"]
    assert kinds(corpus) == {}


def test_a_row_is_what_the_files_say(made):
    corpus, table = read(made)
    row = table.row(by_predicate=pl.col("utterance_id") == "Ses01F_script01_1_M000", named=True)
    assert row == {
        "utterance_id": "Ses01F_script01_1_M000",
        "split": row["split"],
        "dialogue_id": "Ses01F_script01_1",
        "turn": 1,
        "speaker": "Ses01_M",
        "text": "Turn 1.",
        "emotion": "anger",
        "audio_path": "Session1/sentences/wav/Ses01F_script01_1/Ses01F_script01_1_M000.wav",
        "status": "ok",
    }
    assert corpus.clips == "raw"
    assert "Ses01F_script01_1_MXX0" not in table["utterance_id"]


def test_the_parent_folder_will_do(made):
    _, table = read(made.parent)
    assert (made.parent / table["audio_path"][0]).is_file()
    assert table.drop("audio_path").equals(read(made)[1].drop("audio_path"))


def test_turns_follow_time_then_id_whatever_the_class_set(release):
    path = evaluation_file(release, "Ses01F_impro01")
    with path.open("a", encoding="latin-1") as file:
        file.write(block("Ses01F_impro01_M090", 6.0, "neu") + block("Ses01F_impro01_F090", 6.0, "neu"))
    for classes in (4, 6):
        _, table = read(release, classes=classes)
        turns = dict(
            table.filter(pl.col("dialogue_id") == "Ses01F_impro01").select("utterance_id", "turn").sort("turn").rows()
        )
        assert turns["Ses01F_impro01_M000"] == 1
        assert turns["Ses01F_impro01_F001"] == 2
        assert turns["Ses01F_impro01_F090"] == 3
        assert turns["Ses01F_impro01_M090"] == 4
        assert turns["Ses01F_impro01_M001"] == 5


def test_facts_count_what_is_found_expected_and_left_out(made):
    corpus, table = read(made, classes=4)
    n = table["dialogue_id"].n_unique()
    facts = corpus.facts
    assert facts["utterances found"] == 5 * n
    assert facts["utterances expected"] == 5531
    assert facts["utterances evaluated"] == len(LABELS) * n
    assert {key: value for key, value in facts.items() if key.startswith("left out")} == {
        f"left out, label {label}": n for label in ("dis", "fea", "fru", "oth", "sur", "xxx")
    }
    assert facts["transcript lines without an evaluation"] == n
    assert sum(int(count) for count in facts["utterances by session"].split(" / ")) == 5 * n
    assert facts["utterances by session, expected"] == "1,085 / 1,023 / 1,151 / 1,031 / 1,241"
    assert [issue.detail for issue in corpus.issues if issue.kind == "unexpected_count"] == [
        f"{5 * n:,} utterances found, 5,531 expected"
    ]


def test_the_expected_numbers_agree_with_each_other(made):
    assert sum(iemocap.EXPECTED_BY_SESSION[4]) == iemocap.EXPECTED[4] == 1708 + 1103 + 1084 + 595 + 1041
    facts = read(made, classes=6)[0].facts
    assert facts["utterances expected"] == 7380
    assert "7,433" in facts["source of the expected number"]


def test_reading_twice_is_the_same_and_writes_nothing(made, tmp_path, monkeypatch):
    before = sorted(made.rglob("*"))
    first, second = read_raw(made), None
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(listed(path), reverse=True)))
    second = read_raw(made)
    monkeypatch.undo()
    assert second.utterances.equals(first.utterances)
    assert (second.issues, second.facts) == (first.issues, first.facts)
    assert sorted(made.rglob("*")) == before


def test_damaged_lines_cost_only_themselves(release):
    path = evaluation_file(release, "Ses02M_impro02")
    lines = path.read_text(encoding="latin-1").split("\n")
    lines[2] = lines[2][:40]
    path.write_bytes("\r\n".join(lines).encode("latin-1"))
    corpus, table = read(release)
    where = "Session2/dialog/EmoEvaluation/Ses02M_impro02.txt:3"
    assert [issue.where for issue in corpus.issues if issue.kind == "damaged_evaluation"] == [where]
    assert "Ses02M_impro02_F000" not in table["utterance_id"]
    assert "Ses02M_impro02_M000" in table["utterance_id"]


def test_no_transcript_keeps_the_audio_and_no_clip_keeps_the_text(release):
    (release / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    (release / "Session2/sentences/wav/Ses02M_impro02/Ses02M_impro02_F000.wav").unlink()
    shutil.rmtree(release / "Session3/sentences/wav/Ses03M_impro08a")
    corpus, table = read(release)
    silent = table.filter(pl.col("dialogue_id") == "Ses01F_impro01")
    assert silent["text"].to_list() == [""] * 5
    assert set(silent["status"]) == {"ok"}
    missing = table.filter(pl.col("status") == "missing")
    assert missing["audio_path"].null_count() == len(missing) == 6
    assert missing["text"].str.starts_with("Turn").all()
    assert kinds(corpus) == {"missing_transcript": 1, "missing_text": 5, "missing_clip": 6}


def test_hostile_names_never_leave_the_folder(release):
    outside = release.parent / "outside_F000.wav"
    outside.touch()
    path = evaluation_file(release, "Ses01F_impro01")
    with path.open("a", encoding="latin-1") as file:
        file.write(block("../../../../../outside_F000", 90, "neu"))
        file.write(block("Ses01F_impro01_../../../../../../outside_F000", 91, "neu"))
        file.write(block("/etc/passwd", 92, "neu"))
    shutil.copy(path, path.with_name("Ses01F_...txt"))
    shutil.copy(path, path.with_name("Ses02F_impro01.txt"))
    shutil.copy(path, path.with_name("Ses01F_impro01 (copy).txt"))
    corpus, table = read(release)
    assert kinds(corpus) == {"foreign_evaluation": 3, "foreign_file": 3}
    for name in table["audio_path"]:
        assert (release / name).resolve().is_relative_to(release.resolve())
        assert ".." not in name


def test_an_absent_corpus_is_one_message(tmp_path):
    (tmp_path / "README.md").touch()
    (tmp_path / "Session1/dialog/EmoEvaluation/Categorical").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ErcError) as raised:
            read_raw(folder, "ingest.my_iemocap")
        message = str(raised.value)
        assert "\n" not in message
        for part in (folder, folder / "IEMOCAP_full_release", "dialog/EmoEvaluation", "sail.usc.edu/iemocap"):
            assert str(part) in message
        assert "ingest.my_iemocap.raw_dir" in message


def test_a_long_text_is_kept_and_recorded(release):
    path = release / "Session1/dialog/transcriptions/Ses01F_impro01.txt"
    path.write_text(f"Ses01F_impro01_F000 [000.0-002.0]: {'word ' * 2000}\n", encoding="latin-1")
    corpus, table = read(release)
    assert [issue.where for issue in corpus.issues if issue.kind == "long_text"] == ["Ses01F_impro01_F000"]
    assert len(table.filter(pl.col("utterance_id") == "Ses01F_impro01_F000")["text"].item()) == 9999


def test_a_packed_release_is_told(tmp_path):
    (tmp_path / "IEMOCAP_full_release.tar.gz").touch()
    with pytest.raises(ErcError, match=r"found is IEMOCAP_full_release\.tar\.gz, which is read unpacked only"):
        read(tmp_path)


def test_a_session_without_clips_is_one_record(release):
    shutil.rmtree(release / "Session4/sentences")
    corpus, table = read(release)
    n = table["dialogue_id"].str.starts_with("Ses04").sum()
    assert table["audio_path"].null_count() == n
    (issue,) = (issue for issue in corpus.issues if issue.kind in ("no_clips", "missing_clip"))
    assert (issue.where, issue.kind, issue.action) == ("Session4", "no_clips", "text only")
    assert f"{n} utterances" in issue.detail


def test_a_partial_release_is_an_issue(release):
    shutil.rmtree(release / "Session2")
    shutil.rmtree(release / "Session3/dialog/EmoEvaluation")
    corpus, table = read(release)
    assert [issue.where for issue in corpus.issues if issue.kind == "missing_session"] == ["Session2", "Session3"]
    assert corpus.facts["utterances expected"] == 5531
    assert {session_of(name) for name in table["dialogue_id"]} == {1, 4, 5}
    corpus, _ = read(release, classes=6)
    missing = [issue.where for issue in corpus.issues if issue.kind == "missing_dev_dialogue"]
    assert missing == [name for name in COMMON_DEV_DIALOGUES if name[4] in "23"]


def test_a_missing_test_session_is_an_error(release):
    shutil.rmtree(release / "Session2")
    with pytest.raises(ErcError, match=r"Session2.*fold = 2 tests on session 2; found are the sessions \[1, 3, 4, 5\]"):
        read(release, fold=2)
    for session in (1, 3, 4):
        shutil.rmtree(release / f"Session{session}")
    with pytest.raises(ErcError, match="nothing to train on"):
        read(release)


def test_no_label_of_the_class_set_is_an_error(tmp_path):
    for session in (4, 5):
        folder = tmp_path / f"Session{session}/dialog/EmoEvaluation"
        folder.mkdir(parents=True)
        name = f"Ses0{session}F_impro01"
        (folder / f"{name}.txt").write_text(block(f"{name}_F000", 1, "xxx"), encoding="utf-8")
    with pytest.raises(ErcError, match="no utterance has a label"):
        read(tmp_path)


def test_the_speaker_check_runs_at_every_read(made, monkeypatch):
    def random_split(dialogues, settings):
        return {name: SPLITS[index % 3] for index, name in enumerate(dialogues)}

    monkeypatch.setattr(iemocap, "split_dialogues", random_split)
    with pytest.raises(ErcError, match="speakers are in both train and test"):
        read(made)
