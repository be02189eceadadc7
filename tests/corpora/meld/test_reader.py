"""MELD in every form in which people have it, with each oddity that its files are known for."""

import csv
import io
import tarfile
from collections import Counter

import numpy as np
import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_clips import tones, write_mp4

from erc_core.corpora.meld.layout import CLIP_FOLDERS, PAGE
from erc_core.corpora.meld.reader import SHOWN_PER_KIND, MeldSettings, read_meld
from erc_core.corpora.readers import read_corpus
from erc_core.errors import ErcError
from erc_core.params.data import AudioParams, MeldIngest
from erc_core.speech.audio import load_clip
from erc_core.store.ingest import DataIssue

AUDIO = AudioParams(sample_rate=16000, downmix="center", min_seconds=0.1, max_seconds=20.0, silence_dbfs=-65.0)
SETTINGS = MeldSettings(format="meld")
COLUMNS = (
    "Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
    "StartTime", "EndTime",
)  # fmt: skip
# (dialogue, utterance) of each split: numbers restart, with gaps in dialogues and between them
ROWS = {"train": [(0, 0), (0, 1), (0, 5), (61, 0)], "dev": [(0, 0), (0, 1)], "test": [(0, 0), (0, 1), (38, 4)]}
TREE = {f"{CLIP_FOLDERS[split]}/dia{d}_utt{u}.mp4": b"clip" for split, rows in ROWS.items() for d, u in rows}


def annotation(split):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for k, (dialogue, utterance) in enumerate(ROWS[split]):
        stamp = "00:15:53,994" if k % 2 else "0:21:46,305"
        emotion = "joy" if k % 2 else "neutral"
        writer.writerow([k + 1, f"{split} don’t {k}", "Ross", emotion, "x", dialogue, utterance, 8, 21, stamp, stamp])
    return buffer.getvalue().encode()


CSVS = {f"{split}_sent_emo.csv": annotation(split) for split in ROWS}


