import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import soundfile
import torch
from made_up_model import LABELS, PARAMS, save_made_up_model, speech
from polars.testing import assert_frame_equal

from erc_core import Predictor
from erc_core.conversation.segments import STATUSES
from erc_core.errors import ErcError
from erc_core.models.save import load_model
from erc_core.speech.audio import load_clip
from erc_core.speech.mel import LogMel
from erc_core.speech.samples import to_float
from erc_core.store.checksums import seal_folder
from erc_core.text.encoder import FrozenTextEncoder, load_text_encoder
from erc_core.text.tokens import learn_tokenizer, load_tokenizer, save_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_made_up_model(tmp_path_factory.mktemp("made_up") / "model")


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.from_pretrained(folder, device="cpu")


@pytest.fixture
def clip(tmp_path):
    soundfile.write(tmp_path / "clip.wav", speech(1.3), 16000)
    return tmp_path / "clip.wav"


def answers(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("emotion", "confidence", *(f"p_{label}" for label in LABELS))


def test_importing_the_package_brings_no_torch():
    code = "import sys, erc_core; sys.exit('torch' in sys.modules or 'polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_columns_come_back_in_their_order_and_the_answer_after_them(predictor, clip):
    table = pl.DataFrame({"z": [1, 2], "text": ["hello", "bye"], "audio": [str(clip), None], "a": ["x", "y"]})
    answered = predictor(table)
    expected = ["z", "text", "audio", "a", "emotion", "confidence", "p_neutral", "p_joy", "p_anger", "status", "detail"]
    assert answered.columns == expected
    assert_frame_equal(answered.select(table.columns), table)
    assert answered["status"].to_list() == ["ok", "missing"]
    assert answered.schema["status"] == pl.Enum(STATUSES)
    probabilities = answered.select(f"p_{label}" for label in LABELS).to_numpy()
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert answered["emotion"].to_list() == [LABELS[best] for best in probabilities.argmax(axis=1)]
    assert np.array_equal(answered["confidence"], probabilities.max(axis=1))


def test_columns_of_the_answers_names_are_kept_under_others(predictor):
    table = pl.DataFrame({"emotion": ["joy"], "emotion_given": ["older"], "text": ["hello"], "status": [3]})
    answered = predictor(table)
    assert answered["emotion_given"].to_list() == ["older"]
    assert answered["emotion_given_given"].to_list() == ["joy"]
    assert answered["status_given"].to_list() == [3]
    assert answered["emotion"][0] in LABELS


def test_the_numbers_are_those_of_an_independent_computation(folder, predictor, clip):
    saved = load_model(folder)
    samples = load_clip(clip, PARAMS.audio).samples
    mel = torch.from_numpy(LogMel(PARAMS.mel, 16000)(to_float(samples)).astype(np.float32))[None]
    encoder = FrozenTextEncoder(load_text_encoder(folder / "text_encoder"), torch.device("cpu"), exact=True)
    ids = np.array(load_tokenizer(folder / "tokenizer").encode("hello there").ids, np.int32)
    (text,) = encoder([ids], 1)
    model = saved.model.double()
    from erc_core.models.batch import Batch

    batch = Batch(
        text_BTE=torch.from_numpy(text.astype(np.float64))[None],
        tokens_B=torch.tensor([len(ids)]),
        mel_BFM=mel.double(),
        frames_B=torch.tensor([mel.shape[1]]),
        labels_B=torch.empty(0, dtype=torch.int64),
        index_B=torch.tensor([0]),
    )
    with torch.inference_mode():
        logits = model(batch).logits_BC[0].numpy()
    expected = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum()
    answered = predictor([{"text": "hello there", "audio": clip}])
    assert np.allclose([answered[f"p_{label}"][0] for label in LABELS], expected, atol=1e-5, rtol=0)


def test_a_path_samples_and_what_datasets_hold_give_the_same(predictor, clip):
    samples, rate = soundfile.read(clip, dtype="int16")
    ways = [
        {"audio": str(clip)},
        {"audio": clip},
        {"audio": samples, "sample_rate": rate},
        {"audio": (samples / 32768).astype(np.float32), "sampling_rate": rate},
        {"audio": {"array": samples.astype(np.float64) / 32768, "sampling_rate": rate}},
    ]
    answered = predictor([{"text": "hello"} | way for way in ways])
    assert answered["status"].to_list() == ["ok"] * len(ways)
    for row in answers(answered).rows()[1:]:
        assert row[0] == answered["emotion"][0]
        assert np.allclose(row[1:], answers(answered).row(0)[1:], atol=1e-6)


def test_tables_of_polars_and_pandas_and_lists_give_the_same(predictor, clip):
    pd = pytest.importorskip("pandas")
    rows = [{"text": "hello", "audio": str(clip)}, {"text": "bye", "audio": None}]
    listed = predictor(rows)
    assert_frame_equal(predictor(pl.DataFrame(rows)), listed)
    assert_frame_equal(predictor(pd.DataFrame(rows)), listed)


def test_what_else_is_in_the_conversation_changes_no_answer(predictor, clip):
    rows = [{"text": f"hello {'there ' * (n % 40)}", "audio": clip if n % 3 else None} for n in range(300)]
    together = predictor(rows)
    for n in (0, 1, 150, 299):
        alone = predictor([rows[n]])
        assert alone["emotion"][0] == together["emotion"][n]
        assert np.allclose(answers(alone).row(0)[1:], answers(together).row(n)[1:], atol=1e-5)
    assert together["text"].to_list() == [row["text"] for row in rows]


def test_an_utterance_without_usable_speech_is_answered_from_its_text(predictor, tmp_path, clip):
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "short.wav", speech(0.05), 16000)
    names = ["broken.wav", "silent.wav", "short.wav", "absent.wav"]
    answered = predictor([{"text": "hello", "audio": tmp_path / name} for name in names] + ["hello"])
    assert answered["status"].to_list() == ["undecodable", "silent", "too_short", "missing", "missing"]
    assert answered["emotion"].null_count() == 0
    assert answered["p_joy"].n_unique() == 1
    assert all(detail.endswith("answered from the text alone") for detail in answered["detail"])


