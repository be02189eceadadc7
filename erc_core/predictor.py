"""The front door: a trained model's folder in, the emotions of a conversation out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from erc_core.conversation.segments import STATUSES, Conversation, SegmentStatus, Status
from erc_core.conversation.speech import SpeechReader
from erc_core.errors import DamagedError, ErcError, damaged
from erc_core.inference.batching import evaluation_batches
from erc_core.inference.predict import Precision, mixed_precision, probabilities_of, resolve_precision
from erc_core.inference.processor import UtteranceFeatures, UtteranceProcessor, batch_of
from erc_core.models.classifier import UtteranceClassifier
from erc_core.models.save import SavedModel, load_model
from erc_core.params.backbones import TextEncoderParams
from erc_core.params.data import AudioParams, MelParams
from erc_core.params.section import Auto
from erc_core.run.device import pick_threads
from erc_core.run.hub import quiet_transformers
from erc_core.speech.audio import Clip, without_audio
from erc_core.store.checksums import FOLDER_FILE, file_checksum
from erc_core.store.clips import ClipStatus
from erc_core.store.model_folder import CONFIG_FILE
from erc_core.text.encoder import FrozenTextEncoder, load_text_encoder, make_text_encoder, weights_checksum
from erc_core.text.tokens import TOKENIZER_FILE, load_tokenizer

SILENCE = without_audio(ClipStatus.MISSING, "")
CHUNK = 128  # utterances whose features are in memory at a time
BATCH = 32  # utterances that a model reads at a time
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
GIVEN = "_given"  # behind the name of a column that came in, where the answer has one of that name


@dataclass(frozen=True)
class Predictor:
    """A trained model, ready for raw text and audio. Make it with from_pretrained."""

    name: str  # of the folder, or on the hub
    fingerprint: str  # of all files of the model: two models of one fingerprint give the same answers
    model: UtteranceClassifier
    description: dict[str, Any]  # the whole of its config.json
    temperature: float  # what its logits are divided by before the softmax
    processor: UtteranceProcessor
    precision: Precision  # of the fusion's numbers, as it was evaluated with
    sources: tuple[str, ...]  # of the backbone's parts, "config" or "pretrained"
    device: torch.device

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        revision: str | None = None,
        text_encoder: str | None = None,
        device: str | torch.device | None = None,
    ) -> Self:
        """Load a model.

        Args:
            model: A folder, such as data/demo/model, or a name on the Hugging Face hub, USER/NAME.
            revision: On the hub: a branch, a tag or a commit.
            text_encoder: Where the frozen text encoder's weights are, if not where the model says; they must be the same.
            device: "cpu", "cuda", ...; by itself the GPU if there is one.

        Raises:
            ErcError: There is no such model, it is damaged, or its tokenizer or text encoder are not those that it was
                trained with.
        """
        quiet_transformers()
        folder = _folder(model, revision)
        chosen = _device(device)
        with _told_of_a_copy(folder):
            saved = load_model(folder)
            needs = _needs(folder, saved)
            temperature = saved.temperature
            processor = _processor(folder, needs, text_encoder, chosen)
        return cls(
            name=str(model),
            fingerprint=file_checksum(folder / FOLDER_FILE),
            model=saved.model.to(chosen),
            description=saved.description,
            temperature=temperature,
            processor=processor,
            precision=resolve_precision(needs.params.train.precision, chosen),
            sources=tuple(
                part.source for part in (needs.text_encoder, needs.params.backbone.bert, needs.params.backbone.vit)
            ),
            device=chosen,
        )

    @property
    def labels(self) -> list[str]:
        """The emotions that it tells apart, in the order of the columns p_<label>."""
        return self.model.config.labels

    @property
    def modality(self) -> str:
        """What it reads: T, A, or T+A."""
        return self.model.config.model.modality

    @property
    def is_synthetic(self) -> bool:
        """Whether it was trained on made-up speech."""
        return bool(self.description.get("synthetic", False))

    @property
    def facts(self) -> dict[str, Any]:
        """What to say of it beside its answers: `name`, `fingerprint`, `modality`, `dataset`, `synthetic`."""
        dataset = str(self.description.get("dataset", ""))
        # a folder's path says something of a machine, and nothing of the model
        name = self.name if HUB_NAME.fullmatch(self.name) and not Path(self.name).exists() else dataset
        facts = {"name": name, "fingerprint": self.fingerprint, "modality": self.modality}
        return facts | {"dataset": dataset, "synthetic": self.is_synthetic}

    def __call__(self, conversation: Any, *, min_confidence: float | None = None) -> pl.DataFrame:
        """Tell the emotion of every utterance.

        Args:
            conversation: A list of utterances, or a table of polars or pandas; see Conversation.of. Each has what the model
                reads of text and audio; `start` and `end` (s) make its audio a stretch of a recording.
            min_confidence: Marks answers of less confidence in a column `uncertain`.

        Returns:
            Every column that came in, then `emotion`, `confidence` and `p_<label>` (null where there is neither speech nor
            words), `status` (one of STATUSES), and `detail`, its reason in words. A column that came in under one of these
            names is called <name>_given.

        Raises:
            ErcError: A column has the wrong type.
        """
        given = Conversation.of(conversation)
        return self.join(given, list(self.chunks(given)), min_confidence)

    def plan(self, conversation: Conversation) -> list[NDArray[np.int64]]:
        """Return the rows of each chunk, in the order of work."""
        order = conversation.order_of_work()
        return [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]

    def chunks(
        self, conversation: Conversation, done: Mapping[int, pl.DataFrame] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield the answers to each chunk of the plan: `row`, `emotion` and so on. Memory holds one chunk at a time.

        Answers of earlier runs are taken from `done`, by the number of the chunk. The others do not depend on them.
        """
        done = done or {}
        with SpeechReader(conversation, self.processor.audio) as reader:
            for number, rows in enumerate(self.plan(conversation)):
                if number in done:
                    yield done[number]
                    continue
                with self._threads():
                    yield self._answer(conversation, rows, reader)

    def join(
        self, conversation: Conversation, chunks: Sequence[pl.DataFrame], min_confidence: float | None = None
    ) -> pl.DataFrame:
        """Return the table of a conversation with the answers to all chunks of its plan."""
        answers = pl.concat(chunks, rechunk=True) if chunks else pl.DataFrame(schema=self._schema)
        answers = answers.sort("row").drop("row")
        if min_confidence is not None:
            answers = answers.with_columns((pl.col("confidence") < min_confidence).alias("uncertain"))
        table = conversation.table
        # `uncertain` too where none was asked for: flags that came in are of other answers
        ours = {*answers.columns, "uncertain"}
        taken = {name: f"{name}{GIVEN}" for name in table.columns if name in ours}
        while clash := next((old for old, new in taken.items() if new in table.columns), None):
            taken[clash] += GIVEN
        return table.rename(taken).hstack(answers)

    @cached_property
    def _schema(self) -> pl.Schema:
        number = pl.Float64()
        probabilities = {f"p_{label}": number for label in self.labels}
        emotions = {"row": pl.Int64(), "emotion": pl.String(), "confidence": number}
        return pl.Schema(emotions | probabilities | {"status": pl.Enum(STATUSES), "detail": pl.String()})

    def _answer(self, conversation: Conversation, rows: NDArray[np.int64], reader: SpeechReader) -> pl.DataFrame:
        hears, reads = "A" in self.modality, "T" in self.modality
        # a model that reads no speech has none decoded for it
        spoken = [reader.clip(int(row)) if hears else (SILENCE, ClipStatus.OK) for row in rows]
        texts = [conversation.text[row] if reads else "" for row in rows]
        can_answer = np.array(
            [bool(text) or len(clip.samples) > 0 for text, (clip, _) in zip(texts, spoken, strict=True)]
        )
        outcomes = [
            _outcome(clip, status, text, self.modality) for text, (clip, status) in zip(texts, spoken, strict=True)
        ]
        probabilities = np.full((len(rows), len(self.labels)), np.nan)
        places = np.flatnonzero(can_answer)
        if len(places):
            features = self.processor(
                [texts[place] for place in places], [spoken[place][0].samples for place in places], BATCH
            )
            probabilities[places] = self._probabilities(features)
        best = probabilities.argmax(axis=1)
        columns: dict[str, Any] = {
            "row": rows,
            "emotion": [self.labels[label] if can else None for label, can in zip(best, can_answer, strict=True)],
            "confidence": probabilities.max(axis=1),
        }
        columns |= {f"p_{label}": probabilities[:, place] for place, label in enumerate(self.labels)}
        columns |= {"status": [status.value for status, _ in outcomes], "detail": [detail for _, detail in outcomes]}
        return pl.DataFrame(columns, schema=self._schema, nan_to_null=True)

    @torch.inference_mode()
    def _probabilities(self, features: Sequence[UtteranceFeatures]) -> NDArray[np.float64]:
        """Return (n, C)."""
        lengths = np.array([len(one.mel) if "A" in self.modality else len(one.text) for one in features])
        probabilities = np.zeros((len(features), len(self.labels)))
        for places in evaluation_batches(np.arange(len(features)), lengths, BATCH):
            batch = batch_of(features, places).to(self.device)
            with mixed_precision(self.precision, self.device):
                logits = self.model(batch).logits_BC
            probabilities[places] = probabilities_of(logits, self.temperature)
        return probabilities

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Compute with as many threads as pay, and leave those of the caller as they were."""
        before = torch.get_num_threads()
        pick_threads(self.sources)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class _Lenient(BaseModel):
    """A part of config.json of which only these keys are read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _TextNeeds(_Lenient):
    max_tokens: int = Field(ge=3, le=512)


