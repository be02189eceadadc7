import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_features import EMOTIONS, N_MELS, write_features

from erc_core.errors import ErcError
from erc_core.inference.feature_set import FeatureSet
from erc_core.inference.predict import Predictions, predict, resolve_precision
from erc_core.training.build import make_task, max_mel_frames
from erc_core.training.checkpoint import Checkpoint, run_key
from erc_core.training.loop import Trainer, count_parameters, train_model
from erc_core.training.settings import training_settings

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))


def make_trainer(corpus, params, name="run", **options):
    features = FeatureSet(corpus, EMOTIONS, how="memory")
    settings = training_settings(params, "made_up", CPU)
    task = make_task(params, list(EMOTIONS), features, settings, CPU)
    return Trainer(task, settings, Checkpoint(name), **options)


@pytest.mark.parametrize("modality", ["T", "A", "T+A"])
def test_training_learns(corpus, make_params, modality):
    params = make_params(model__modality=modality, train__epochs=12, train__patience=12, train__schedule="constant")
    trained = make_trainer(corpus, params).fit()
    assert trained.history[-1].train_erc < 0.6 * trained.history[0].train_erc
    assert trained.best.val_wf1 > (0.6 if modality == "A" else 0.9)


def test_the_same_seed_gives_the_same_run_to_the_last_digit(corpus, make_params):
    first = make_trainer(corpus, make_params(), "first").fit()
    second = make_trainer(corpus, make_params(), "second").fit()
    other = make_trainer(corpus, make_params(train__seed=1), "third").fit()
    assert first.history == second.history
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    assert first.history != other.history


@pytest.mark.parametrize("schedule", ["linear", "plateau"])
def test_an_interrupted_run_ends_as_an_unbroken_one(corpus, make_params, monkeypatch, schedule):
    params = make_params(train__epochs=4, train__schedule=schedule, train__lr=0.03, train__plateau_patience=1)
    unbroken = make_trainer(corpus, params, "unbroken").fit()

    broken = make_trainer(corpus, params, "broken")
    step, steps = Trainer._step, []

    def fail_in_third_epoch(self, batch):
        steps.append(1)
        if len(steps) > 2 * len(self.task.batches(0, 1)) + 3:
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(Trainer, "_step", fail_in_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    monkeypatch.setattr(Trainer, "_step", step)
    continued = make_trainer(corpus, params, "broken").fit()
    assert len(broken.history) == 2
    # the epochs before the interruption count with their time
    assert continued.seconds > broken.seconds > 0
    assert continued.history == unbroken.history
    assert all(torch.equal(continued.weights[name], unbroken.weights[name]) for name in unbroken.weights)


def test_a_damaged_checkpoint_starts_anew(corpus, make_params, capsys):
    trainer = make_trainer(corpus, make_params(train__epochs=1))
    trainer.checkpoint.path.parent.mkdir(parents=True)
    trainer.checkpoint.path.write_bytes(b"half a checkpoint")
    assert len(trainer.fit().history) == 1
    assert "damaged" in capsys.readouterr().out


def test_a_run_that_is_taken_up_finished_keeps_its_seconds(corpus, make_params):
    params = make_params(train__epochs=2)
    first = make_trainer(corpus, params).fit()
    again = make_trainer(corpus, params).fit()
    assert (again.seconds, again.seconds_per_epoch) == (first.seconds, first.seconds_per_epoch)
    assert again.stopped_by == first.stopped_by == "epochs"


def test_no_damage_to_a_checkpoint_reaches_the_model(tmp_path, capsys):
    checkpoint = Checkpoint("flipped")
    checkpoint.save({"model": {"w": torch.arange(20.0)}, "history": [1, 2]})
    content = checkpoint.path.read_bytes()
    assert torch.equal(checkpoint.load(CPU)["model"]["w"], torch.arange(20.0))
    damages = [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in range(len(content))]
    damages += [content[:end] for end in range(0, len(content), 7)]
    for damage in damages:
        checkpoint.path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.path.write_bytes(damage)
        assert checkpoint.load(CPU) is None
        assert not checkpoint.path.exists()
        told = capsys.readouterr().out
        assert told.startswith(f"{checkpoint.path}: damaged (")
        assert told.endswith("); training starts anew\n")
        assert told.count("\n") == 1
        assert checkpoint.load(CPU) is None
    checkpoint.save({"history": [1]})
    assert checkpoint.load(CPU) == {"history": [1]}


def test_the_run_key_changes_with_inputs_and_settings(tmp_path):
    file = tmp_path / "features"
    file.write_bytes(b"one")
    key = run_key([file], {"lr": 1e-4})
    assert key == run_key([file], {"lr": 1e-4})
    assert key != run_key([file], {"lr": 2e-4})
    file.write_bytes(b"two")
    assert key != run_key([file], {"lr": 1e-4})


def test_training_stops_when_validation_no_longer_improves(corpus, make_params):
    trained = make_trainer(corpus, make_params(train__epochs=60, train__patience=2)).fit()
    assert len(trained.history) < 60
    assert trained.stopped_by == "patience"
    assert len(trained.history) - trained.best.epoch == 2


def test_a_plateau_of_the_validation_score_lowers_the_rate(corpus, make_params, monkeypatch):
    options = {"train__schedule": "plateau", "train__warmup": 2.0, "train__lr": 0.01, "train__plateau_patience": 2}
    trainer = make_trainer(
        corpus, make_params(train__epochs=7, train__patience=7, train__plateau_factor=0.1, **options)
    )
    run, scores = trainer._run_epoch, iter([0.5, 0.6, 0.6, 0.55, 0.7, 0.7, 0.6])
    monkeypatch.setattr(trainer, "_run_epoch", lambda epoch: replace(run(epoch), val_wf1=next(scores)))
    rates = [row.lr for row in trainer.fit().history]
    assert 0 < rates[0] < 0.006 < rates[1] < 0.01  # rises over two epochs
    # epochs 3 and 4 are no better than 2, and 6 and 7 no better than 5
    assert rates[2:] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.001])
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_the_rate_does_not_depend_on_a_bound_that_is_not_reached(corpus, make_params, schedule):
    """Patience ends a training; a generous bound is no part of its recipe."""
    options = {"train__schedule": schedule, "train__warmup": 1.5, "train__patience": 1}
    few, many = (make_trainer(corpus, make_params(train__epochs=n, **options), f"{n}").fit() for n in (3, 50))
    assert few.history[:2] == many.history[:2]


