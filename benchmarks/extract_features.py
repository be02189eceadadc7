"""Feature extraction: clips on disk to log-mel features on disk, ours against peers and against the floor.

Run as `python -m benchmarks.extract_features`; README.md of this folder tells how to read what it writes.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for every worker process of everyone, before torch is imported

import logging
import multiprocessing
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import extractors
from benchmarks.extractors import Lhotse, Work
from benchmarks.harness import (
    NOT_INSTALLED,
    Contender,
    Measured,
    add_up,
    command_line,
    fastest_peer,
    find,
    finish,
    goal,
    installed,
    measure,
    nothing,
    row,
    summarize,
)
from benchmarks.speech import find_speech, make_speech
from erc_core.params.load import load_params

NAME = "extract_features"
ROOT = Path(__file__).parents[1]
PACKAGES = (
    "av", "h5py", "lhotse", "librosa", "lilcom", "numpy", "soundfile", "soxr", "torch", "torchaudio", "transformers",
)  # fmt: skip
PER_FILE = {"librosa": "librosa", "torchaudio": "torchaudio", "transformers AST": "transformers"}
OURS, FLOOR = "ours", "floor"

Features = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Tolerance:
    """How far a peer's features may be from ours.

    Attributes:
        definition: What the peer computes.
        mean_difference: Largest mean absolute difference, natural logarithm; None where the definition is another.
        correlation: Smallest correlation with ours over all values.
        frames: Largest difference in the number of frames of a clip.
        first: Our frame that its first one is nearest to.
    """

    definition: str
    mean_difference: float | None
    correlation: float
    frames: int
    first: int = 0


KALDI = "Kaldi's filter bank: other frames, floor and filters"
TOLERANCES = {
    # ours keeps samples of 16 bits, the others do not round: what is nearly silent differs
    "librosa": Tolerance("as ours", 0.1, 0.999, 1),
    "torchaudio": Tolerance("as ours, but another resampling filter", 0.1, 0.99, 1),
    "transformers AST": Tolerance(f"{KALDI}, pre-emphasis", None, 0.8, 3, first=1),
    "lhotse": Tolerance(KALDI, None, 0.95, 1),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all kinds of files, compare the outputs, and write the JSON; returns the exit status."""
    options = parse(arguments)
    for noise in ("lhotse", "root"):
        logging.getLogger(noise).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    params = load_params(ROOT / "params.yaml")
    results = options.results.resolve()
    speech = options.speech.resolve() if options.speech else None
    measured: dict[str, list[Measured]] = {}
    outputs: list[dict[str, Any]] = []
    clips = {}
    with ExitStack() as stack:
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="erc-benchmark-", dir=options.scratch))
        ).resolve()
        stack.enter_context(chdir(scratch))  # the stages work in the current folder, and worker processes start there
        pool = None
        if options.processes > 1 and installed("lhotse"):
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(options.processes, mp_context=context))
        kinds = (
            find_speech(speech, options.utterances)
            if speech
            else make_speech(scratch / "speech", params.demo, options.utterances)
        )
        for kind in options.kinds or kinds:
            work = Work(kind.replace(" ", "_").lower(), kinds[kind], scratch / "peers", params, options.processes)
            print(f"{kind}: {len(work.paths):,} clips, {options.rounds} rounds", file=sys.stderr, flush=True)
            measured[kind], compared, clips[kind] = measure_kind(work, options.rounds, pool)
            outputs += [{"group": kind, **comparison} for comparison in compared]
    groups = {kind: summarize(group) for kind, group in measured.items()}
    totals = add_up(list(measured.values()))
    groups["all"] = [row(own, ours) for own, ours in totals]
    rows = {r["name"]: r for r in groups["all"]}
    floor = 1 / rows[FLOOR]["times_ours"]["median"]
    goals = [
        goal("times faster than the fastest peer, at least 2", fastest_peer(groups["all"]), at_least=2.0),
        goal("times the floor (decode + soxr + STFT, each alone), at most 1.5", floor, at_most=1.5),
    ]
    settings = {
        "speech": f"given: {speech.name}" if speech else "spoken by eSpeak NG",
        "clips": clips,
        "processes": options.processes,
        "audio": params.audio.model_dump(),
        "mel": params.mel.model_dump(),
    }
    agree = finish(
        NAME,
        rounds=options.rounds,
        settings=settings,
        packages=PACKAGES,
        groups=groups,
        outputs=outputs,
        goals=goals,
        folder=results,
    )
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = command_line(NAME, __doc__)
    parser.add_argument("--utterances", type=int, default=1024, help="clips of each kind, at most")
    parser.add_argument("--processes", type=int, default=2, help="processes of everyone")
    parser.add_argument(
        "--speech",
        type=Path,
        help="folder of recordings, whose name is kept in the result; without it, eSpeak NG speaks some",
    )
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help='only these kinds, such as "wav 48000 Hz"')
    parser.add_argument("--scratch", type=Path, help="where the temporary folder is made")
    return parser.parse_args(arguments)