def test_an_utterance_with_neither_is_a_row_with_a_reason(predictor, clip):
    answered = predictor([{"text": " \n", "audio": None}, {"text": None, "audio": clip}, {"text": "hello"}])
    assert answered["emotion"].is_null().to_list() == [True, False, False]
    assert answered["p_joy"].is_null().to_list() == [True, False, False]
    assert answered["confidence"].is_null().to_list() == [True, False, False]
    assert answered["detail"][0] == "no audio was given; no answer: no words either"
    assert answered["detail"][1] == "no words: answered from the speech alone"


@pytest.mark.parametrize("modality", ["T", "A"])
def test_a_model_of_one_modality_reads_that_alone(tmp_path, clip, modality):
    predictor = Predictor.from_pretrained(save_made_up_model(tmp_path / "one", modality))
    rows = [{"text": "hello", "audio": clip}, {"text": "hello"}, {"audio": clip}]
    answered = predictor(rows)
    if modality == "T":
        assert answered["status"].to_list() == ["ok", "ok", "no_text"]
        assert answered["emotion"].is_null().to_list() == [False, False, True]
        assert answered["p_joy"][0] == pytest.approx(answered["p_joy"][1], abs=1e-6)
    else:
        assert answered["status"].to_list() == ["ok", "missing", "ok"]
        assert answered["emotion"].is_null().to_list() == [False, True, False]
        assert answered["p_joy"][0] == pytest.approx(answered["p_joy"][2], abs=1e-6)


def test_text_is_mended_as_a_corpus_text_is(predictor):
    answered = predictor(["don’t", "  don\x92t\n"])
    assert answered["p_joy"][0] == answered["p_joy"][1]
    assert answered["text"][1] == "  don\x92t\n"


def test_uncertain_marks_what_is_below(predictor):
    rows = ["hello", "bye", ""]
    confidence = predictor(rows)["confidence"].to_list()
    marked = predictor(rows, min_confidence=max(confidence[:2]))
    assert marked["uncertain"].to_list() == [value < max(confidence[:2]) for value in confidence[:2]] + [None]
    assert "uncertain" not in predictor(rows).columns


