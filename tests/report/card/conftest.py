import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from erc_core.params.load import load_params
from erc_core.params.schema import Params
from erc_core.store.checksums import seal
from erc_core.store.clips import write_clips
from erc_core.store.ragged_writer import RaggedWriter
from erc_core.store.utterances import SCHEMA, write_utterances
from stages.card import main

RATE = 1000
ROOT = Path(__file__).parents[3]


class MadeUpCorpus:
    """A corpus of any content as the stages ingest and resample leave it, and its card."""

    def __init__(self, root: Path, params: Params, dataset: str = "mine") -> None:
        self.root, self.params, self.dataset = root, params, dataset
        self.rows: list[dict[str, Any]] = []
        self.samples: list[np.ndarray] = []
        self.clips: list[tuple[str, str, float, str]] = []
        self.ingest: dict[str, Any] = {"format": "table", "split_by": "dialogue"}
        self.facts: dict[str, Any] = {}
        self.issues: list[Any] = []
        self.synthetic = False

    def add(self, split="train", *, text=None, audio=None, status="ok", detail="", seconds=None, **columns):
        """Add an utterance; audio is the seed of its samples, None for none."""
        n = len(self.rows)
        utterance_id = columns.pop("utterance_id", f"u{n}")
        row = {"dialogue_id": f"{split}{n // 4}", "turn": n, "speaker": f"{split} {n % 3}", "emotion": "joy"}
        row |= {"utterance_id": utterance_id, "split": split, "text": f"text {n}" if text is None else text}
        row |= {"audio_path": None if audio is None else f"{n}.wav", "status": "ok" if audio is not None else "missing"}
        self.rows.append(row | columns)
        length = 0 if audio is None else RATE + 10 * (audio % 50)
        self.samples.append(np.random.default_rng(audio).integers(-99, 99, length, dtype=np.int16))
        if audio is None and status == "ok":
            status, detail = "missing", "no such clip"
        self.clips.append((utterance_id, status, length / RATE if seconds is None else seconds, detail))
        return utterance_id

    def fill(self, train=24, dev=8, test=8, *, audio=True, emotions=("joy", "fear")):
        """Add ordinary utterances, all of them different."""
        for split, n in (("train", train), ("dev", dev), ("test", test)):
            for i in range(n):
                self.add(split, audio=1000 + len(self.rows) if audio else None, emotion=emotions[i % len(emotions)])

    @property
    def folder(self) -> Path:
        return self.root / "data" / self.dataset

    @property
    def reports(self) -> Path:
        return self.root / "reports" / self.dataset

    def write(self) -> None:
        write_utterances(
            pl.DataFrame(self.rows, schema_overrides=SCHEMA).select(SCHEMA.names()).cast(SCHEMA), self.folder
        )
        write_clips(self.clips, self.folder)
        attributes = {"sample_rate": RATE, "downmix": "center"}
        with RaggedWriter(self.folder / "audio.h5", dtype=np.int16, width=None, attributes=attributes) as writer:
            for row, samples in zip(self.rows, self.samples, strict=True):
                writer.append(row["utterance_id"], samples)
        record = {
            "ingest": self.ingest,
            "clips": "raw",
            "facts": self.facts,
            "synthetic": self.synthetic,
            "issues": [asdict(issue) for issue in self.issues],
        }
        (self.folder / "ingest.json").write_text(json.dumps(seal(record), ensure_ascii=False), encoding="utf-8")

    def card(self) -> str:
        """Run the stage and return data.md."""
        self.write()
        main(self.params, self.dataset)
        return (self.reports / "data.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def corpus(tmp_path, monkeypatch, params) -> MadeUpCorpus:
    monkeypatch.chdir(tmp_path)
    return MadeUpCorpus(tmp_path, params)
