import hashlib

import numpy as np
import polars as pl
import pytest

from erc_core.evaluation.facts import gather_facts, weights_in_words
from erc_core.store.clips import write_clips
from erc_core.store.ingest import IngestRecord
from erc_core.store.ragged_writer import RaggedWriter
from erc_core.store.utterances import SCHEMA, write_utterances

PARTS = {"text_encoder": {"source": "config"}, "bert": {"source": "config"}, "vit": {"source": "config"}}
MODEL = {
    "model": {"labels": ["joy", "fear"], "model": {"modality": "T+A"}},
    "backbone": "tiny",
    "text_encoder": {"source": "config"},
    "params": {"backbone": PARTS},
}


def test_facts_count_the_corpus_and_have_the_checksums_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, reports = tmp_path / "data/mine", tmp_path / "reports/mine"
    splits = ["train", "train", "train", "dev", "test"]
    utterances = pl.DataFrame(
        {
            "utterance_id": list("abcde"), "split": splits, "dialogue_id": ["1", "1", "2", "3", "4"], "turn": range(5),
            "speaker": list("xyxyx"), "text": list("abcde"), "emotion": ["joy", "fear", "joy", "joy", "joy"],
            "audio_path": ["p"] * 5, "status": ["ok"] * 5,
        }
    ).cast(SCHEMA)  # fmt: skip
    write_utterances(utterances, folder)
    statuses = ["ok", "silent", "ok", "ok", "too_long"]
    clips = write_clips(
        [(name, status, 36.0, f"{name}!") for name, status in zip("abcde", statuses, strict=True)], folder
    )
    with RaggedWriter(folder / "tokens.h5", dtype=np.int32, width=None, attributes={"truncated": 3}) as writer:
        for name in "abcde":
            writer.append(name, np.array([1], dtype=np.int32))
    ingest = IngestRecord(ingest={"format": "table"}, synthetic=True, clips="raw", facts={"rows": 5}, issues=[])
    (folder / "trained").mkdir()
    (folder / "trained/model.safetensors").write_bytes(b"weights")
    reports.mkdir(parents=True)
    for name in (
        "metrics.json",
        "per_class.csv",
        "predictions.csv",
        "calibration.json",
        "history.csv",
        "training.json",
    ):
        (reports / name).write_text(name)

    facts = gather_facts("mine", MODEL, {"seed": 4}, utterances, clips, ingest, "dialogue")
    train = {"utterances": 3, "dialogues": 2, "speakers": 2, "hours": 0.03, "emotions": {"joy": 2, "fear": 1}}
    assert facts.splits["train"].model_dump() == train
    assert facts.splits["test"].emotions == {"joy": 1, "fear": 0}
    assert {status: n for status, n in facts.clips.items() if n} == {"ok": 3, "silent": 1, "too_long": 1}
    assert [tuple(problem.model_dump().values()) for problem in facts.problems] == [
        ("b", "train", "silent", "b!", "text only"),
        ("e", "test", "too_long", "e!", "cut to audio.max_seconds"),
    ]
    assert (facts.truncated_texts, facts.ingest, facts.training) == (3, {"rows": 5}, {"seed": 4})
    assert (facts.synthetic, facts.modality, facts.labels) == (True, "T+A", ["joy", "fear"])
    assert facts.files["model.safetensors"] == hashlib.sha256(b"weights").hexdigest()
    assert facts.files["history.csv"] == hashlib.sha256(b"history.csv").hexdigest()
    assert len(facts.files) == 8


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "random weights made from a configuration; nothing was pretrained"),
        (
            {"text_encoder": {"source": "pretrained", "name": "roberta", "layer": 9}},
            "text encoder roberta (layer 9); the rest random weights made from a configuration",
        ),
        (
            {part: {"source": "pretrained", "name": part} for part in PARTS},
            "text encoder text_encoder, BERT bert, ViT vit",
        ),
    ],
)
def test_weights_in_words(changed, words):
    assert weights_in_words({"params": {"backbone": PARTS | changed}}) == words
