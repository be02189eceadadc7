from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from made_up_model_folder import DESCRIPTION, write_run

from erc_core.evaluation.records import Metrics, read_per_class
from erc_core.sharing.card.card import CardSource, model_card
from erc_core.store.ingest import IngestRecord


@pytest.fixture
def source_of(tmp_path):
    """Return a function that makes up a run, and gives what its card is written from."""

    def make(**facts):
        facts = write_run(tmp_path, **facts)
        reports = tmp_path / "reports" / facts.dataset
        ingest = IngestRecord.read(tmp_path / "data" / facts.dataset)
        return CardSource(DESCRIPTION, facts, Metrics.read(reports), read_per_class(reports), ingest, 0.9, None)

    return make


def test_the_hub_reads_the_head(source_of):
    head = ModelCard(model_card(source_of(dataset="demo", kind="meld", synthetic=True))).data
    assert (head.library_name, head.pipeline_tag, head.language) == ("erc-core", "audio-classification", "en")
    assert head.datasets == ["demo"]
    assert head.metrics == ["f1", "accuracy"]
    assert "synthetic" in head.tags
    assert head.license is None
    assert [(result.metric_name, result.metric_value) for result in head.eval_results] == [
        ("weighted F1", 0.5),
        ("accuracy", 0.5),
        ("macro F1", 0.5),
    ]


def test_the_licence_is_the_users(source_of):
    source = source_of()
    assert "pack.license" in model_card(source)
    card = model_card(replace(source, license="cc-by-nc-4.0"))
    assert ModelCard(card).data.license == "cc-by-nc-4.0"
    assert "`cc-by-nc-4.0`" in card.split("## Licence")[1]


def test_a_synthetic_corpus_is_said_first(source_of):
    card = model_card(source_of(dataset="demo", kind="meld", synthetic=True))
    assert card.split("---\n", 2)[2].lstrip().startswith("> **Trained on synthetic speech.**")
    assert "eSpeak NG (GPL-3.0-or-later)" in card
    assert "MELD" not in card


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("meld", "annotation is under GPL-3.0"),
        ("iemocap", "University of Southern California"),
        ("table", "Unknown here: ask"),
    ],
)
def test_the_terms_of_the_corpus_are_told(source_of, kind, told):
    card = model_card(source_of(kind=kind))
    assert told in card
    assert "synthetic" not in card


def test_scores_come_with_their_intervals_and_by_class(source_of):
    card = model_card(source_of())
    assert "| weighted F1 | 50.0% (40.0–62.5) |" in card
    assert "In brackets 90% intervals" in card
    assert "| joy | 33.3% | 50.0% | 25.0% | 2 |" in card
    assert r"| fear\|of\_this | 33.3% |" in card  # a label is anybody's text
    assert "50.0% in epoch 3 of 8" in card


@pytest.mark.parametrize(
    ("modality", "tag", "example"),
    [
        ("T", "text-classification", 'predictor([{"text": "You did what?", "speaker": "Anna"}])'),
        ("A", "audio-classification", 'predictor([{"audio": "clip.wav", "speaker": "Anna"}])'),
        ("T+A", "audio-classification", '"text": "You did what?", "audio": "clip.wav"'),
    ],
)
def test_its_use_is_that_of_its_modality(source_of, modality, tag, example):
    card = model_card(source_of(modality=modality))
    assert ModelCard(card).data.pipeline_tag == tag
    assert example in card


def test_what_it_must_not_be_used_for_is_told(source_of):
    card = model_card(source_of())
    assert "Art. 5(1)(f)" in card
    assert "at work, in school, in policing" in card


def test_a_pretrained_encoder_that_has_to_be_fetched_is_named(source_of):
    source = source_of()
    assert "`text_encoder/`" in model_card(source)
    named = {"source": "pretrained", "name": "roberta-base", "layer": 12}
    backbone = DESCRIPTION["params"]["backbone"] | {"text_encoder": named}
    card = model_card(replace(source, description=DESCRIPTION | {"params": {"backbone": backbone}}))
    assert ModelCard(card).data.base_model == ["roberta-base"]
    assert "`roberta-base`, is not in this folder" in card
    assert "`text_encoder/`" not in card


def test_the_temperature_is_told_where_the_model_has_one(source_of):
    source = source_of()
    assert "temperature" not in model_card(source)
    calibration = {"temperature": 1.25, "nll_before": 0.5, "nll_after": 0.4, "n": 327, "split": "dev"}
    card = model_card(replace(source, description=DESCRIPTION | {"calibration": calibration}))
    assert "a temperature of 1.250" in card
    assert "(0.500 without it, 0.400 with it)" in card


def test_the_same_facts_give_the_same_bytes(source_of):
    source = source_of()
    assert model_card(source) == model_card(source)
