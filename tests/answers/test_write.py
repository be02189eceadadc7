from made_up_answers import answered, write_sound

from erc_core.answers.write import write_answers

ALWAYS = ["predictions.csv", "predictions.parquet", "predictions.json"]
TIMED = ["predictions.vtt", "predictions.srt", "predictions.TextGrid"]
PAGE = ["conversation.html"]


def test_it_says_what_it_wrote(tmp_path):
    written = write_answers(answered(3), tmp_path / "out", embed_audio=False)
    assert [path.name for path in written] == ALWAYS + TIMED + PAGE
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(ALWAYS + TIMED + PAGE)


def test_without_times_there_are_no_subtitles_nor_old_ones(tmp_path):
    write_answers(answered(3), tmp_path, embed_audio=False)
    written = write_answers(answered(3, timed=False), tmp_path, embed_audio=False)
    assert [path.name for path in written] == ALWAYS + PAGE
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(ALWAYS + PAGE)


def test_times_in_several_recordings_are_on_no_time_line(tmp_path):
    written = write_answers(answered(2, audio=["a.wav", "b.wav"]), tmp_path, embed_audio=False)
    assert [path.name for path in written] == ALWAYS + PAGE


def test_the_same_answer_gives_the_same_bytes_wherever_it_lies(tmp_path):
    contents = []
    for name in ("one", "two"):
        recording = write_sound(tmp_path / name / "rec.wav", 3)
        folder = tmp_path / name / "out"
        given = answered(3, recording=recording, audio=[str(recording)] * 3)
        written = write_answers(given, folder, embed_audio=name == "one")
        written = write_answers(given, folder, embed_audio=True)
        contents.append([path.read_bytes() for path in written])
        assert all(str(tmp_path).encode() not in content for content in contents[-1])
    assert contents[0] == contents[1]


def test_nobody_and_nothing(tmp_path):
    written = write_answers(answered(0), tmp_path, embed_audio=False)
    assert [path.name for path in written] == ALWAYS + PAGE
