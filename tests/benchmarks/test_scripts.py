import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_model import save_made_up_model

from benchmarks import __main__ as run_all
from benchmarks import embed_text, extract_features, growth, predict, read_features, resampling, study, train_model
from benchmarks.extract_features import TOLERANCES
from benchmarks.harness import RESULTS
from benchmarks.workspace import Used, Workspace

pytestmark = pytest.mark.slow
ROWS = {"name", "role", "note", "seconds", "times_ours", "parts"}


def result(folder: Path, name: str) -> dict:
    text = (folder / f"{name}.json").read_text(encoding="utf-8")
    assert str(folder) not in text
    content = json.loads(text)
    assert {"benchmark", "rounds", "machine", "versions", "settings", "goals", "outputs", "groups"} == content.keys()
    assert content["benchmark"] == name
    for rows in content["groups"].values():
        assert sum(r["role"] == "ours" and r["seconds"]["median"] > 0 for r in rows) == 1
        assert all(r.keys() >= ROWS and (r["seconds"] is None) == (r["times_ours"] is None) for r in rows)
        assert all(r["note"] for r in rows if r["seconds"] is None)
    return content


def test_resampling(tmp_path):
    assert not resampling.main(["--rounds=1", "--clips=1", "--seconds=0.2", "--tones=3", f"--results={tmp_path}"])
    content = result(tmp_path, "resampling")
    by_name = {(o["group"], o["contender"]): o for o in content["outputs"]}
    hq, plain = (by_name["48000 to 16000 Hz", name] for name in ("soxr HQ", "torchaudio, as it is"))
    assert hq["stop band, alias dB"] < -96 < plain["stop band, alias dB"]
    assert hq["pass band, ripple dB"] < 0.1 < plain["pass band, ripple dB"]


def test_a_resampler_that_drops_the_level_does_not_agree(tmp_path, monkeypatch):
    make = resampling.make_resamplers

    def halved(rate):
        made = make(rate)
        return {name: made[name] for name in (resampling.OURS, resampling.DEFAULT)} | {
            "half": lambda x: made[resampling.OURS](x) / 2
        }

    monkeypatch.setattr(resampling, "make_resamplers", halved)
    assert resampling.main(["--rounds=1", "--clips=1", "--seconds=0.2", "--tones=2", f"--results={tmp_path}"]) == 1


def test_extraction(tmp_path):
    pytest.importorskip("espeakng_loader")
    kinds = ["wav 22050 Hz", "mp4 48000 Hz"]
    options = ["--rounds=1", "--utterances=2", "--processes=1", f"--results={tmp_path}", "--kinds", *kinds]
    assert not extract_features.main(options)
    content = result(tmp_path, "extract_features")
    assert list(content["groups"]) == [*kinds, "all"]
    assert all(clips["clips"] == 2 for clips in content["settings"]["clips"].values())
    compared = {o["contender"] for o in content["outputs"]}
    ran = {r["name"] for r in content["groups"]["all"] if r["role"] == "peer"}
    assert compared == ran >= {"torchaudio", "transformers AST"}


def test_extraction_of_given_speech(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "speech").mkdir()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    for i in range(3):
        soundfile.write(tmp_path / "speech" / f"{i}.flac", noise, 24000)
    options = ["--rounds=1", "--utterances=2", "--processes=1", f"--results={tmp_path}"]
    extract_features.main([*options, f"--speech={tmp_path / 'speech'}"])  # noise is not what the tolerances are for
    content = result(tmp_path, "extract_features")
    assert list(content["groups"]) == ["flac 24000 Hz", "all"]
    assert content["settings"]["speech"] == "given: speech"


@pytest.mark.parametrize(
    ("spoil", "agrees"),
    [
        (lambda theirs: theirs, True),
        (lambda theirs: {name: x + 0.5 for name, x in theirs.items()}, False),
        (lambda theirs: {name: x[:-9] for name, x in theirs.items()}, False),
        (lambda theirs: {name: x[::-1] for name, x in theirs.items()}, False),
        (lambda theirs: dict(list(theirs.items())[1:]), False),
        (lambda theirs: {}, False),
    ],
    ids=["same", "louder", "shorter", "backwards", "one missing", "nothing"],
)
def test_wrong_features_are_noticed(spoil, agrees):
    rng = np.random.default_rng(0)
    ours = {name: rng.normal(-5, 2, (50, 8)).astype(np.float16) for name in "abc"} | {"silent": np.zeros((0, 8))}
    theirs = spoil({name: x.copy() for name, x in ours.items() if len(x)})
    assert extract_features.compare(ours, theirs, TOLERANCES["librosa"], floor=-14.0)["agrees"] is agrees


