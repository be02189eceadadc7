import csv
import re

import polars as pl
import pytest
from matplotlib.image import imread

from erc_core.errors import ErcError
from erc_core.report.card.record import Card
from erc_core.report.page.document import DatasetPart, Document, Picture
from erc_core.report.page.render import render_markdown
from erc_core.store.ingest import DataIssue
from stages.card import main

SECTIONS = ["Size", "Classes", "Lengths", "Facts of ingest", "Clips", "Excluded or handled", "Checks"]
CELL = re.compile(r"(?<!\\)\|")


def sections(card):
    return re.findall(r"^### (.*)$", card, re.M)


def table(card, head):
    """Return the cells of the rows of the table whose head begins with `head`, escapes undone."""
    lines = card.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([re.sub(r"\\(.)", r"\1", cell.strip()) for cell in CELL.split(line)[1:-1]])
    assert {len(row) for row in rows} == {len(CELL.split(lines[start])) - 2}
    return rows


def check(card, name):
    return next(row[1:] for row in table(card, "Check") if row[0].startswith(name))


def issues_csv(corpus):
    with (corpus.reports / "data_issues.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_card_has_its_sections_and_its_tables_count_what_polars_counts(corpus, capsys):
    corpus.fill()
    corpus.add(
        "test", audio=7, status="too_long", detail="2 s, too long", seconds=400.0, text="one two three", emotion="fear"
    )
    corpus.facts = {"rows found": 13708, "expected": 13710.5, "twins": None, "by split": {"train": 9989, "on": True}}
    corpus.issues = [DataIssue("x.csv row 3", "no_label", "empty", "left out")]
    card = corpus.card()
    assert sections(card) == SECTIONS
    assert card.startswith("# Data card: mine\n\nWhat the corpus holds")
    assert re.findall(r"^\*\*Table (\d+)\.", card, re.M) == [str(n) for n in range(1, 10)]
    assert "![Histograms of lengths" in card
    assert "](data_figures/lengths.png)" in card

    utterances = pl.DataFrame(corpus.rows)
    hours = sum(clip[2] for clip in corpus.clips) / 3600
    used = sum(map(len, corpus.samples)) / 1000 / 3600
    sizes = {row[0]: row[1:] for row in table(card, "Split")}
    assert list(sizes) == ["train", "dev (validation)", "test", "all"]
    for split, title in (("train", "train"), ("dev", "dev (validation)"), ("test", "test")):
        rows = utterances.filter(pl.col("split") == split)
        distinct = [str(rows[column].n_unique()) for column in ("dialogue_id", "speaker")]
        assert sizes[title][:5] == [str(len(rows))] * 3 + distinct
    assert sizes["all"][5:] == [f"{hours:.2f}", f"{used:.2f}"]

    assert table(card, "Emotion") == [
        ["fear", "12", "50.0%", "4", "50.0%", "5", "55.6%", "21", "51.2%"],
        ["joy", "12", "50.0%", "4", "50.0%", "4", "44.4%", "20", "48.8%"],
    ]
    lengths = {row[0]: row[1:] for row in table(card, "Length")}
    test = pl.Series([clip[2] for clip, row in zip(corpus.clips, corpus.rows, strict=True) if row["split"] == "test"])
    expected = [test.mean(), test.median(), test.quantile(0.95, "linear"), test.max()]
    assert lengths["seconds of a clip, test"] == ["9", *(f"{number:.2f}" for number in expected)]
    assert lengths["words of a text, train"] == ["24", "2.0", "2.0", "2.0", "2"]
    assert lengths["words of a text, test"][-1] == "3"
    assert lengths["characters of a text, test"][-1] == "13"
    assert table(card, "Fact") == [
        ["rows found", "13,708"],
        ["expected", "13,710.5"],
        ["twins", "–"],
        ["by split", "train: 9,989, on: yes"],
    ]
    assert {row[1] for row in table(card, "Check")} == {"pass", "not applicable"}
    assert capsys.readouterr().out == "card mine: 41 utterances, 2 issues, 0 warnings\n"


def test_duplicates_across_splits_are_found_by_content_and_within_a_split_are_not(corpus, capsys):
    corpus.fill()
    corpus.add("train", utterance_id="pair_a", text="Oh  my\tGOD", audio=1)
    corpus.add("test", utterance_id="pair_b", text="oh my god ", audio=1)
    corpus.add("dev", utterance_id="audio_a", text="this", audio=2)
    corpus.add("test", utterance_id="audio_b", text="that", audio=2)
    corpus.add("train", text="within", audio=3)
    corpus.add("train", text="within", audio=3)
    corpus.add("train", text="Yeah.", audio=4)
    corpus.add("test", text="Yeah.", audio=5)
    corpus.add("dev", text="Yeah.")
    card = corpus.card()
    assert check(card, "No text-and-audio") == ["fail", "1 text-and-audio pair in more than one split (2 utterances)"]
    words = "2 recordings in more than one split (4 utterances), 1 of them with different texts"
    assert check(card, "No audio is") == ["fail", words]
    assert check(card, "Utterances without audio") == [
        "information",
        "1 of 1 utterance, compared by text only; short texts repeat in conversation",
    ]
    assert table(card, "The same") == [
        ["text and audio", "pair_a (train), pair_b (test)", "Oh my GOD"],
        ["audio only", "audio_a (dev), audio_b (test)", "this"],
    ]
    assert sections(card) == ["Warnings", *SECTIONS]
    assert capsys.readouterr().out.splitlines() == [
        "card mine: 49 utterances, 1 issue, 2 warnings",
        "card mine: 1 text-and-audio pair in more than one split (2 utterances); the first: pair_a, pair_b",
        f"card mine: {words}; the first: audio_a, audio_b",
    ]


def test_classes_that_are_missing_or_small_and_empty_utterances_are_warned_of(corpus, capsys):
    corpus.fill(train=22)
    corpus.add("train", audio=1, emotion="disgust")
    corpus.add("dev", audio=2, emotion="awe")
    corpus.add("train", utterance_id="nothing", text=" \n ")
    card = corpus.card()
    assert check(card, "Every class is in")[0] == "warning"
    assert check(card, "Every class of train") == ["warning", "1 of 3 have fewer: disgust (1)"]
    assert check(card, "Every utterance") == ["fail", "1 utterance with neither text nor audio: nothing"]
    assert capsys.readouterr().out.splitlines() == [
        "card mine: 41 utterances, 1 issue, 5 warnings",
        "card mine: 1 class missing from train: awe: it cannot be learned",
        "card mine: 1 class missing from dev: disgust",
        "card mine: 2 classes missing from test: awe, disgust",
        "card mine: classes with fewer than 10 utterances in train: disgust (1)",
        "card mine: 1 utterance with neither text nor audio: nothing",
    ]
    assert card.count("\nWarning: ") == 5


@pytest.mark.parametrize(
    ("ingest", "split", "result"),
    [
        ({"format": "meld"}, "test", "information"),
        ({"format": "table", "split_by": "speaker"}, "dev", "fail"),
        ({"format": "iemocap"}, "dev", "information"),
        ({"format": "iemocap"}, "test", "fail"),
    ],
)
def test_speakers_of_several_splits_are_a_failure_only_where_the_protocol_says_so(corpus, ingest, split, result):
    corpus.fill()
    for name in range(12):
        corpus.add("train", audio=2 * name, speaker=f"S{name:02}")
        corpus.add(split, audio=2 * name + 1, speaker=f"S{name:02}")
    corpus.ingest = ingest
    card = corpus.card()
    found, words = check(card, "Speakers")
    assert found == result
    assert words.startswith("12 of 21 speakers: S00, S01")
    assert "S09 and 2 more" in words
    assert "S10" not in words
    assert ("Warnings" in sections(card)) == (result == "fail")


def test_a_dialogue_in_two_splits_fails(corpus):
    corpus.fill()
    corpus.add("test", audio=1, dialogue_id="train0")
    assert check(corpus.card(), "No dialogue") == ["fail", "1 dialogue in more than one split: train0"]


def test_a_corpus_without_audio_speakers_or_issues_has_a_card(corpus):
    corpus.fill(audio=False)
    for row in corpus.rows:
        row["speaker"] = None if row["split"] == "train" else ""
    corpus.clips = [(row["utterance_id"], "ok", 0.0, "") for row in corpus.rows]
    card = corpus.card()
    assert check(card, "No text-and-audio") == ["not applicable", "no utterance has both text and audio"]
    assert check(card, "No audio is") == ["not applicable", "no utterance has audio"]
    assert check(card, "Speakers") == ["not applicable", "the corpus names no speakers"]
    assert "Nothing was excluded" in card
    assert "texts in words, as no clip has a known length" in card
    assert table(card, "Split")[0][3:] == ["0", "6", "–", "0.00", "0.00"]
    assert {row[0]: row[1:] for row in table(card, "Length")}["seconds of a clip, all"] == ["0", *["–"] * 4]
    assert issues_csv(corpus) == []
    assert (corpus.reports / "data_issues.csv").read_text() == "where,split,kind,detail,action\n"


def test_the_list_of_issues_is_complete_sorted_and_reads_back(corpus):
    corpus.fill()
    for i, status in enumerate(("too_short", "missing", "missing", "too_long")):
        corpus.add(
            "dev", audio=i if status == "too_long" else None, status=status, detail=f'said "{i}",\nthen', seconds=1.0
        )
    corpus.issues = [
        DataIssue("b.csv", "odd", "x, y", "mended"),
        DataIssue("a.csv", "odd", "", "mended"),
        DataIssue("u3", "odd", "the utterance", "mended"),
        *(DataIssue(f"row {i}", "bad_row", "cut", "left out") for i in range(9)),
    ]
    card = corpus.card()
    rows = issues_csv(corpus)
    assert [tuple(row.values()) for row in rows[9:]] == [
        ("u41", "dev", "missing", 'said "1", then', "text only"),
        ("u42", "dev", "missing", 'said "2", then', "text only"),
        ("a.csv", "", "odd", "", "mended"),
        ("b.csv", "", "odd", "x, y", "mended"),
        ("u3", "train", "odd", "the utterance", "mended"),
        ("u43", "dev", "too_long", 'said "3", then', "cut to audio.max_seconds"),
        ("u40", "dev", "too_short", 'said "0", then', "text only"),
    ]
    again = pl.read_csv(corpus.reports / "data_issues.csv", infer_schema=False)
    assert again.fill_null("").rows() == [tuple(row.values()) for row in rows]
    kinds = table(card, "Kind")
    assert kinds[0] == ["bad_row", "9", "left out", "row 0, row 1, row 2 and 6 more", "cut"]
    assert [row[:2] for row in kinds] == [
        ["bad_row", "9"],
        ["missing", "2"],
        ["odd", "3"],
        ["too_long", "1"],
        ["too_short", "1"],
    ]
    assert sum(int(row[1]) for row in kinds) == len(rows)


def test_missing_clips_are_listed_once_and_in_one_line_where_a_split_has_none(corpus):
    corpus.fill(dev=6)
    for row in corpus.rows[24:30]:
        row["audio_path"] = None
    corpus.clips[24:30] = [(row["utterance_id"], "missing", 0.0, "no such clip") for row in corpus.rows[24:30]]
    told, untold = corpus.add("train"), corpus.add("train")
    corpus.issues = [DataIssue(told, "missing_clip", "told by the reader", "text only")]
    card = corpus.card()
    assert [tuple(row.values()) for row in issues_csv(corpus)] == [
        ("dev", "", "missing", "none of 6 utterances has a clip", "text only"),
        (untold, "train", "missing", "no such clip", "text only"),
        (told, "train", "missing_clip", "told by the reader", "text only"),
    ]
    assert check(card, "In every split") == ["pass", "38 of 40 have it"]


def test_many_utterances_without_audio_are_warned_of(corpus, capsys):
    corpus.fill(dev=20)
    for _ in range(6):
        corpus.add("dev")
    words = "no audio in 6 of 26 utterances of dev"
    assert check(corpus.card(), "In every split") == ["warning", words]
    assert f"card mine: {words}; if they should have, look at the raw folder" in capsys.readouterr().out


def test_every_clip_that_is_not_ordinary_is_named_up_to_a_number(corpus):
    corpus.fill()
    assert "No clip needed special treatment." in corpus.card()
    names = [corpus.add("test", audio=i, status="too_long", detail="too | long") for i in range(20)]
    card = corpus.card()
    row = ["test", "`too_long`", "too | long", "cut to audio.max_seconds"]
    assert table(card, "Utterance") == [[f"`{name}`", *row] for name in names]
    assert "what was done (all)" in card
    corpus.add("dev", status="silent", detail="level −91 dBFS")
    card = corpus.card()
    assert len(table(card, "Utterance")) == 20
    assert "what was done (the first 20 of 21)" in card
    assert "1 more: see reports/mine/data\\_issues.csv for all of them." in card
    statuses = {row[0]: row[2:] for row in table(card, "Status")}
    assert len(statuses) == 10
    assert statuses["`ok`"] == ["40", "used"]
    assert statuses["`too_long`"] == ["20", "cut to audio.max_seconds"]
    assert statuses["`silent`"] == ["1", "text only"]


def test_a_corpus_of_texts_is_said_to_be_one(corpus):
    corpus.fill(audio=False)
    card = corpus.card()
    assert "The corpus has no clip at all: it is read as text." in card
    assert "| Utterance |" not in card


SCRIPTED = "No sentence of a script"


def test_sentences_of_a_script_that_other_sessions_read_too_are_warned_of(corpus, capsys):
    corpus.ingest = {"format": "iemocap"}
    corpus.fill(test=6, dev=4)
    for n, (split, dialogue, text) in enumerate(
        [
            ("train", "Ses01F_script01_1", "Did you see it?"),
            ("train", "Ses02M_script02_2", "We're  going HOME."),
            ("train", "Ses01F_impro01", "Excuse me."),
            ("test", "Ses05F_script01_1", "did you see it? "),
            ("test", "Ses05M_script01_1b", "Did you see it?"),  # a second take of the same script
            ("test", "Ses05M_script02_1", "Did you see it?"),  # another script
            ("test", "Ses05F_impro01", "Excuse me."),  # nobody wrote this one down before
            ("dev", "Ses03F_script02_2", "we're going home."),
            ("dev", "Ses03F_script02_2", "Nobody else says this."),
        ]
    ):
        corpus.add(
            split, text=text, audio=n, dialogue_id=dialogue, utterance_id=f"{dialogue}_{n}", speaker=f"{split} 9"
        )
    words = (
        "2 of 10 utterances of test (20.0%) and 1 of 6 utterances of dev (16.7%) have the text of an utterance of train from "
        "the same script: script01_1, script02_2"
    )
    card = corpus.card()
    assert check(card, SCRIPTED) == ["warning", words]
    assert f"card mine: {words}; scores on them are not about new sentences" in capsys.readouterr().out
    assert sections(card)[0] == "Warnings"


@pytest.mark.parametrize(
    ("dialogues", "result"),
    [
        ({}, ["not applicable", "no utterance of test or dev is of a scripted dialogue"]),
        ({"test": "Ses05F_script01_1"}, ["pass", "1 utterance of scripted dialogues compared within their script"]),
        (
            {"test": "Ses05F_script01_1", "train": "Ses01F_script01_2"},
            ["pass", "1 utterance of scripted dialogues compared within their script"],
        ),
    ],
)
def test_scripts_that_are_in_one_split_are_no_leak(corpus, dialogues, result):
    corpus.ingest = {"format": "iemocap"}
    corpus.fill()
    for n, (split, dialogue) in enumerate(dialogues.items()):
        corpus.add(split, text="The same.", audio=n, dialogue_id=dialogue)
    card = corpus.card()
    assert check(card, SCRIPTED) == result
    assert "Warnings" not in sections(card)
    corpus.ingest = {"format": "table"}
    assert SCRIPTED not in corpus.card()


def test_the_record_says_what_the_page_says(corpus):
    corpus.fill(train=9)
    corpus.add("test", audio=1)
    page = corpus.card()
    card = Card.read("mine", corpus.root)
    document = Document("x", "y", [DatasetPart("mine", synthetic=False, sections=card.sections)])
    again = render_markdown(document)
    assert again.split("## Dataset mine")[1] == page.split("## Dataset mine")[1]
    (picture,) = [block for section in card.sections for block in section.blocks if isinstance(block, Picture)]
    assert picture.drawn.svg_uri.startswith("data:image/svg+xml;base64,")
    assert (corpus.reports / picture.drawn.png).is_file()


HOSTILE = "<script>alert(1)</script> | [x](http://evil) **b** `c` $d$ \n# head\n| a | b |\r\x1b[31m \u202e www.evil.com"


def test_hostile_text_stays_text(corpus, capsys):
    corpus.fill(train=8)
    corpus.add(
        "train", utterance_id=HOSTILE, text=HOSTILE, audio=1, emotion=HOSTILE, speaker=HOSTILE, dialogue_id=HOSTILE
    )
    corpus.add("test", utterance_id="other", text=HOSTILE, audio=1, speaker=HOSTILE, dialogue_id=HOSTILE)
    corpus.add("dev", utterance_id=HOSTILE + "2", text=" ", status="undecodable", detail=HOSTILE)
    corpus.facts = {HOSTILE: [HOSTILE], "nested": {HOSTILE: HOSTILE}, "long": "x" * 10_000}
    corpus.issues = [DataIssue(HOSTILE, HOSTILE, HOSTILE, HOSTILE)]
    card = corpus.card()
    assert sections(card) == ["Warnings", *SECTIONS]
    prose = card.replace("![Histograms of lengths, one for each split; the numbers are in the table above.](", "")
    for raw in ("<script", "](http", "**b", "$d", "http://", "www.evil", "\x1b", "\u202e", "\r"):
        assert not re.search(r"(?<!\\)" + re.escape(raw), prose), raw
    assert len(re.findall("^# ", card, re.M)) == 1
    for head in ("Split", "Emotion", "Length", "Fact", "Parameter", "Kind", "Check", "The same"):
        assert table(card, head)
    assert max(map(len, card.splitlines())) < 3000
    rows = issues_csv(corpus)
    assert [row["split"] for row in rows if row["where"].startswith("<script>")] == ["train", "dev"]
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert all(line.startswith("card mine: ") for line in printed.splitlines())


def test_the_same_corpus_gives_the_same_bytes_and_a_figure_that_can_be_seen(corpus):
    corpus.fill()
    corpus.add("test", audio=3, status="too_long", detail="long", seconds=305.0)
    corpus.card()
    first = {path.name: path.read_bytes() for path in corpus.reports.rglob("*") if path.is_file()}
    assert sorted(first) == ["data.md", "data_issues.csv", "lengths.png", "lengths.svg"]
    corpus.card()
    assert {path.name: path.read_bytes() for path in corpus.reports.rglob("*") if path.is_file()} == first
    pixels = imread(corpus.reports / "data_figures" / "lengths.png")[..., :3]
    assert pixels.shape[1] == 680
    assert 0.02 < (pixels < 0.9).any(axis=-1).mean() < 0.9


def test_only_a_synthetic_corpus_is_said_to_be(corpus):
    corpus.fill()
    assert "eSpeak" not in corpus.card()
    corpus.synthetic = True  # whatever its name
    assert corpus.card().startswith("# Data card: mine\n\n> **Synthetic speech.** This corpus was spoken by eSpeak NG")


def test_files_that_do_not_fit_together_or_are_damaged_are_told(corpus):
    corpus.fill()
    corpus.write()
    record = corpus.folder / "ingest.json"
    for damaged in ("{", "[]", '{"ingest": {}, "facts": {}}', '{"ingest": {}, "facts": {}, "issues": [{"where": 1}]}'):
        record.write_text(damaged)
        with pytest.raises(ErcError, match=r"ingest\.json"):
            main(corpus.params, corpus.dataset)
    record.unlink()
    with pytest.raises(ErcError, match="the stage ingest makes it"):
        main(corpus.params, corpus.dataset)
    corpus.clips.reverse()
    corpus.write()
    with pytest.raises(ErcError, match=r"clips\.parquet"):
        main(corpus.params, corpus.dataset)


def test_texts_that_say_nothing_and_a_few_speakers_are_warned_of(corpus, capsys):
    corpus.ingest = {"format": "table", "split_by": "speaker"}
    for split in ("train", "train", "dev", "test", "test"):
        for n in range(40):
            row = {
                "emotion": ("joy", "fear")[n % 2],
                "dialogue_id": f"d{len(corpus.rows)}",
                "speaker": f"{split} {n % 2}",
            }
            corpus.add(split, text=f"Sentence {n // 2}" + "." * (n // 20), audio=len(corpus.rows), **row)
    card = corpus.card()
    told = "40 of 40 utterances of dev (100.0%) and 80 of 80 utterances of test (100.0%)"
    assert check(card, "Utterances of dev and test") == ["warning", told]
    assert check(card, "Texts that occur") == ["warning", "20 texts, of 200 of 200 utterances"]
    assert check(card, "The test split has")[0] == "warning"
    assert check(card, "No dialogue is") == [
        "not applicable",
        "the corpus names no dialogues: every utterance stands alone",
    ]
    assert {row[4] for row in table(card, "Split")} == {"–"}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("3 warnings")
    assert f"card mine: {told} have a text that is also in train: scores are not about new sentences" in lines
    assert "right in 50.0%, the most frequent of all in 50.0%" in lines[-1]
    assert any("the test split has 2 speakers, none of them in train" in line for line in lines)


def test_short_words_that_repeat_are_no_warning(corpus):
    corpus.fill()
    corpus.add("train", text="Yeah", audio=1)
    corpus.add("test", text="yeah ", audio=2)
    card = corpus.card()
    told = "0 of 8 utterances of dev (0.0%) and 1 of 9 utterances of test (11.1%)"
    assert check(card, "Utterances of dev and test") == ["information", told]
    assert "Warnings" not in sections(card)