def tar_gz(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def part_of(split):
    return tar_gz({name: content for name, content in TREE.items() if name.startswith(CLIP_FOLDERS[split])})


INNER = {f"{split}.tar.gz": part_of(split) for split in ROWS}


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def unpack_to(tmp_path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


@pytest.fixture
def read(raw, unpack_to):
    """Write files into the raw folder, read it, and check that each clip that is told lies where it is told."""

    def run(*trees, **params):
        for tree in trees:
            for name, content in tree.items():
                path = raw / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        before = sorted(raw.rglob("*"))
        corpus = read_corpus(raw, MeldIngest(format="meld", **params), unpack_to, "ingest.my_meld")
        assert sorted(raw.rglob("*")) == before
        base = raw if corpus.clips == "raw" else unpack_to
        for path in corpus.utterances["audio_path"].drop_nulls():
            assert (base / path).resolve().is_relative_to(base.resolve())
            assert (base / path).is_file()
        return corpus

    return run


def below(prefix, tree):
    return {f"{prefix}/{name}": content for name, content in tree.items()}


def clips_of(corpus):
    return dict(corpus.utterances.select("utterance_id", "audio_path").iter_rows())


def kinds(corpus):
    return Counter(issue.kind for issue in corpus.issues)


def test_the_plain_layout(read):
    corpus = read(CSVS, TREE)
    table = corpus.utterances
    assert corpus.clips == "raw"
    assert corpus.issues == []
    assert table["utterance_id"].to_list() == [f"{s}_dia{d}_utt{u}" for s, rows in ROWS.items() for d, u in rows]
    assert table["audio_path"].to_list() == list(TREE)
    assert table["dialogue_id"].unique().len() == 5
    assert table["turn"].to_list()[:4] == [0, 1, 5, 0]
    assert set(table["status"]) == {"ok"}
    assert table["text"][0] == "train don’t 0"
    assert corpus.facts["rows in train_sent_emo.csv"] == 4
    assert corpus.facts["clips in mp4"] == 9
    assert corpus.facts["clips read from"] == "folders"


ARCHIVED = {
    "as downloaded": {"MELD.Raw.tar.gz": tar_gz(INNER | CSVS)},
    "with its top folder": {"MELD.Raw.tar.gz": tar_gz(below("MELD.Raw", INNER | CSVS))},
    "annotation beside it": CSVS | {"MELD.Raw.tar.gz": tar_gz(below("./MELD.Raw", INNER))},
    "annotation in a folder": below("data/MELD", CSVS) | {"MELD.Raw.tgz": tar_gz(INNER)},
    "inner archives": CSVS | INNER,
    "inner archives, deeper": CSVS | below("MELD.Raw", INNER),
    "both": CSVS | INNER | {"MELD.Raw.tar.gz": b"not looked at"},
    "annotation in the inner ones": {
        f"{split}.tar.gz": tar_gz({f"{split}/{split}_sent_emo.csv": CSVS[f"{split}_sent_emo.csv"]} | TREE)
        for split in ROWS
    },
}


@pytest.mark.parametrize("tree", ARCHIVED.values(), ids=ARCHIVED)
def test_archives(read, tree):
    corpus = read(tree)
    assert corpus.clips == "unpacked"
    assert corpus.utterances["audio_path"].null_count() == 0
    assert corpus.issues == []
    assert corpus.facts["clips in mp4"] == 9
    assert "tar" in corpus.facts["clips read from"] or "tgz" in corpus.facts["clips read from"]


UNPACKED = {
    "below MELD.Raw": below("MELD.Raw", CSVS) | below("MELD.Raw", TREE),
    "a folder for each split": CSVS
    | {f"MELD.Raw/{s}/{name}": c for s, f in CLIP_FOLDERS.items() for name, c in TREE.items() if name.startswith(f)},
    "converted to wav": CSVS | {name.replace(".mp4", ".wav"): content for name, content in TREE.items()},
    "converted, other folders": below("data", CSVS)
    | {f"audio16k/{split}_flac/dia{d}_utt{u}.flac": b"clip" for split, rows in ROWS.items() for d, u in rows},
    "the archive still there": CSVS | TREE | {"MELD.Raw.tar.gz": b"not looked at"} | INNER,
    "annotation twice": CSVS | below("MELD.Raw", CSVS) | TREE,
    "annotation in the archive": TREE | {"MELD.Raw.tar.gz": tar_gz(INNER | CSVS)},
}


@pytest.mark.parametrize("tree", UNPACKED.values(), ids=UNPACKED)
def test_folders(read, tree, unpack_to):
    corpus = read(tree)
    assert corpus.clips == "raw"
    assert corpus.utterances["audio_path"].null_count() == 0
    assert corpus.issues == []
    assert not [path for path in unpack_to.rglob("*") if path.suffix == ".mp4"]


def test_a_raw_folder_that_is_a_link_is_followed(tmp_path, read, unpack_to, raw):
    read(CSVS, TREE)
    (tmp_path / "link").symlink_to(raw)
    assert read_meld(tmp_path / "link", SETTINGS, unpack_to, "ingest.meld").utterances["audio_path"].null_count() == 0


def test_some_splits_unpacked_and_the_whole_archive(read):
    train = {name: content for name, content in TREE.items() if name.startswith("train")}
    corpus = read(CSVS, train, {"MELD.Raw.tar.gz": tar_gz(INNER)})
    assert corpus.clips == "unpacked"
    assert kinds(corpus) == {"partly_unpacked": 1}


def test_some_splits_unpacked_and_others_not_is_told(read):
    train = {name: content for name, content in TREE.items() if name.startswith("train")}
    with pytest.raises(ErcError, match=r"clips of train are unpacked, those of dev are in dev\.tar\.gz"):
        read(CSVS, train, {"dev.tar.gz": INNER["dev.tar.gz"]})


def test_an_archive_that_is_cut_off_is_told_by_name(read):
    with pytest.raises(ErcError, match=r"MELD\.Raw\.tar\.gz.*truncated or damaged"):
        read(CSVS, {"MELD.Raw.tar.gz": tar_gz(INNER)[:-300]})


def test_an_archive_over_the_bound_is_refused(read):
    with pytest.raises(ErcError, match=r"more than ingest\.my_meld\.max_unpacked_gb"):
        read(CSVS, {"train.tar.gz": tar_gz({"train_splits/dia0_utt0.mp4": bytes(2_000_000)})}, max_unpacked_gb=0.001)


def test_an_archive_without_clips_is_told(read):
    with pytest.raises(ErcError, match=r"MELD\.Raw\.tar\.gz: holds no clips"):
        read(CSVS, {"MELD.Raw.tar.gz": tar_gz({"notes.txt": b""})})


def test_two_archives_of_the_same_are_told(read):
    with pytest.raises(ErcError, match="two archives of the same"):
        read(CSVS, {"MELD.Raw.tar.gz": b"", "old/MELD.Raw.tar.gz": b""})


def test_hostile_members_are_recorded_and_never_written(read, tmp_path):
    evil = {"../out.mp4": b"", "/tmp/erc_out.mp4": b"", "train_splits/../../../x/dia9_utt9.mp4": b""}
    corpus = read(CSVS, {"train.tar.gz": tar_gz(TREE | evil)})
    assert kinds(corpus)["unsafe_member"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "unpacked"}


TWINS = {f"{CLIP_FOLDERS['test']}/final_videos_testdia0_utt{u}.mp4": b"twin" for u in (0, 1)}


@pytest.mark.parametrize("prefer", [True, False])
def test_twins_of_the_test_split(read, prefer):
    corpus = read(CSVS, TREE, TWINS, prefer_test_twins=prefer)
    chosen = [path for path in corpus.utterances["audio_path"] if "final_videos" in path]
    assert chosen == (list(TWINS) if prefer else [])
    assert corpus.facts["test twins preferred"] == 2 * prefer
    assert corpus.facts["clips without an annotation"] == 0
    assert corpus.issues == []


def test_a_lone_twin_is_the_clip(read):
    lone = {f"{CLIP_FOLDERS['test']}/dia0_utt0.mp4"}
    corpus = read(
        CSVS, {name: content for name, content in TREE.items() if name not in lone}, TWINS, prefer_test_twins=False
    )
    assert clips_of(corpus)["test_dia0_utt0"] == next(iter(TWINS))
    assert corpus.facts["test twins preferred"] == 0


def test_of_a_clip_in_two_formats_the_converted_one_is_taken_unless_it_is_empty(read):
    corpus = read(CSVS, TREE, {"wav/train/dia0_utt0.wav": b"x", "wav/train/dia0_utt1.wav": b""})
    assert clips_of(corpus)["train_dia0_utt0"] == "wav/train/dia0_utt0.wav"
    assert clips_of(corpus)["train_dia0_utt1"] == "train_splits/dia0_utt1.mp4"
    assert corpus.facts["clips that lie there more than once"] == 2


def test_dot_files_are_ignored(read):
    dots = {
        "train_splits/._dia0_utt0.mp4": b"",
        "train_splits/._dia7_utt0.mp4": b"",
        "._train_sent_emo.csv": b"",
        ".x/dia1_utt1.mp4": b"",
    }
    assert read(CSVS, TREE, dots).issues == []


def test_clips_without_a_row(read):
    corpus = read(CSVS, TREE, {"dev_splits_complete/dia49_utt4.mp4": b"", "dev_splits_complete/dia49_utt5.mp4": b""})
    assert corpus.facts["clips without an annotation"] == 2
    assert corpus.issues == [
        DataIssue(
            f"dev_splits_complete/dia49_utt{u}.mp4",
            "clip_without_row",
            "the annotation has no such utterance",
            "left out",
        )
        for u in (4, 5)
    ]


def test_a_long_list_of_one_kind_is_cut(read):
    corpus = read(CSVS, TREE, {f"train_splits/dia900_utt{u}.mp4": b"" for u in range(SHOWN_PER_KIND + 50)})
    assert corpus.facts["clips without an annotation"] == SHOWN_PER_KIND + 50
    assert kinds(corpus)["clip_without_row"] == SHOWN_PER_KIND + 1
    assert corpus.issues[-1].detail == "50 more of the same kind"


def test_the_clip_of_a_row_that_is_left_out_is_no_orphan(read):
    labelled = CSVS | {"dev_sent_emo.csv": CSVS["dev_sent_emo.csv"].replace(b",joy,", b",glee,")}
    corpus = read(labelled, TREE)
    assert kinds(corpus) == {"unknown_emotion": 1}
    assert corpus.facts["rows left out"] == 1
    assert corpus.facts["clips in mp4"] == 8


def test_a_missing_clip_never_costs_the_text(read):
    corpus = read(CSVS, {name: content for name, content in TREE.items() if "dia0_utt1" not in name})
    missing = corpus.utterances.filter(pl.col("audio_path").is_null())
    assert missing["utterance_id"].to_list() == ["train_dia0_utt1", "dev_dia0_utt1", "test_dia0_utt1"]
    assert set(missing["status"]) == {"missing"}
    assert missing["text"].str.len_chars().min() > 0
    assert [(i.where, i.kind, i.action) for i in corpus.issues] == [
        (utterance_id, "missing_clip", "text only") for utterance_id in missing["utterance_id"]
    ]


def test_the_annotation_alone(read):
    corpus = read(below("MELD", CSVS))
    assert [issue.kind for issue in corpus.issues] == ["no_clips"]
    assert corpus.facts["clips read from"] == "none: text only"
    assert corpus.facts["utterances without a clip"] == 9
    assert set(corpus.utterances["status"]) == {"missing"}


def test_a_split_without_clips_is_one_record(read):
    corpus = read(CSVS, {name: content for name, content in TREE.items() if "test" not in name})
    assert [(issue.where, issue.kind) for issue in corpus.issues] == [("test", "no_clips")]
    assert corpus.facts["utterances without a clip"] == 3


def test_clips_in_a_folder_that_names_no_split_are_told(read):
    corpus = read(CSVS, TREE, {"clips/dia0_utt0.mp4": b"", "clips/dia0_utt1.mp4": b""})
    assert [(i.where, i.kind) for i in corpus.issues] == [("clips", "clips_without_split")]


def test_links_that_lead_out_are_refused_and_recorded(read, raw, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "dia0_utt0.mp4").write_bytes(b"secret")
    (raw / "train_splits").mkdir()
    (raw / "train_splits" / "dia0_utt0.mp4").symlink_to(outside / "dia0_utt0.mp4")
    (raw / "train_splits" / "dia0_utt1.mp4").symlink_to("/nowhere")
    (raw / "dev_extra").symlink_to(outside)
    (raw / "loop").symlink_to(raw)
    (raw / "self").symlink_to("self")
    tree = {
        name: content
        for name, content in TREE.items()
        if name not in ("train_splits/dia0_utt0.mp4", "train_splits/dia0_utt1.mp4")
    }
    corpus = read(CSVS, tree)
    assert [i.where for i in corpus.issues if i.kind == "link_outside"] == [
        "dev_extra", "train_splits/dia0_utt0.mp4", "train_splits/dia0_utt1.mp4"
    ]  # fmt: skip
    assert kinds(corpus)["missing_clip"] == 2


def test_links_that_hide_the_corpus_are_told(read, raw, tmp_path):
    (tmp_path / "MELD.Raw").mkdir()
    (raw / "MELD.Raw").symlink_to(tmp_path / "MELD.Raw")
    with pytest.raises(
        ErcError, match=r"links that lead out of the folder are not followed, such as MELD\.Raw .*raw_dir"
    ):
        read()


def test_annotations_that_differ_are_told_with_both_names(read, raw):
    with pytest.raises(ErcError, match="different content") as caught:
        read(CSVS, {"old/dev_sent_emo.csv": CSVS["dev_sent_emo.csv"] + b" "})
    assert str(raw / "dev_sent_emo.csv") in str(caught.value)
    assert str(raw / "old/dev_sent_emo.csv") in str(caught.value)


def test_the_annotation_beside_an_archive_goes_before_the_one_in_it(read):
    old = {name: content.replace("’".encode(), b"\xc2\x92") for name, content in CSVS.items()}
    assert read({"MELD.Raw.tar.gz": tar_gz(INNER | old)}, CSVS).issues == []


def test_old_annotation_of_an_archive_is_mended(read):
    old = {name: content.replace("’".encode(), b"\x92") for name, content in CSVS.items()}
    corpus = read({"MELD.Raw.tar.gz": tar_gz(INNER | old)})
    assert kinds(corpus) == {"damaged_encoding": 9}
    assert corpus.utterances["text"].str.contains("don’t").all()


@pytest.mark.parametrize(
    "tree", [{}, {"README.md": b"#"}, TREE, {"raw.zip": b"PK"}], ids=["empty", "readme", "clips", "zip"]
)
def test_a_folder_without_meld_is_one_message(read, raw, tree):
    with pytest.raises(ErcError) as caught:
        read(tree)
    message = str(caught.value)
    for told in (
        str(raw),
        *CSVS,
        "MELD.Raw.tar.gz",
        "train.tar.gz",
        *CLIP_FOLDERS.values(),
        PAGE,
        "ingest.my_meld.raw_dir",
    ):
        assert told in message
    assert "\n" not in message


def test_a_folder_that_is_not_there_is_the_same_message(tmp_path):
    with pytest.raises(ErcError, match=r"no such folder.*affective-meld\.github\.io.*ingest\.my_meld\.raw_dir"):
        read_meld(tmp_path / "nowhere", SETTINGS, tmp_path, "ingest.my_meld")


def test_a_missing_annotation_is_named(read):
    with pytest.raises(ErcError, match=r"raw: dev_sent_emo\.csv not found"):
        read({name: content for name, content in CSVS.items() if "dev" not in name}, TREE)


def test_published_sizes_are_told_where_a_file_has_them(read):
    assert "rows of MELD as published" not in read(CSVS, TREE).facts
    lines = [",".join(COLUMNS), *(f"1,a,b,joy,x,{k},0,1,1,0,0" for k in range(1109))]
    facts = read({"dev_sent_emo.csv": "\r\n".join(lines).encode()}).facts
    assert facts["rows of MELD as published"] == "9,989 / 1,109 / 2,610: not what was found"


# ---- the clips as the rest of the pipeline hears them ---------------------------------------------------------------


def loudest(samples, count=1, rate=16000):
    spectrum = np.abs(np.fft.rfft(samples[2000:6000].astype(np.float64)))
    return sorted(round(k * rate / 4000) for k in np.argsort(spectrum)[-count:])


@pytest.mark.parametrize(("layout", "heard"), [("5.1", [900]), ("stereo", [300, 600]), ("mono", [300])])
def test_speech_is_taken_from_the_centre_of_5_1_and_from_all_channels_otherwise(read, raw, layout, heard):
    write_mp4(raw / "train_splits" / "dia0_utt0.mp4", layout)
    corpus = read(CSVS)
    clip = load_clip(raw / clips_of(corpus)["train_dia0_utt0"], AUDIO)
    assert clip.status == "ok"
    assert clip.seconds == pytest.approx(0.5, abs=0.07)
    assert loudest(clip.samples, len(heard)) == heard


def test_the_same_clip_from_an_archive(read, tmp_path, unpack_to):
    write_mp4(tmp_path / "made" / "clip.mp4", "5.1")
    part = tar_gz(TREE | {"train_splits/dia0_utt0.mp4": (tmp_path / "made" / "clip.mp4").read_bytes()})
    corpus = read(CSVS, {"train.tar.gz": part})
    assert loudest(load_clip(unpack_to / clips_of(corpus)["train_dia0_utt0"], AUDIO).samples) == [900]


def test_extensible_wav_with_six_channels(read, raw):
    path = raw / "train_splits" / "dia0_utt0.wav"
    path.parent.mkdir()
    soundfile.write(path, tones("5.1", rate=16000).T, 16000, format="WAVEX")
    corpus = read(CSVS)
    assert corpus.utterances["audio_path"][0] == "train_splits/dia0_utt0.wav"
    assert loudest(load_clip(path, AUDIO).samples) == [900]


def test_broken_and_odd_clips_are_found_and_judged_later(read, raw):
    """No moov atom (train dia125_utt3), no bytes, 0.064 s, far too long (test dia38_utt4): the reader leaves each to `audio.*`."""
    folder = raw / "train_splits"
    write_mp4(folder / "dia0_utt0.mp4", "5.1")
    (folder / "dia0_utt0.mp4").write_bytes((folder / "dia0_utt0.mp4").read_bytes()[:3000])
    (folder / "dia0_utt1.mp4").touch()
    write_mp4(folder / "dia0_utt5.mp4", "stereo", seconds=0.064)
    write_mp4(raw / "output_repeated_splits_test" / "dia38_utt4.mp4", "5.1", seconds=1.5)
    corpus = read(CSVS)
    short = AUDIO.model_copy(update={"max_seconds": 1.0})
    found = {name: load_clip(raw / path, short).status for name, path in clips_of(corpus).items() if path}
    assert found == {
        "train_dia0_utt0": "undecodable", "train_dia0_utt1": "empty", "train_dia0_utt5": "too_short",
        "test_dia38_utt4": "too_long",
    }  # fmt: skip
    assert set(corpus.utterances.filter(pl.col("audio_path").is_not_null())["status"]) == {"ok"}


# ---- the real annotation --------------------------------------------------------------------------------------------

SHARED = ROOT.parent / "shared" / "data" / "meld"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MELD's annotation in ../shared/data/meld")
def test_the_real_annotation(unpack_to):
    corpus = read_corpus(SHARED, SETTINGS, unpack_to)
    table = corpus.utterances
    splits = [table.filter(pl.col("split") == split) for split in ("train", "dev", "test")]
    assert [len(split) for split in splits] == [9989, 1109, 2610]
    assert [split["dialogue_id"].n_unique() for split in splits] == [1038, 114, 280]
    assert splits[0].filter(pl.col("dialogue_id") == "train_dia60").is_empty()
    emotions = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
    assert [splits[0]["emotion"].eq(emotion).sum() for emotion in emotions] == [4710, 1743, 1205, 1109, 683, 271, 268]
    assert table["text"].str.strip_chars().str.len_chars().min() > 0
    # this copy has no C1 characters, and keeps everything else beyond ASCII
    assert not table["text"].str.contains("[\x00-\x1f\x7f-\x9f]").any()
    assert table["text"].str.contains("’").sum() > 3000
    assert table["text"].str.contains("fiancée").any()
    assert (
        table.filter(pl.col("utterance_id") == "train_dia0_utt1")["text"].item() == "You must’ve had your hands full."
    )
    assert kinds(corpus) == {"no_clips": 1}
    assert corpus.facts["rows of MELD as published"] == "9,989 / 1,109 / 2,610: all found"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MELD's annotation in ../shared/data/meld")
def test_the_real_annotation_damaged_as_old_copies_are_comes_out_the_same(raw, unpack_to):
    for split in ROWS:
        text = (SHARED / f"{split}_sent_emo.csv").read_bytes().decode()
        old = text.translate({ord("’"): "\x92", ord("‘"): "\x91", ord("“"): "\x93", ord("”"): "\x94", ord("…"): "\x85"})
        assert split != "train" or old.count("\x92") > 2000
        (raw / f"{split}_sent_emo.csv").write_bytes(old.encode())
    corpus = read_corpus(raw, SETTINGS, unpack_to)
    assert corpus.utterances.equals(read_corpus(SHARED, SETTINGS, unpack_to).utterances)
    assert kinds(corpus)["damaged_encoding"] > 3000
