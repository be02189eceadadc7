import json
import logging
import math

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from erc_core.evaluation.records import write_scores
from erc_core.evaluation.scores import per_class, score
from erc_core.evaluation.write import evaluate_predictions
from erc_core.params.training import EvaluateParams

LABELS = ["neutral", "joy", "fear"]
PARAMS = EvaluateParams(bootstrap_samples=200, confidence=0.95, seed=0, batch_size=8)
HOSTILE = ["<script>", "a,b", 'say "no"', "two\nlines", "carriage\rreturn", "", " lead", "ünï\U0001f642", "1", "null"]


def predictions(n_dialogues: int = 5) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(10):
        p = rng.dirichlet(np.ones(3))
        rows.append(
            {
                "utterance_id": f"test/dia{i % n_dialogues}_utt{i}",
                "dialogue_id": f"test/dia{i % n_dialogues}",
                "turn": i,
                "speaker": "Joey",
                "text": HOSTILE[i],
                "emotion": LABELS[i % 2],
                "predicted": LABELS[int(p.argmax())],
                "confidence": float(p.max()),
            }
            | {f"p_{label}": float(value) for label, value in zip(LABELS, p, strict=True)}
        )
    return pl.DataFrame(rows)


def test_the_files_say_what_was_computed(tmp_path):
    table = predictions()
    gold, predicted = table["emotion"].to_list(), table["predicted"].to_list()
    returned = evaluate_predictions(table, LABELS, PARAMS, tmp_path / "reports/demo")
    text = (tmp_path / "reports/demo/metrics.json").read_text(encoding="utf-8")
    metrics = json.loads(text)
    assert metrics == returned.model_dump()
    assert text.endswith("}\n")
    assert list(metrics) == sorted(metrics)
    assert set(metrics) == {f"{s}{end}" for s in ("acc", "wf1", "macro_f1") for end in ("", "_low", "_high")} | {"n"}
    scores = score(gold, predicted, LABELS)
    assert metrics["acc"] == round(scores.acc, 6)
    assert metrics["wf1"] == round(scores.wf1, 6)
    assert metrics["macro_f1"] == round(scores.macro_f1, 6)
    assert metrics["n"] == 10
    for name in ("acc", "wf1", "macro_f1"):
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]

    classes = pl.read_csv(tmp_path / "reports/demo/per_class.csv")
    assert classes.columns == ["emotion", "precision", "recall", "f1", "f1_low", "f1_high", "support"]
    expected = per_class(gold, predicted, LABELS)
    assert_frame_equal(classes.select(expected.columns), expected, abs_tol=1e-6)
    # fear is never gold: it has no interval
    assert classes["f1_low"].is_null().to_list() == [False, False, True]


def test_texts_survive_the_round_trip(tmp_path):
    table = predictions()
    evaluate_predictions(
        table.with_columns(extra=pl.lit(1)).select(sorted([*table.columns, "extra"])), LABELS, PARAMS, tmp_path
    )
    read = pl.read_csv(tmp_path / "predictions.csv", schema=table.schema)
    assert read.columns == table.columns
    assert read["text"].to_list() == HOSTILE
    assert_frame_equal(read, table, abs_tol=1e-6)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        evaluate_predictions(predictions(), LABELS, PARAMS, tmp_path / folder)
    names = ["confusion.csv", "metrics.json", "per_class.csv", "predictions.csv"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert b"\r\n" not in (tmp_path / "a" / name).read_bytes()


def test_a_single_dialogue_has_empty_intervals_and_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        metrics = evaluate_predictions(predictions(n_dialogues=1), LABELS, PARAMS, tmp_path)
    assert "the test split has 1 dialogue, and" in caplog.text
    assert metrics.wf1 is not None
    assert metrics.score("wf1")[1:] == (None, None)
    assert json.loads((tmp_path / "metrics.json").read_text())["wf1_high"] is None
    assert pl.read_csv(tmp_path / "per_class.csv")["f1_low"].null_count() == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("p_fear", "turn"), r"lack the columns \['turn', 'p_fear'\]"),
        (lambda t: t.with_columns(predicted=pl.lit("bliss")), "'bliss'"),
        (lambda t: t.with_columns(text=pl.lit(None, pl.String)), r"nulls in \['text'\]"),
        (lambda t: t.with_columns(confidence=pl.lit(math.nan)), r"not finite in \['confidence'\]"),
        (lambda t: t.with_columns(turn=pl.lit("first")), "wrong type"),
        (lambda t: t.with_columns(utterance_id=pl.lit("test/dia0_utt0")), "twice"),
        (lambda t: t.clear(), "no utterances"),
    ],
)
def test_predictions_that_break_the_contract_write_nothing(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_predictions(change(predictions()), LABELS, PARAMS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_confusion_has_every_pair_in_the_order_of_the_labels(tmp_path):
    """DVC's plot draws classes in the order of the rows, and an emotion that the split lacks has no share."""
    table = predictions()
    evaluate_predictions(table, LABELS, PARAMS, tmp_path)
    pairs = pl.read_csv(tmp_path / "confusion.csv")
    assert pairs.rows() == [
        (emotion, predicted, count, round(count / max(1, total), 6))
        for emotion in LABELS
        for predicted in LABELS
        for total in [table.filter(pl.col("emotion") == emotion).height]
        for count in [table.filter(pl.col("emotion") == emotion, pl.col("predicted") == predicted).height]
    ]
    assert pairs["count"].sum() == table.height


def test_the_scores_that_experiments_compare_are_few_and_short(tmp_path):
    metrics = evaluate_predictions(predictions(), LABELS, PARAMS, tmp_path)
    write_scores(metrics, 0.123456789, tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert list(scores) == ["acc", "macro_f1", "val_wf1", "wf1"]
    assert scores["wf1"] == round(metrics.wf1, 4)
    assert scores["val_wf1"] == 0.1235


def test_two_speakers_have_no_interval_however_many_dialogues_and_the_reason_is_told(tmp_path, caplog):
    table = predictions(n_dialogues=10).with_columns(speaker=pl.Series(["Joey", "Ross"] * 5))
    assert evaluate_predictions(table, LABELS, PARAMS, tmp_path).wf1_low is not None
    with caplog.at_level(logging.WARNING):
        metrics = evaluate_predictions(table, LABELS, PARAMS, tmp_path, "speaker")
    assert "no interval: the test split has 2 speakers" in caplog.text
    assert metrics.score("wf1")[1:] == (None, None)
    assert pl.read_csv(tmp_path / "per_class.csv")["f1_low"].null_count() == 3