def test_reading(tmp_path):
    options = ["--rounds=1", "--utterances=6", "--step-ms=100", f"--results={tmp_path}", f"--scratch={tmp_path}"]
    assert not read_features.main(options)
    content = result(tmp_path, "read_features")
    assert list(content["groups"]) == [f"{kind}, {epoch}" for kind in ("mel", "text") for epoch in read_features.EPOCHS]
    exact = {o["crc32"] for o in content["outputs"] if o["features"] == "mel" and o["tolerance"] == 0}
    assert len(exact) == 1
    assert content["goals"][-1]["met"] is not None


@pytest.mark.parametrize("damage", [lambda x: x + 1, lambda x: x[:-1], lambda x: x[:, ::-1]])
def test_a_store_that_reads_something_else_is_noticed(tmp_path, monkeypatch, damage):
    read = read_features.NumpyFiles.frames_of
    monkeypatch.setattr(read_features.NumpyFiles, "frames_of", lambda self, index: damage(read(self, index)))
    options = ["--rounds=1", "--utterances=3", "--features=mel", "--stores=npy", f"--scratch={tmp_path}"]
    monkeypatch.setattr(read_features, "two_epochs", lambda *_: dict.fromkeys(read_features.EPOCHS, 1.0))
    assert read_features.main([*options, f"--results={tmp_path}"]) == 1


def test_all_stores_give_the_same_batches(tmp_path):
    features = read_features.make_features("mel", 5)
    lengths = np.array([len(frames) for frames in features])
    batch = np.array([3, 0, 4])
    for name in ("ours", "lazy", "npy", "pickle"):
        store = read_features.STORES[name](tmp_path / name)
        store.write([f"u{i}" for i in range(5)], features)
        store.open()
        padded = store.padded(batch, lengths, 80).numpy()
        store.close()
        assert padded.shape == (3, lengths[batch].max(), 80)
        for row, index in zip(padded, batch, strict=True):
            np.testing.assert_array_equal(row[: lengths[index]], features[index])
            assert not row[lengths[index] :].any()


def test_embedding(tmp_path):
    (tmp_path / "texts.txt").write_text("I am here .\nYes .\nNo , he is not there at all .\n", encoding="utf-8")
    options = ["--rounds=1", "--encoder=tiny", "--device=cpu", "--threads=1", "--batch-size=2"]
    assert not embed_text.main([*options, f"--texts={tmp_path / 'texts.txt'}", f"--results={tmp_path}"])
    content = result(tmp_path, "embed_text")
    assert content["settings"]["utterances"] == 3
    assert content["settings"]["padded_share_ours"] <= content["settings"]["padded_share_in_file_order"]


def test_texts_are_made_up_with_lengths_like_melds(make_params):
    counts = [len(text.split()) for text in embed_text.make_texts(make_params().demo, 500)]
    assert (min(counts), np.median(counts)) == (1, 6)
    assert 7 < np.mean(counts) < 9
    assert max(counts) > 30


def test_wrong_embeddings_are_noticed():
    ours = [np.random.default_rng(0).normal(size=(n, 4)).astype(np.float16) for n in (3, 5)]
    assert embed_text.compare(ours, ours, 1e-3)["agrees"]
    assert not embed_text.compare(ours, ours[::-1], 1e-3)["agrees"]
    assert not embed_text.compare(ours, [x * np.float16(1.1) for x in ours], 1e-3)["agrees"]


def test_a_benchmark_that_fails_is_told(monkeypatch, capfd):
    monkeypatch.setattr(run_all, "BENCHMARKS", {"no_such": [], "harness": []})
    assert run_all.main([]) == 1
    assert "failed: no_such\n" in capfd.readouterr().out
    assert run_all.main(["harness"]) == 0
    with pytest.raises(SystemExit):
        run_all.main(["harnes"])


