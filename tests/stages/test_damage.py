"""What a stage reads, damaged or of another kind though its checksum is right: one line, which says how to mend it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_up_features import write_features

from erc_core.errors import ErcError
from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.save import check_extras
from erc_core.params.schema import dump, speech_params, text_params
from erc_core.report.card.source import load_source
from erc_core.store.checksums import file_checksum, seal_folder
from erc_core.store.clips import write_clips
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged import RaggedReader
from erc_core.store.ragged_writer import RaggedWriter, params_attribute
from erc_core.store.utterances import read_utterances
from erc_core.training.record import Epoch, TrainingRecord, write_history
from stages import embed, evaluate, mel, study, train

MEND = r"run `python -m erc_core\.run\.mend .*`, then `dvc repro`$"


def write(path: Path, *, dtype="int32", width: int | None = None, **attributes) -> None:
    """Write four frames of each utterance of the corpus in the folder."""
    ids = read_utterances(path.parent)["utterance_id"].to_list()
    with RaggedWriter(path, dtype=dtype, width=width, attributes=attributes) as writer:
        for utterance_id in ids:
            writer.append(utterance_id, np.ones((4,) if width is None else (4, width), dtype))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ({"width": 1, "vocab_size": 9}, r"holds int32 \(1,\), not single values of int32"),
        ({"dtype": "float32", "vocab_size": 9}, r"holds float32 \(\), not single values of int32"),
        ({"dtype": ">i4", "vocab_size": 9}, r"holds >i4 \(\), not single values of int32"),
        ({}, "lacks its number 'vocab_size'"),
    ],
)
def test_tokens_of_another_kind_are_not_embedded(corpus, monkeypatch, make_params, kind, told):
    monkeypatch.chdir(corpus.parents[1])
    params = make_params()
    write(corpus / "tokens.h5", **kind, **params_attribute(text_params(params)))
    with pytest.raises(ErcError, match=f"^data/made_up/tokens.h5: {told}; {MEND}"):
        embed.main(params, "made_up")


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ([3, 9, 0], "train_0 has the token ids 0 to 9, but the encoder knows 0 to 8"),
        ([3, -1], "train_0 has the token ids -1 to 3, but the encoder knows 0 to 8"),
        ([3] * 600, "has 600 tokens of a text, but text.max_tokens = 128"),
    ],
)
def test_tokens_that_the_encoder_does_not_know_are_told(corpus, monkeypatch, make_params, tokens, told):
    monkeypatch.chdir(corpus.parents[1])
    params = make_params(text__max_tokens=128)
    with RaggedWriter(
        corpus / "tokens.h5",
        dtype="int32",
        width=None,
        attributes={"vocab_size": 9, "tokenizer_checksum": "0" * 32} | params_attribute(text_params(params)),
    ) as writer:
        writer.append("train_0", np.array(tokens, "int32"))
    with pytest.raises(ErcError, match=f"^data/made_up/tokens.h5: {told}; {MEND}"):
        embed.main(params, "made_up")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ({"dtype": "int16", "width": 2, "sample_rate": 16000}, r"holds int16 \(2,\), not single values of int16"),
        ({"dtype": ">i2", "sample_rate": 16000}, r"holds >i2 \(\), not single values of int16"),
        ({"dtype": "int16"}, "lacks its number 'sample_rate'"),
    ],
)
def test_audio_of_another_kind_has_no_spectrograms(corpus, monkeypatch, make_params, kind, told):
    monkeypatch.chdir(corpus.parents[1])
    params = make_params()
    write(corpus / "audio.h5", **kind, **params_attribute({"audio": dump(params.audio)}))
    with pytest.raises(ErcError, match=f"audio.h5: {told}; {MEND}"):
        mel.main(params, "made_up")


def test_audio_without_its_rate_has_no_card(corpus):
    write(corpus / "audio.h5", dtype="int16")
    ids = read_utterances(corpus)["utterance_id"].to_list()
    write_clips([(utterance_id, "ok", 1.0, "") for utterance_id in ids], corpus)
    IngestRecord(ingest={"format": "table"}, clips="raw", synthetic=False, facts={}, issues=[]).write(corpus)
    with pytest.raises(ErcError, match=f"audio.h5: lacks its number 'sample_rate'; {MEND}"):
        load_source("made_up", corpus)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ({"dtype": ">f2", "width": 16}, r"holds >f2 \(16,\), not rows of float16"),
        ({"dtype": "float16"}, r"holds float16 \(\), not rows of float16"),
        ({"dtype": "float16", "width": 15}, "holds frames of width 15, but config.json says 16"),
    ],
)
def test_features_of_another_width_byte_order_or_rank_are_refused(corpus, kind, told):
    write(corpus / "text.h5", **kind)
    with pytest.raises(ErcError, match=f"text.h5: {told}; {MEND}"):  # noqa: SIM117 - either of both refuses
        with FeatureSet(corpus, ("neutral", "joy", "anger"), how="lazy") as features:
            features.require_widths(16, 32, "config.json")


@pytest.mark.parametrize("main", [train.main, partial(study.main, variant="full")])
@pytest.mark.parametrize(("file", "width"), [("mel.h5", 32), ("text.h5", 16)])
def test_features_of_another_width_than_params_say_are_not_learned(corpus, monkeypatch, make_params, main, file, width):
    params = make_params(mel__n_mels=32, backbones__tiny__text_encoder__width=16)
    write_features(corpus, {"train": 9, "dev": 3, "test": 3}, params)
    monkeypatch.chdir(corpus.parents[1])
    for folder in ("tokenizer", "text_encoder"):
        (corpus / folder).mkdir()
    made = params_attribute(speech_params(params) | text_params(params))
    write(corpus / file, dtype="float16", width=width - 1, **made)
    with pytest.raises(
        ErcError, match=f"{file}: holds frames of width {width - 1}, but params.yaml says {width}; {MEND}"
    ):
        main(params, "made_up")


def damage_value(path: Path, utterance: int, value: float) -> str:
    """Put a value into an utterance's frames, as a stage that went wrong would: the checksums are right. Returns its id."""
    with RaggedReader(path) as reader:
        rows, ids, attributes = reader.read_range(0, len(reader)), reader.ids, reader.attributes
    rows[utterance][0, 0] = value
    own = {name: of for name, of in attributes.items() if name not in ("format", "format_version", "checksum")}
    with RaggedWriter(path, dtype="float16", width=rows[0].shape[1], attributes=own) as writer:
        for utterance_id, frames in zip(ids, rows, strict=True):
            writer.append(utterance_id, frames)
    return ids[utterance]


