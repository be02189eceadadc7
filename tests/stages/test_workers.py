"""Stages resample and mel over processes and a cluster, with a worker or the stage itself killed: always the same bytes."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
import soundfile
from closure import ROOT
from made_up_clips import tones
from pools import behind, local_cluster, processes

from erc_core import speech
from erc_core.params.data import TableIngest
from erc_core.params.load import load_params
from erc_core.params.schema import Params
from erc_core.params.training import ParallelParams
from stages import ingest, mel, resample

pytestmark = pytest.mark.slow

N = 40
MADE = ("audio.h5", "clips.parquet", "mel.h5")


def write_corpus(raw: Path) -> None:
    """Write a table of N utterances of all splits with clips of different lengths, one silent, one cut off, one absent."""
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for k in range(N):
        samples = tones("mono", seconds=float(rng.uniform(0.2, 0.6)), rate=22050, pitch=150 + 10 * k)[0]
        path = raw / f"{k}.wav"
        if k != 7:
            soundfile.write(path, 0 * samples if k == 3 else samples, 22050, subtype="PCM_16")
        if k == 11:
            path.write_bytes(path.read_bytes()[:-1000])
        rows.append({"text": f"text {k}", "audio": path.name, "emotion": ("joy", "fear")[k % 2]})
    splits = ["train"] * (N - 10) + ["dev"] * 5 + ["test"] * 5
    pl.DataFrame(rows).with_columns(split=pl.Series(splits)).write_csv(raw / "table.csv")


def parameters(parallel: ParallelParams) -> Params:
    section = {"mine": TableIngest(format="table", file="table.csv")}
    return load_params(ROOT / "params.yaml").model_copy(update={"ingest": section, "parallel": parallel})


def make(parallel: ParallelParams, stages: Sequence[ModuleType] = (resample, mel)) -> dict[str, str]:
    """Run stages, and return the hashes of what is there then."""
    for stage in stages:
        stage.main(parameters(parallel), "mine")
    paths = [Path("data/mine", name) for name in MADE]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def expected(workspace) -> dict[str, str]:
    """Return what one process makes in one shard each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace)
        patch.setattr(resample, "SHARD", N)
        patch.setattr(mel, "SHARD", N)
        write_corpus(Path("data/raw/mine"))
        ingest.main(parameters(processes(1)), "mine")
        return make(processes(1))


@pytest.fixture(autouse=True)
def _small_shards(workspace, expected, monkeypatch):
    monkeypatch.chdir(workspace)
    monkeypatch.setattr(resample, "SHARD", 3)
    monkeypatch.setattr(mel, "SHARD", 3)
    monkeypatch.setattr(mel, "LEAST", 1)
    for name in MADE:
        Path("data/mine", name).unlink(missing_ok=True)


def files_in_scratch() -> list[Path]:
    return [path for path in Path(".scratch").rglob("*") if path.is_file()]


def test_the_corpus_has_what_it_should(expected):
    make(processes(1))
    statuses = pl.read_parquet("data/mine/clips.parquet")["status"].cast(pl.String).value_counts()
    assert dict(statuses.iter_rows()) == {"ok": N - 3, "silent": 1, "cut_off": 1, "missing": 1}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_processes_makes_the_same_bytes(expected, workers):
    assert make(processes(workers)) == expected
    assert files_in_scratch() == []


def test_a_cluster_makes_the_same_bytes_though_a_worker_is_killed_in_each_stage(
    workspace, expected, tmp_path, monkeypatch
):
    pytest.importorskip("distributed")
    killed = []
    monkeypatch.chdir(tmp_path)  # workers start in a working folder of their own
    with local_cluster(workers=2) as cluster:
        monkeypatch.chdir(workspace)

        def kill_in_the_middle(steps: Iterable[object]) -> Iterator[object]:
            for number, step in enumerate(steps):
                yield step
                if number == 2:
                    # look-ahead is short: most of the shards are not even handed out now
                    killed.append(next(iter(cluster.workers.values())).process.process.pid)
                    os.kill(killed[-1], signal.SIGKILL)

        for stage in (resample, mel):
            monkeypatch.setattr(stage, "progress", lambda steps, **_: nullcontext(kill_in_the_middle(steps)))
        assert make(behind(cluster.scheduler_address)) == expected
    assert len(set(killed)) == 2
    assert files_in_scratch() == []


CODE = f"""
import os, signal, sys
sys.path[:0] = {[str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]!r}
from test_workers import *
name, call, when = sys.argv[1:]
stage, module = {{"resample": (resample, speech.audio), "mel": (mel, speech.mel)}}[name]
stage.SHARD = 3
original, calls = getattr(module, call), []
def killed(*arguments):
    calls.append(0)
    if len(calls) == int(when):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
setattr(module, call, killed)
stage.main(parameters(processes(1)), "mine")
"""


# utterances in six shards: those of resample hold 18 clips, and the row without one
@pytest.mark.parametrize(
    ("stage", "module", "call", "done"),
    [(resample, speech.audio, "load_clip", 19), (mel, speech.mel, "to_float", 18)],
)
def test_a_stage_killed_half_way_does_only_the_missing_shards(expected, monkeypatch, stage, module, call, done):
    if stage is mel:
        make(processes(1), [resample])
    name = stage.__name__.removeprefix("stages.")
    ran = subprocess.run([sys.executable, "-c", CODE, name, call, "20"], capture_output=True, text=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert len([path for path in files_in_scratch() if path.suffix == ".json"]) == 6
    again = []
    original = getattr(module, call)
    monkeypatch.setattr(module, call, lambda *arguments: again.append(0) or original(*arguments))
    made = make(processes(1), [stage])
    assert made == {name: expected[name] for name in made}
    assert len(again) == N - done
    assert files_in_scratch() == []
