"""Several processes, or several parts of a batch, train what one process trains in one piece."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import polars as pl
import psutil
import pytest
import torch
from closure import ROOT
from made_up_features import EMOTIONS, write_features
from ruamel.yaml import YAML
from safetensors.torch import load_file
from torch import nn

from erc_core.errors import ErcError
from erc_core.inference.feature_set import FeatureSet
from erc_core.models.batch import Output
from erc_core.params.load import load_params
from erc_core.params.model import ICLParams
from erc_core.study.forks import run_in_forks
from erc_core.training.accumulate import backward_in_parts
from erc_core.training.build import make_task
from erc_core.training.checkpoint import Checkpoint
from erc_core.training.loop import Trainer
from erc_core.training.losses import icl_loss, training_loss
from erc_core.training.processes import ALONE, join_processes
from erc_core.training.settings import training_settings
from stages import train

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
LOOPBACK = next(
    name for name, found in psutil.net_if_addrs().items() if any(address.address == "127.0.0.1" for address in found)
)
# what is drawn at random differs between processes and parts
NOTHING_RANDOM = {"train__patchout": 0.0, "backbones__tiny__extractor__dropout": 0.0}
# a key's bias cancels in the softmax: its gradient is rounding alone, which Adam makes steps of full size of
NO_GRADIENT = ("in_proj_bias", "qkv.bias", "key.bias")
SECONDS = 60  # a process that waits longer for another is killed, so that a mistake fails and does not hang


@pytest.fixture(autouse=True)
def _scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("ERC_SCRATCH", str(tmp_path / "scratch"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def together(count, work):
    """Return what work(processes) returns in each of some connected processes."""
    if count == 1:
        return [work(ALONE)]
    port = free_port()

    def one(rank):
        signal.alarm(SECONDS)
        os.environ |= {
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "GLOO_SOCKET_IFNAME": LOOPBACK,
        }
        processes, device = join_processes(CPU)
        assert (processes.rank, processes.count, processes.local_count, device) == (rank, count, count, CPU)
        result = work(processes)
        processes.end()
        return result

    results = dict(run_in_forks(one, range(count), workers=count))
    return [results[rank] for rank in range(count)]


@pytest.fixture
def features(corpus):
    """Return an open corpus: polars, which reads its table, cannot be used in a fork."""
    with FeatureSet(corpus, EMOTIONS, how="memory") as opened:
        yield opened


def make_trainer(features, params, processes, name="run"):
    settings = training_settings(params, "made_up", CPU)
    task = make_task(params, list(EMOTIONS), features, settings, CPU, processes)
    return Trainer(task, settings, Checkpoint(name), processes=processes, quiet=True)


def fit(features, params, processes, name="run"):
    """Return the history and the weights, as arrays: tensors would be sent through shared memory."""
    trained = make_trainer(features, params, processes, name).fit()
    return trained.history, {key: tensor.numpy() for key, tensor in trained.weights.items()}


# ---- the same training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "accumulate", "batch_size"),
    [
        (2, 1, 8),  # 61 utterances: the last batch has 5
        (3, 2, 8),
        (3, 1, 2),  # in a batch of two the third process has no utterance
        (1, 2, 8),
        (1, 4, 8),
        (1, 16, 8),  # no more parts than utterances
    ],
)
def test_the_curve_is_that_of_one_process_in_one_piece(features, make_params, count, accumulate, batch_size):
    changes = NOTHING_RANDOM | {"train__batch_size": batch_size, "train__epochs": 2}
    history, weights = fit(features, make_params(**changes), ALONE, "alone")
    params = make_params(**changes, train__accumulate=accumulate)
    found = together(count, lambda processes: fit(features, params, processes))
    for row, expected in zip(found[0][0], history, strict=True):
        for loss in ("train_loss", "train_erc", "train_icl", "val_loss"):
            assert getattr(row, loss) == pytest.approx(getattr(expected, loss), rel=1e-4)
        assert (row.val_acc, row.val_wf1, row.lr) == (expected.val_acc, expected.val_wf1, expected.lr)
    for name in weights:
        if not name.endswith(NO_GRADIENT):
            np.testing.assert_allclose(found[0][1][name], weights[name], atol=2e-4, err_msg=name)
    for other_history, other_weights in found[1:]:
        assert other_history == found[0][0]
        assert all(np.array_equal(other_weights[name], found[0][1][name]) for name in weights)


def test_processes_draw_different_numbers_and_a_run_can_be_repeated(features, make_params):
    params = make_params(backbones__tiny__extractor__dropout=0.3, train__accumulate=2, train__epochs=2)
    draws = []

    def work(processes):
        trainer = make_trainer(features, params, processes, f"run{len(draws)}")
        history = trainer.fit().history
        return history, torch.initial_seed()

    first = together(2, work)
    draws.append(1)
    second = together(2, work)
    assert first == second
    assert first[0][0] == first[1][0]
    assert first[0][1] != first[1][1]


def test_an_interrupted_run_of_two_processes_ends_as_an_unbroken_one(features, make_params):
    params = make_params(train__epochs=3, backbones__tiny__extractor__dropout=0.2)
    unbroken = together(2, lambda processes: fit(features, params, processes, "unbroken"))

    def interrupted(processes):
        trainer = make_trainer(features, params, processes, "broken")
        run_epoch = trainer._run_epoch

        def fail(epoch):
            if epoch == 3:
                raise ErcError("interrupted")
            return run_epoch(epoch)

        trainer._run_epoch = fail
        with pytest.raises(ErcError, match="interrupted"):
            trainer.fit()

    def continued(processes):
        trainer = make_trainer(features, params, processes, "broken")
        ran, run_epoch = [], trainer._run_epoch
        trainer._run_epoch = lambda epoch: ran.append(epoch) or run_epoch(epoch)
        trained = trainer.fit()
        return ran, trained.history, {key: tensor.numpy() for key, tensor in trained.weights.items()}

    together(2, interrupted)
    for ran, history, weights in together(2, continued):
        assert ran == [3]
        assert history == unbroken[0][0]
        assert all(np.array_equal(weights[name], unbroken[0][1][name]) for name in weights)


def test_every_process_starts_with_the_weights_of_the_main_one(features, make_params):
    def work(processes):
        trainer = make_trainer(features, make_params(train__seed=processes.rank), processes)
        return trainer.model.text.classifier.weight.detach().numpy()

    main, other = together(2, work)
    assert np.array_equal(main, other)


# ---- the loss of the whole batch ------------------------------------------------------------------------------------


def icl_in_float64(features, labels, temperature):
    """Return Eq. 7 written as loops, on features of unit length."""
    unit = features / features.norm(dim=1, keepdim=True)
    terms = []
    for i in range(len(labels)):
        positives = [p for p in range(len(labels)) if p != i and labels[p] == labels[i]]
        if positives:
            others = sum(torch.exp(unit[i] @ unit[j] / temperature) for j in range(len(labels)) if j != i)
            logs = [torch.log(torch.exp(unit[i] @ unit[p] / temperature) / others) for p in positives]
            terms.append(-sum(logs) / len(positives))
    return sum(terms) / len(terms)


LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3])
PARAMS = ICLParams(weight=0.7, temperature=0.5, normalize=True)


def learn_toy(processes, parts, dropout=0.0, in_one_graph=False):
    """Return the loss, the gradient and the next random number of a linear model with 4 logits and 5 features."""
    torch.manual_seed(0)
    inputs = torch.randn(len(LABELS), 6)
    model = nn.Sequential(nn.Linear(6, 9), nn.Dropout(dropout))
    places = processes.share(np.arange(len(LABELS)))

    def loss(whole):
        return training_loss(Output(whole[:, :4], None, None, whole[:, 4:]), LABELS, PARAMS)

    def run(part):
        return model(inputs[part])

    torch.manual_seed(1)
    chosen = np.array_split(places, parts)
    if in_one_graph:
        losses = loss(torch.cat([run(part) for part in chosen]))
        losses.total.backward()
    else:
        losses = backward_in_parts(run, loss, chosen, total=len(LABELS), processes=processes, device=CPU)
    processes.sum_gradients(model.parameters())
    own = icl_loss(run(places)[:, 4:], LABELS[places], temperature=0.5).item()
    return losses.total.item(), losses.icl.item(), own, model[0].weight.grad.numpy(), inputs, model[0].weight.detach()


@pytest.mark.parametrize("parts", [1, 2])
def test_positives_are_found_in_other_processes(parts):
    """Rows 0, 2, 4, 6 and 1, 3, 5: within a process no two utterances have the same emotion."""
    found = together(2, lambda processes: [np.asarray(value) for value in learn_toy(processes, parts)])
    inputs, weight = (torch.from_numpy(found[0][place]).double() for place in (4, 5))
    torch.manual_seed(0)
    torch.randn(len(LABELS), 6)
    bias = nn.Linear(6, 9).bias.detach().double()
    weight.requires_grad_()
    outputs = inputs @ weight.T + bias
    icl = icl_in_float64(outputs[:, 4:], LABELS, 0.5)
    (nn.functional.cross_entropy(outputs[:, :4], LABELS) + 0.7 * icl).backward()
    for _, found_icl, own_icl, gradient, _, _ in found:
        assert own_icl == 0
        assert found_icl == pytest.approx(icl.item(), rel=1e-5)
        np.testing.assert_allclose(gradient, weight.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_the_second_pass_drops_what_the_first_dropped():
    one_graph = learn_toy(ALONE, 3, dropout=0.5, in_one_graph=True)
    after_one_graph = torch.rand(1)
    parts = learn_toy(ALONE, 3, dropout=0.5)
    assert torch.equal(torch.rand(1), after_one_graph)
    assert parts[0] == pytest.approx(one_graph[0])
    np.testing.assert_allclose(parts[3], one_graph[3], rtol=1e-5, atol=1e-7)


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_every_process(features, make_params):
    def work(processes):
        trainer = make_trainer(features, make_params(), processes)
        if processes.rank == 1:
            with torch.no_grad():
                trainer.model.text.classifier.weight.fill_(torch.nan)
        with pytest.raises(ErcError, match="not finite at epoch 1, step 1") as error:
            trainer.fit()
        return str(error.value)

    first, second = together(2, work)
    assert first == second


def test_a_machine_that_sees_another_scratch_folder_is_told(features, make_params, tmp_path):
    fit(features, make_params(train__epochs=1), ALONE)

    def work(processes):
        os.environ["ERC_SCRATCH"] = str(tmp_path / ("scratch" if processes.is_main else "elsewhere"))
        with pytest.raises(ErcError, match=r"epoch to continue after: \[1, 0\].*ERC_SCRATCH"):
            fit(features, make_params(train__epochs=3), processes)

    together(2, work)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ErcError, match="2 processes on this machine, which has 1 GPUs"):
        join_processes(torch.device("cuda"))


def test_what_holds_in_one_process_alone_does_not_hold_everywhere():
    def work(processes):
        return processes.everywhere(processes.is_main), processes.everywhere(True)

    assert together(2, work) == [(False, True)] * 2


# ---- the stage ------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a project's root with features of a made-up corpus, named demo, and params.yaml to train on them."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "params.yaml", root)
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
    params["train"] |= {"epochs": 2, "patchout": 0.0, "batch_size": 16}
    params["mel"]["n_mels"] = 32
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    monkeypatch.chdir(root)
    write_features(root / "data" / "demo", {"train": 40, "dev": 15, "test": 6}, load_params())
    for folder in ("tokenizer", "text_encoder"):
        (root / "data" / "demo" / folder).mkdir()
    return root


def test_a_launched_stage_writes_what_a_plain_one_writes(project, tmp_path):
    plain = tmp_path / "plain"
    train.main(load_params(), "demo")
    for made in ("data/demo/trained", "reports/demo"):
        shutil.move(project / made, plain / made)
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", f"--main_process_port={free_port()}"]
    ran = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "stages.train", "demo"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": LOOPBACK},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    lines = ran.stdout.splitlines()
    assert len(lines) == 4  # of the main process alone: what is trained, two epochs, the end
    assert "2 processes" in lines[0]
    found, expected = (
        sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        for root in (plain, project)
    )
    inputs = [f"data/demo/{name}" for name in ("ingest.json", "mel.h5", "text.h5", "utterances.parquet")] + [
        "params.yaml"
    ]
    inputs.append(".scratch/locks/python_-m_stages.train_demo")  # of a stage that was started as one
    assert sorted(found + inputs) == expected
    for ours, theirs in zip(
        *(pl.read_csv(root / "reports/demo/history.csv").rows() for root in (plain, project)), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-4)
    ours, theirs = (
        json.loads((root / "data/demo/trained/config.json").read_text())["calibration"] for root in (plain, project)
    )
    assert (ours.pop("split"), ours["n"]) == (theirs.pop("split"), 15)
    assert ours == pytest.approx(theirs, rel=1e-3)
    chosen = json.loads((plain / "reports/demo/training.json").read_text())["best_epoch"]
    val_loss = pl.read_csv(plain / "reports/demo/history.csv").row(chosen - 1, named=True)["val_loss"]
    assert ours["nll_before"] == pytest.approx(
        val_loss, rel=1e-4
    )  # of the weights that are kept, not of the last epoch's
    weights, others = (load_file(root / "data/demo/trained/model.safetensors") for root in (plain, project))
    for name in weights:
        if not name.endswith(NO_GRADIENT):
            torch.testing.assert_close(others[name], weights[name], rtol=0, atol=2e-4)
    alone, shared = (json.loads((root / "reports/demo/training.json").read_text()) for root in (plain, project))
    assert alone.keys() == shared.keys()
    assert shared["device"] == f"2 processes, each on {alone['device']}"