def test_an_empty_conversation_is_an_empty_table(predictor):
    assert predictor([]).height == 0
    assert predictor(pl.DataFrame({"text": []}, schema={"text": pl.String})).columns[:2] == ["text", "emotion"]


def test_threads_of_the_caller_stay(predictor):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        predictor(["hello"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("hello", TypeError, "a list of utterances"),
        ({"text": "hello"}, TypeError, "a list of utterances"),
        ([{"audio": np.zeros(10)}], ErcError, "utterance 0: samples need their rate"),
        ([{"audio": np.zeros((2, 2, 2)), "sample_rate": 8000}], ErcError, "samples"),
        ([{"audio": np.zeros(9, np.int32), "sample_rate": 8000}], ErcError, "16-bit"),
        (pl.DataFrame({"text": ["a"], "start": ["soon"]}), ErcError, "row 0, column start: 'soon' is not a number of seconds"),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_told(predictor, given, error, words):
    with pytest.raises(error, match=words):
        predictor(given)


# ---- the folder ----


def test_a_folder_that_is_not_there_is_told_without_a_network(tmp_path):
    with pytest.raises(ErcError, match="no such folder; `dvc repro` makes"):
        Predictor.from_pretrained(tmp_path / "none")
    with pytest.raises(ErcError, match=r"user/name: no such folder, not in the hub's cache.*hf download user/name"):
        Predictor.from_pretrained("user/name")


def test_another_tokenizer_is_refused(tmp_path):
    folder = save_made_up_model(tmp_path / "model")
    save_tokenizer(learn_tokenizer(["other words altogether"], 300), folder / "tokenizer")
    seal_folder(folder)
    with pytest.raises(ErcError, match="is not the tokenizer that this model was trained with"):
        Predictor.from_pretrained(folder)


def test_another_encoder_is_refused(tmp_path):
    folder = save_made_up_model(tmp_path / "model", text_encoder_checksum="0" * 32)
    with pytest.raises(ErcError, match="is not the text encoder that this model was trained with"):
        Predictor.from_pretrained(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": {}},
        {"features": None},
        {"text_encoder": {"source": "pickle"}},
        {"text_encoder": 3},
        {"params": {"train": {"precision": "float8"}}},
        {"tokenizer_checksum": None},
        {"calibration": {"temperature": -1}},
    ],
)
def test_a_folder_that_does_not_say_what_it_reads_is_one_line(tmp_path, changes):
    folder = save_made_up_model(tmp_path / "model", **changes)
    with pytest.raises(ErcError) as raised:
        Predictor.from_pretrained(folder)
    assert "\n" not in str(raised.value)
    assert "config.json" in str(raised.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer/tokenizer.json"])
def test_what_lacks_in_a_folder_has_the_remedy_that_helps_there(tmp_path, name):
    folder = save_made_up_model(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(
        ErcError, match=rf"{name}: (not found|missing); get the model's folder again from where it came$"
    ):
        Predictor.from_pretrained(folder)


def test_a_damaged_folder_has_the_remedy_that_helps_there(tmp_path, monkeypatch):
    folder = save_made_up_model(tmp_path / "data" / "made_up" / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErcError, match=r"; get the model's folder again from where it came$"):
        Predictor.from_pretrained(folder)
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(ErcError, match=r"; run `python -m erc_core.run.mend .*`, then `dvc repro`$"):
        Predictor.from_pretrained(folder)


@pytest.mark.parametrize("device", ["nope", "cuda:99", "xpu"])
def test_a_device_that_is_not_there_is_told_in_one_line(folder, device):
    with pytest.raises(ErcError, match=f"device '{device}': not to be had") as raised:
        Predictor.from_pretrained(folder, device=device)
    assert "\n" not in str(raised.value)


def test_the_fingerprint_is_of_the_content(tmp_path, folder, predictor):
    again = Predictor.from_pretrained(save_made_up_model(tmp_path / "again"))
    assert again.fingerprint == predictor.fingerprint
    other = Predictor.from_pretrained(save_made_up_model(tmp_path / "other", calibration={"temperature": 2.1}))
    assert other.fingerprint != predictor.fingerprint
    assert predictor.facts["name"] == "made_up"
    assert str(folder) not in json.dumps(predictor.facts)
