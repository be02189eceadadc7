"""Prediction: the command from its start to the page, an hour of recording, one utterance, and kills.

Run as `python -m benchmarks.predict` where `dvc repro` has made data/demo/model; README.md of this folder tells how to read what it writes.
"""

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from benchmarks.harness import command_line, finish, goal

NAME = "predict"
PACKAGES = ("numpy", "polars", "soundfile", "timm", "torch", "transformers")
MODEL = Path("data/demo/model")
EXAMPLE = Path("docs/examples/conversation")
HOUR = 3600.0  # s
MANY, FEW = 1000, 100  # utterances of the hour
ONE_BY_ONE = 200  # utterances with a loaded predictor
KILLS = 20
IMPORTS = "from erc_core.run.loading import begin_loading; begin_loading(); import erc_core.predictor"  # as `erc` does


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the JSON."""
    parser = command_line(NAME, __doc__, rounds=5)
    parser.add_argument("--kills", type=int, default=KILLS, help="runs of the hour that are killed and continued")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="erc-predict-") as scratch:
        box = Path(scratch)
        whole = [EXAMPLE / "conversation.flac", "--transcript", EXAMPLE / "conversation.vtt"]
        page = [run(whole, box / "page")[0] for _ in range(options.rounds)]
        imports = [timed([sys.executable, "-c", IMPORTS])[0] for _ in range(options.rounds)]
        recording, segments = write_hour(box)
        few = box / "few.csv"
        write_rows(few, segments[:: len(segments) // FEW][:FEW])
        many = box / "many.csv"
        write_rows(many, segments)
        memory_few = run([recording, few], box / "few")[1]
        hours = [run([recording, many], box / "many") for _ in range(options.rounds)]
        latency = one_by_one()
        seconds = median(wall for wall, _ in hours)
        same = sum(kill_and_continue([recording, many], box, number, seconds) for number in range(options.kills))
    memory = max(peak for _, peak in hours)
    figures = {
        "20 utterances to a finished page, s": round(median(page), 2),
        "of which imports, s": round(median(imports), 2),
        f"{MANY} utterances of an hour, s": round(seconds, 2),
        "peak memory of it, MiB": round(memory / 2**20),
        f"peak memory of {FEW} utterances, MiB": round(memory_few / 2**20),
        "one utterance, median ms": round(1000 * latency, 2),
        "killed and continued to the same bytes": f"{same} of {options.kills}",
    }
    for name, value in figures.items():
        print(f"{name:<45} {value}")
    goals = [
        goal("seconds from the command's start to the page of 20 utterances", round(median(page), 2), at_most=5.0),
        goal("times real time, an hour of recording", round(HOUR / seconds, 1), at_least=200.0),
        goal("peak memory over that of a tenth of the utterances", round(memory / memory_few, 3), at_most=1.2),
        goal("milliseconds of one utterance, median", round(1000 * latency, 2), at_most=15.0),
    ]
    if options.kills:
        goals.append(goal("share of killed runs that end with the same bytes", same / options.kills, at_least=1.0))
    finish(
        NAME,
        rounds=options.rounds,
        settings={"figures": figures},
        packages=PACKAGES,
        groups={},
        outputs=[],
        goals=goals,
        folder=options.results,
    )
    return 0


def timed(command: Sequence[object]) -> tuple[float, int]:
    """Run a command; return its seconds, and the most memory that it held, bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process.stderr:
        told = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {told}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def run(inputs: Sequence[object], out: Path) -> tuple[float, int]:
    """Predict by the command; see timed."""
    return timed([sys.executable, "-m", "erc_core", "predict", MODEL, *inputs, "--out", out])


Row = tuple[float, float, str, str]  # start, end (s), speaker, text


def write_hour(box: Path) -> tuple[Path, list[Row]]:
    """Write the example again and again for an hour; return the file, and a thousand of its utterances spread over it."""
    samples, rate = soundfile.read(EXAMPLE / "conversation.flac", dtype="int16")
    length = len(samples) / rate
    times = int(HOUR // length)
    path = box / "hour.wav"
    rest = samples[: round(HOUR * rate) - times * len(samples)]
    soundfile.write(path, np.concatenate([*[samples] * times, rest]), rate)
    with (EXAMPLE / "conversation.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    every = [
        (float(row["start"]) + n * length, float(row["end"]) + n * length, row["speaker"], row["text"])
        for n in range(times)
        for row in rows
    ]
    return path, [every[place] for place in np.linspace(0, len(every) - 1, MANY).astype(int)]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a table of utterances."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("start", "end", "speaker", "text"), *rows])


def one_by_one() -> float:
    """Return the median seconds of one utterance, with a predictor that is loaded and has answered once."""
    from erc_core import Predictor

    predictor = Predictor.from_pretrained(MODEL)
    clips = sorted((EXAMPLE / "clips").glob("*.flac"))
    utterances = [{"text": clip.with_suffix(".txt").read_text(encoding="utf-8"), "audio": clip} for clip in clips]
    seconds = []
    for number in range(ONE_BY_ONE + len(clips)):
        start = time.perf_counter()
        predictor([utterances[number % len(clips)]])
        seconds.append(time.perf_counter() - start)
    return median(seconds[len(clips) :])


def kill_and_continue(inputs: Sequence[object], box: Path, number: int, usual: float) -> bool:
    """Kill a run at a random moment of the `usual` seconds, run it to its end, and compare with the unbroken one."""
    out, whole = box / f"killed{number}", box / "many"
    rng = random.Random(number)
    command = [sys.executable, "-m", "erc_core", "predict", MODEL, *inputs, "--out", out]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(rng.uniform(1.0, usual))
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(inputs, out)
    return content(out) == content(whole)


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the files in a folder, by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


if __name__ == "__main__":
    sys.exit(main())