class _Features(_Lenient):
    audio: AudioParams
    mel: MelParams
    text: _TextNeeds


class _Precision(_Lenient):
    precision: Precision | Auto


class _Part(_Lenient):
    source: str


class _Backbone(_Lenient):
    bert: _Part
    vit: _Part


class _Params(_Lenient):
    train: _Precision
    backbone: _Backbone


class _Needs(_Lenient):
    """What config.json says about how to make what the model reads."""

    features: _Features
    text_encoder: TextEncoderParams
    tokenizer_checksum: str
    text_encoder_checksum: str
    params: _Params


def _folder(model: str | Path, revision: str | None) -> Path:
    """Return the folder of a model, fetched from the hub where it is none."""
    name, folder = str(model), Path(model).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_NAME.fullmatch(name):
        raise ErcError(
            f"{name}: no such folder; `dvc repro` makes data/<dataset>/model, and the hub's names are USER/NAME"
        )
    from huggingface_hub import snapshot_download  # not needed for a folder

    try:
        return Path(snapshot_download(name, revision=revision))
    except Exception as error:  # of the network, of the hub, of the disk
        reason = " ".join(str(error).split())[:200]
        raise ErcError(
            f"{name}: no such folder, not in the hub's cache, and the hub did not give it ({type(error).__name__}: {reason}); "
            f"where there is a network, run `hf download {name} --local-dir {name.split('/')[-1]}` and name that folder"
        ) from None