def measure_kind(
    work: Work, rounds: int, pool: Executor | None
) -> tuple[list[Measured], list[dict[str, Any]], dict[str, Any]]:
    """Measure everyone on one kind of files.

    Args:
        work: The files and parameters.
        rounds: Timed runs of each.
        pool: Worker processes for lhotse.

    Returns:
        The times; how the outputs compare with ours; how many clips and hours these are.
    """
    extractors.write_table(work)
    contenders, readers = contenders_for(work, pool)
    measured = measure(contenders, rounds)
    ours = extractors.read_ours(work)
    outputs = [
        {"contender": name, **compare(ours, read(), TOLERANCES[name], float(np.log(work.params.mel.floor)))}
        for name, read in readers.items()
        if find(measured, name).runs
    ]
    hop_seconds = work.params.mel.hop_ms / 1000
    frames = sum(max(0, len(features) - 1) for features in ours.values())
    without = sum(len(features) == 0 for features in ours.values())
    clips = {"clips": len(ours), "without_usable_speech": without, "hours": round(frames * hop_seconds / 3600, 4)}
    return measured, outputs, clips


def contenders_for(work: Work, pool: Executor | None) -> tuple[list[Contender], dict[str, Callable[[], Features]]]:
    """Return who takes part, and for each peer how its output is read."""
    wake = partial(extractors.warm, work)

    def ready(clear: Callable[[], None]) -> Callable[[], None]:
        def prepare() -> None:
            clear()
            wake()

        return prepare

    contenders = [
        Contender(OURS, partial(extractors.run_ours, work), ready(partial(extractors.clear_ours, work)), role="ours")
    ]
    readers: dict[str, Callable[[], Features]] = {}
    for name, package in PER_FILE.items():
        run = partial(extractors.run_per_file, work, name)
        missing = "" if installed(package) else NOT_INSTALLED
        contenders.append(Contender(name, run, ready(partial(work.clear, name)), missing=missing))
        readers[name] = partial(extractors.read_per_file, work, name)
    contenders.append(lhotse_contender(work, pool, readers))
    contenders.append(Contender(FLOOR, partial(extractors.run_floor, work), wake, role="floor"))
    return contenders, readers


def lhotse_contender(work: Work, pool: Executor | None, readers: dict[str, Callable[[], Features]]) -> Contender:
    """Return lhotse; missing where it is not installed, or cannot read these files."""
    if not installed("lhotse"):
        return Contender(Lhotse.NAME, nothing, missing=NOT_INSTALLED)
    try:
        lhotse = Lhotse(work, pool)
    except Exception as error:  # its errors are of many types, and are told with the machine's paths
        return Contender(Lhotse.NAME, nothing, missing=f"cannot read these files here ({type(error).__name__})")
    readers[Lhotse.NAME] = lhotse.read
    return Contender(Lhotse.NAME, lhotse.run, lhotse.clear)


def compare(ours: Features, theirs: Features, tolerance: Tolerance, floor: float) -> dict[str, Any]:
    """Compare a peer's log-mel features with ours, over the clips that have usable speech by our rules.

    Where the numbers of frames differ, the frames that both have are compared. Values below our floor, which others have at
    other places, count as the floor.

    Args:
        ours: Our features.
        theirs: The peer's.
        tolerance: Of this peer.
        floor: Our smallest value.
    """
    spoken = {name: features for name, features in ours.items() if len(features)}
    both = sorted(spoken.keys() & theirs.keys())
    frames = [len(spoken[name]) - len(theirs[name]) for name in both]
    pairs = [(spoken[name][tolerance.first :], theirs[name]) for name in both]
    own, other = (
        np.concatenate([pair[side][: min(map(len, pair))] for pair in pairs] or [np.zeros((0, 1))])
        .astype(np.float32)
        .ravel()
        .clip(min=floor)
        for side in (0, 1)
    )
    difference = np.abs(own - other)
    mean = float(difference.mean()) if len(own) else 0.0
    correlation = float(np.corrcoef(own, other)[0, 1]) if len(own) else 0.0
    apart = max(map(abs, frames), default=0)
    within = tolerance.mean_difference is None or mean <= tolerance.mean_difference
    return {
        "definition": tolerance.definition,
        "missing clips": len(spoken) - len(both),
        "frames, ours": sum(map(len, spoken.values())),
        "frames apart": apart,
        "mean difference": mean,
        "max difference": float(difference.max(initial=0.0)),
        "correlation": correlation,
        "agrees": len(both) == len(spoken)
        and apart <= tolerance.frames
        and within
        and correlation >= tolerance.correlation,
    }


if __name__ == "__main__":
    sys.exit(main())
