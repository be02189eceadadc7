import numpy as np
import pytest
import torch
from made_up_features import EMOTIONS

from erc_core.evaluation.temperature import fit_temperature
from erc_core.inference.dialogues import DialogueFeatures
from erc_core.inference.feature_set import FeatureSet
from erc_core.study.points import points_of, settings_of
from erc_core.study.train import Corpus, fit_point, train_point
from erc_core.training.checkpoint import Checkpoint

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture
def made_up(corpus):
    with FeatureSet(corpus, EMOTIONS, how="memory") as features:
        yield Corpus("made_up", features, DialogueFeatures(features), list(EMOTIONS))


@pytest.mark.parametrize(
    ("variant", "place"),
    [("full", 0), ("full", 2), ("fusion", 0), ("ablation", 0), ("scfa", 2), ("multiemo", 2), ("n_blocks", 2)],
)
def test_a_point_of_each_kind_trains_to_scores_costs_and_predictions(made_up, make_params, variant, place):
    params = make_params(
        train__epochs=2, backbones__tiny__bert__depth=5, backbones__tiny__vit__depth=5, train__patience=2
    )
    settings = settings_of(params, variant, "demo")
    point = points_of(params.study, variant)[place]
    checkpoint = Checkpoint("run")
    outcome = train_point(params, made_up, point, settings, 1, CPU, checkpoint)
    assert outcome.run.seed == 1
    assert 1 <= outcome.run.best_epoch <= outcome.run.epochs
    correct = (outcome.predictions.predicted == outcome.predictions.gold).mean()
    assert outcome.run.acc == pytest.approx(correct)
    assert len(outcome.predictions.indices) == len(made_up.features.split("test"))
    assert 0 < outcome.trained_parameters <= outcome.parameters
    assert outcome.latency_ms > 0
    assert outcome.run.peak_memory_mb >= 0
    assert outcome.activations_mb > 0
    assert len(outcome.run.val_curve) == len(outcome.run.loss_curve) == outcome.run.epochs
    assert max(outcome.run.val_curve) == pytest.approx(outcome.run.val_wf1, abs=1e-4)
    # the probabilities are those of a temperature that the validation split alone chose
    task, _ = fit_point(params, made_up, point, settings, 1, CPU, checkpoint)
    dev, test = task.predict("dev"), task.predict("test")
    assert outcome.run.temperature == fit_temperature(dev.logits, dev.gold).temperature != 1.0
    p = np.exp(test.logits.astype(float) / outcome.run.temperature)
    np.testing.assert_allclose(outcome.predictions.probabilities, p / p.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(outcome.predictions.predicted, test.logits.argmax(axis=1))
    # what was trained is kept until the caller has it safe: a second call finds it done, and says the same
    again = train_point(params, made_up, point, settings, 1, CPU, checkpoint)
    assert torch.equal(torch.from_numpy(again.predictions.logits), torch.from_numpy(outcome.predictions.logits))
    assert again.run.best_epoch == outcome.run.best_epoch


@pytest.mark.parametrize("variant", ["full", "scfa", "multiemo"])
def test_a_peer_is_trained_at_its_own_rate_and_everything_else_as_section_train_says(
    made_up, make_params, monkeypatch, variant
):
    class LookedError(Exception):
        pass

    def look(task, settings, checkpoint, **_):
        raise LookedError(settings)

    monkeypatch.setattr("erc_core.study.train.train_model", look)
    params = make_params(train__lr=0.5, train__weight_decay=0.25, backbones__tiny__bert__depth=5, train__seed=7)
    own = settings_of(params, variant, "demo")
    with pytest.raises(LookedError) as caught:
        train_point(params, made_up, points_of(params.study, variant)[0], own, 3, CPU, Checkpoint("run"))
    (settings,) = caught.value.args
    section = own or params.train
    assert (settings.lr, settings.weight_decay, settings.epochs) == (section.lr, section.weight_decay, section.epochs)
    recipe = own or params.selected_backbone.training
    assert (settings.schedule, settings.warmup) == (recipe.schedule, recipe.warmup)
    assert settings.seed == 3
    assert settings.batch_size == params.train.batch_size
    assert settings.patience == params.selected_backbone.training.patience
