"""What a stage reads, damaged or of another kind though its checksum is right: one line, which says how to mend it."""

from pathlib import Path

import numpy as np
import pytest

from erc_core.errors import ErcError
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.save import check_extras
from erc_core.params.schema import dump, text_params
from erc_core.report.card.source import load_source
from erc_core.store.checksums import seal_folder
from erc_core.store.clips import write_clips
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged import RaggedWriter, params_attribute
from erc_core.store.utterances import read_utterances
from stages import embed, mel

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