def _device(name: str | torch.device | None) -> torch.device:
    """Return a device that there is; by itself the GPU, or else the CPU."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either where it was built without the device
        reason = str(error).splitlines()[0]
        raise ErcError(f"device {str(name)!r}: not to be had ({reason}); leave it out, or say cpu") from None
    return device


@contextmanager
def _told_of_a_copy(folder: Path) -> Iterator[None]:
    """Turn the remedy of a damaged output of the pipeline into that of a folder that came from elsewhere, if it did."""
    try:
        yield
    except DamagedError as error:
        if Path("dvc.yaml").is_file() and folder.resolve().is_relative_to(Path.cwd()):
            raise
        raise ErcError(f"{error.told}; get the model's folder again from where it came") from None


def _needs(folder: Path, saved: SavedModel) -> _Needs:
    try:
        return _Needs.model_validate(saved.description | {"text_encoder": saved.text_encoder})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise damaged(folder / CONFIG_FILE, f"does not say what the model reads ({place}: {first['msg']})") from None


def _processor(folder: Path, needs: _Needs, text_encoder: str | None, device: torch.device) -> UtteranceProcessor:
    """Return what makes the features, by the tokenizer and the text encoder that the model was trained with."""
    path = folder / "tokenizer"
    tokenizer = load_tokenizer(path)
    if file_checksum(path / TOKENIZER_FILE) != needs.tokenizer_checksum:
        raise ErcError(f"{path}: is not the tokenizer that this model was trained with; get the whole folder anew")
    section, is_own = needs.text_encoder, needs.text_encoder.source == "config"
    if section.source == "pretrained":
        section = section.model_copy(update={"name": text_encoder or section.name})
        where = section.name
        encoder = make_text_encoder(section, "text_encoder", tokenizer.get_vocab_size())
    else:
        where = str(folder / "text_encoder")
        encoder = load_text_encoder(folder / "text_encoder")
    if weights_checksum(encoder) != needs.text_encoder_checksum:
        raise ErcError(f"{where}: is not the text encoder that this model was trained with; its weights are others")
    frozen = FrozenTextEncoder(encoder, device, exact=is_own)
    features = needs.features
    return UtteranceProcessor(features.audio, features.mel, features.text.max_tokens, tokenizer, frozen)


def _outcome(clip: Clip, status: Status, text: str, modality: str) -> tuple[Status, str]:
    """Return the status of an utterance, and its reason in words."""
    if modality == "T":
        return (ClipStatus.OK, "") if text else (SegmentStatus.NO_TEXT, "no words, and the model reads nothing else")
    detail = "another utterance goes on at the same time" if status is SegmentStatus.OVERLAPPING else clip.detail
    if len(clip.samples):
        alone = "" if text or modality == "A" else "no words: answered from the speech alone"
    elif modality == "A":
        alone = "no answer: the model reads speech alone"
    else:
        alone = "answered from the text alone" if text else "no answer: no words either"
    return status, "; ".join(filter(None, (detail, alone)))