def test_the_first_best_epoch_is_chosen_and_its_weights_kept(corpus, make_params):
    params = make_params(train__epochs=8, train__patience=8)
    trainer = make_trainer(corpus, params)
    trained = trainer.fit()
    assert trained.best.val_wf1 == max(row.val_wf1 for row in trained.history)
    assert trained.best.epoch == min(r.epoch for r in trained.history if r.val_wf1 == trained.best.val_wf1)
    trainer.model.load_state_dict(trained.weights)
    dev = trainer.task.predict("dev")
    assert (dev.predicted == dev.gold).mean() == pytest.approx(trained.best.val_acc)


def test_a_loss_that_is_not_finite_names_its_step(corpus, make_params):
    trainer = make_trainer(corpus, make_params())
    with torch.no_grad():
        trainer.model.text.classifier.weight.fill_(torch.nan)
    with pytest.raises(ErcError, match=r"epoch 1, step 1.*train\.lr"):
        trainer.fit()


def test_predictions_come_back_in_the_order_asked_for(corpus, make_params):
    trainer = make_trainer(corpus, make_params())
    chosen = np.array([80, 3, 41, 7, 99, 12])
    together = predict(trainer.model, trainer.task.features, chosen, batch_size=3, device=CPU)
    for row, index in enumerate(chosen):
        alone = predict(trainer.model, trainer.task.features, np.array([index]), batch_size=1, device=CPU)
        np.testing.assert_allclose(together.logits[row], alone.logits[0], atol=1e-5)
        assert together.gold[row] == trainer.task.features.labels[index]
    np.testing.assert_allclose(together.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 3.0, 20.0])
def test_a_temperature_changes_probabilities_and_no_label(temperature):
    logits = np.random.default_rng(0).normal(0, 4, (200, 5)).astype(np.float32)
    gold = np.random.default_rng(1).integers(0, 5, 200)
    plain = Predictions(np.arange(200), logits, gold)
    scaled = replace(plain, temperature=temperature)
    for row, p in zip(logits.tolist(), scaled.probabilities, strict=True):
        powers = [math.exp((z - max(row)) / temperature) for z in row]
        np.testing.assert_allclose(p, [power / sum(powers) for power in powers], rtol=1e-12)
    np.testing.assert_array_equal(scaled.predicted, plain.predicted)
    np.testing.assert_array_equal(scaled.probabilities.argmax(axis=1), plain.predicted)
    assert np.array_equal(scaled.probabilities, plain.probabilities) == (temperature == 1.0)