def test_prediction(tmp_path, monkeypatch):
    small = {"MODEL": save_made_up_model(tmp_path / "model"), "HOUR": 90.0, "MANY": 40, "FEW": 4, "ONE_BY_ONE": 3}
    for name, value in small.items():
        monkeypatch.setattr(predict, name, value)
    assert not predict.main(["--rounds=1", "--kills=1", f"--results={tmp_path}"])
    content = result(tmp_path, "predict")
    assert content["settings"]["figures"]["killed and continued to the same bytes"] == "1 of 1"
    assert len(content["goals"]) == 5


NO_TIMINGS = {"tuning", "faults"}  # tries of settings, and counts of faults


@pytest.mark.parametrize(
    "path", sorted(path for path in RESULTS.glob("*.json") if path.stem not in NO_TIMINGS), ids=lambda path: path.stem
)
def test_committed_results_are_of_enough_rounds_and_name_no_place(path):
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    # growth compares no contenders: it runs every size once
    assert content["rounds"] >= 5 or not content["groups"]
    assert content["settings"]
    assert "/" not in json.dumps([content["machine"], content["settings"]])
    assert all(output["agrees"] for output in content["outputs"])


def test_training(tmp_path):
    assert not train_model.main(["--rounds=1", "--utterances=160", f"--results={tmp_path}"])
    content = result(tmp_path, "train_model")
    (rows,) = content["groups"].values()
    assert len(rows) == len(content["outputs"]) == 5
    assert all(r["utterances_per_second"] > 0 and 0 <= r["padded_share"] < 1 for r in rows)
    shares = {r["name"]: r["padded_share"] for r in rows}
    assert shares["ours"] < shares["padded to the batch"] <= shares["padded to the corpus"]
    assert content["settings"]["floating point operations of an epoch"] > 1e6


def test_a_training_of_another_model_does_not_agree(tmp_path, monkeypatch):
    forward = train_model.PlainJFM.forward

    def without_text(self, batch):
        return forward(self, replace(batch, text_BTE=0 * batch.text_BTE))

    monkeypatch.setattr(train_model.PlainJFM, "forward", without_text)
    monkeypatch.setattr(train_model, "peak_memory", lambda *_: 1.0)
    assert train_model.main(["--rounds=1", "--utterances=20", f"--results={tmp_path}"]) == 1


def test_a_study(tmp_path):
    pytest.importorskip("espeakng_loader")
    options = ["--rounds=1", "--dialogues=12", "--epochs=1", "--seeds=1", f"--results={tmp_path}"]
    assert not study.main(options)
    assert result(tmp_path, "study")["settings"]["trainings"] == 2


def test_growth(tmp_path):
    pytest.importorskip("espeakng_loader")
    assert not growth.main(["--rounds=1", "--dialogues=8", "--sizes=1", f"--results={tmp_path}"])
    stages = result(tmp_path, "growth")["settings"]["stages"]
    assert [stage["name"] for stage in stages] == [*growth.FEATURE_STAGES, *growth.MODEL_STAGES]
    assert all(stage["seconds_at"]["1"] > 0 and stage["peak_mib_at"]["1"] > 10 for stage in stages)


@pytest.mark.parametrize(("power", "doubling"), [(1, 81 / 41), (2, 641 / 161)])
def test_a_stage_that_grows_faster_than_its_corpus_shows(power, doubling):
    runs = {size: [Used(1 + 10 * size**power, 100 + size)] for size in (1, 2, 4, 8)}
    row = growth.row("mel", runs, {size: size / 2 for size in runs})
    assert row["last_doubling"] == pytest.approx(doubling)
    assert row["memory_growth"] == pytest.approx(108 / 101)
    if power == 1:
        assert (row["seconds_per_hour"], row["start_seconds"]) == pytest.approx((20, 1))


def test_one_size_has_no_doubling():
    assert growth.row("ingest", {1: [Used(5, 100)]}, {1: 1})["last_doubling"] is None


def test_a_stage_that_fails_is_told_with_what_it_printed(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.set({"train.seed": -1})
    with pytest.raises(RuntimeError, match=r"train\.seed"):
        workspace.run("tokens", "demo")