@pytest.mark.parametrize("how", ["memory", "lazy"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("file", ["mel.h5", "text.h5"])
def test_a_value_that_is_not_finite_is_told_before_a_model_reads_it(corpus, how, value, file):
    utterance_id = damage_value(corpus / file, 3, value)
    told = f"{file}: {utterance_id} has values that are not finite; {MEND}"
    with FeatureSet(corpus, ("neutral", "joy", "anger"), how=how) as features:
        features.batch(np.array([0, 4]))
        with pytest.raises(ErcError, match=told):
            features.batch(np.array([0, 3, 4]))
        with pytest.raises(ErcError, match=told):
            DialogueFeatures(features)


def test_mel_statistics_that_are_not_finite_are_told(corpus):
    write(corpus / "mel.h5", dtype="float16", width=2, mean=np.ones(2), std=np.array([1.0, np.nan]))
    with (
        FeatureSet(corpus, ("neutral", "joy", "anger"), how="lazy") as features,
        pytest.raises(ErcError, match=f"mel.h5: lacks a finite mean and std of its 2 bins; {MEND}"),
    ):
        _ = features.mel_statistics


def test_parameters_that_features_were_not_made_with_are_told_with_both_values(corpus):
    write(corpus / "text.h5", dtype="float16", width=16, **params_attribute({"text": {"max_tokens": 64}}))
    asked = {"audio": {}, "mel": {}, "text": {"max_tokens": 128}, "text_encoder": {}}
    with (
        FeatureSet(corpus, ("neutral", "joy", "anger"), how="lazy") as features,
        pytest.raises(ErcError, match=r"text.h5: made with text.max_tokens = 64, but params.yaml says 128; run"),
    ):
        features.require_params(asked)


@pytest.mark.parametrize("damage", ["absent", "cut", "flipped"])
def test_a_damaged_tokenizer_is_told_before_it_is_sealed_into_a_model(tmp_path, damage):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    check_extras([folder])  # empty: the encoder has a name
    file = folder / "tokenizer.json"
    file.write_bytes(b"content")
    seal_folder(folder)
    check_extras([folder])
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(b"con" if damage == "cut" else b"content"[::-1])
    with pytest.raises(ErcError, match=f"tokenizer.json: .*{MEND}"):
        check_extras([folder])


def test_an_absent_folder_is_told(tmp_path):
    with pytest.raises(ErcError, match=r"text_encoder: not found; run `dvc repro`$"):
        check_extras([tmp_path / "text_encoder"])


def test_a_history_that_train_did_not_write_is_not_sealed_by_the_evaluation(tmp_path, monkeypatch, make_params):
    monkeypatch.chdir(tmp_path)
    reports = Path("reports/made_up")
    epoch = Epoch(1, 0.1, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5)
    write_history(reports, [epoch])
    TrainingRecord(
        seed=0, best_epoch=1, epochs=1, stopped_by="epochs", val_acc=0.5, val_wf1=0.5, parameters=1, trained_parameters=1,
        seconds=1.0, seconds_per_epoch=1.0, precision="float32", device="CPU", python="3.11",
        history=file_checksum(reports / "history.csv"),
    ).write(reports)  # fmt: skip
    write_history(reports, [replace(epoch, val_wf1=0.99)])
    with pytest.raises(ErcError, match=rf"history.csv: damaged \(its checksum .*; the stage train makes it; {MEND}"):
        evaluate.main(make_params(), "made_up")