def test_bfloat16_trains_too(corpus, make_params):
    params = make_params(train__precision="bfloat16", train__epochs=2)
    assert resolve_precision("bfloat16", CPU) == "bfloat16"
    assert resolve_precision("auto", CPU) == "float32"
    trained = make_trainer(corpus, params).fit()
    assert np.isfinite([row.train_loss for row in trained.history]).all()
    assert all(weight.dtype == torch.float32 for weight in trained.weights.values() if weight.is_floating_point())


def test_the_position_grid_covers_the_longest_clip(make_params):
    params = make_params()
    samples = round(params.audio.max_seconds * params.audio.sample_rate)
    assert max_mel_frames(params) >= 1 + samples // round(params.mel.hop_ms * params.audio.sample_rate / 1000)


def test_text_alone_needs_no_audio(tmp_path, make_params):
    folder = tmp_path / "data" / "silent"
    write_features(folder, {"train": 30, "dev": 9, "test": 9}, audio=False)
    trained = make_trainer(folder, make_params(model__modality="T", train__epochs=2)).fit()
    assert len(trained.history) == 2


def test_every_epoch_is_handed_on_as_it_ends_and_an_interrupted_run_hands_on_its_earlier_ones(
    corpus, make_params, monkeypatch
):
    params = make_params(train__epochs=3)
    seen = []

    def look(history):
        seen.append([row.epoch for row in history])
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_trainer(corpus, params, on_epoch=look).fit()
    trained = make_trainer(corpus, params, on_epoch=look).fit()
    assert seen == [[1], [1, 2], [1, 2], [1, 2, 3]]
    assert [row.epoch for row in trained.history] == [1, 2, 3]


def test_a_trained_model_has_the_weights_of_the_chosen_epoch(corpus, make_params):
    trainer = make_trainer(corpus, make_params(train__epochs=6, train__lr=0.05))
    trained = train_model(trainer.task, trainer.settings, trainer.checkpoint, quiet=True)
    assert all(torch.equal(weight, trained.weights[name]) for name, weight in trainer.model.state_dict().items())
    assert trained.seconds_per_epoch == pytest.approx(trained.seconds / len(trained.history))


def test_augmentation_acts_in_training_and_not_in_prediction(corpus, make_params):
    params = make_params(train__patchout=0.5, train__freq_mask=0.3, train__time_mask=0.3, train__masks=1)
    model = make_trainer(corpus, params).task.model
    patches = model.speech.patches
    assert (patches.patchout.share, patches.spec_augment.freq_mask, patches.spec_augment.time_mask) == (0.5, 0.3, 0.3)
    assert patches.spec_augment.masks == 1
    trainer = make_trainer(corpus, params)
    first, second = (trainer.task.predict("dev").logits for _ in range(2))
    assert np.array_equal(first, second)
    plain = make_trainer(corpus, make_params(train__patchout=0.0, train__freq_mask=0.0, train__time_mask=0.0))
    assert np.array_equal(plain.task.predict("dev").logits, first)


def test_frozen_parameters_are_counted_apart(corpus, make_params):
    model = make_trainer(corpus, make_params(jfm__frozen=True)).model
    parameters, trained = count_parameters(model)
    frozen = sum(
        weight.numel() for weight in (*model.fusion.blocks[0].V.parameters(), *model.fusion.blocks[0].L.parameters())
    )
    assert (parameters, trained) == (sum(weight.numel() for weight in model.parameters()), parameters - frozen)


def test_a_model_standardises_the_mel_with_the_statistics_of_the_corpus(corpus, make_params, monkeypatch):
    statistics = torch.linspace(-1, 1, N_MELS), torch.linspace(0.5, 2, N_MELS)
    monkeypatch.setattr(FeatureSet, "mel_statistics", property(lambda _: statistics))
    patches = make_trainer(corpus, make_params()).model.speech.patches
    assert torch.equal(torch.stack([patches.mean, patches.std]), torch.stack(statistics))
