"""All of params.yaml as one checked object, with the rules that concern more than one section."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from erc_core.params.backbones import BackboneParams
from erc_core.params.by_dataset import is_of
from erc_core.params.data import AudioParams, DemoParams, IngestParams, MelParams, TextParams
from erc_core.params.model import ICLParams, JFMParams, ModelParams
from erc_core.params.section import FILE_NAME, Name, Names, Section
from erc_core.params.study import StudyParams
from erc_core.params.training import EvaluateParams, PackParams, ParallelParams, ReportParams, TrainParams

RESERVED_NAMES = ("raw", "cards", "results", "study", "figures", "tables")  # folders beside those of the datasets
SCHEDULER = re.compile(r"(tcp|tls|ucx|ws|wss)://\S+:\d+/?")
EXAMPLE_SCHEDULER = "tcp://host:8786"


class Params(Section):
    """Everything that params.yaml says."""

    datasets: list[Name] = Field(min_length=1, max_length=200)
    groups: dict[Name, Names]
    backbone: Name
    demo: DemoParams
    ingest: dict[Name, IngestParams] = Field(max_length=200)
    audio: AudioParams
    mel: MelParams
    text: TextParams
    model: ModelParams
    jfm: JFMParams
    icl: ICLParams
    train: TrainParams
    study: StudyParams
    evaluate: EvaluateParams
    pack: PackParams
    report: ReportParams
    parallel: ParallelParams
    backbones: dict[Name, BackboneParams] = Field(max_length=200)

    @field_validator("datasets")
    @classmethod
    def _dataset_names(cls, names: list[str]) -> list[str]:
        for name in names:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r}: allowed are lower-case letters, digits, - and _, as the name becomes a folder"
                )
            if name in RESERVED_NAMES:
                raise ValueError(f"{name!r}: is the name of a folder of the pipeline; call the dataset something else")
        if len(set(names)) < len(names):
            raise ValueError(f"{names}: allowed is each dataset once")
        return names

    @model_validator(mode="after")
    def _sections_agree(self) -> "Params":
        problems = list(self._problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if self.backbone not in self.backbones:
            yield f"backbone = {self.backbone!r}: allowed are the names under backbones: {list(self.backbones)}"
            return
        for name in self.datasets:
            if name not in self.ingest:
                yield f"datasets: {name!r} has no section ingest.{name}; allowed are {list(self.ingest)}"
        yield from self._group_problems()
        yield from self._mel_problems()
        yield from self._depth_problems(self.model, self.jfm)
        yield from self._study_problems()
        yield from self._name_problems()
        if self.icl.weight > 0 and self.train.batch_size < 2:
            yield (
                f"train.batch_size = {self.train.batch_size}: allowed is 2 or more while icl.weight is "
                f"{self.icl.weight:g}; the contrastive loss compares the utterances of a batch"
            )
        scheduler = self.parallel.scheduler
        if scheduler is None and self.parallel.backend == "dask":
            yield (
                "parallel.scheduler = null: allowed with parallel.backend dask is the address of a running scheduler, "
                f"such as {EXAMPLE_SCHEDULER}"
            )
        elif scheduler is not None and not SCHEDULER.fullmatch(scheduler):
            yield f"parallel.scheduler = {scheduler!r}: allowed is null, or an address such as {EXAMPLE_SCHEDULER}"

    def _mel_problems(self) -> Iterator[str]:
        mel, rate, patch = self.mel, self.audio.sample_rate, self.selected_backbone.patch
        if mel.n_mels < patch:
            yield f"mel.n_mels = {mel.n_mels}: allowed is backbones.{self.backbone}.patch ({patch}) or more"
        for name, length in (("window_ms", mel.window_ms), ("hop_ms", mel.hop_ms)):
            if round(length * rate / 1000) < 1:
                yield f"mel.{name} = {length:g}: allowed is {1000 / rate:g} or more, one sample"
        window = round(mel.window_ms * rate / 1000)
        if mel.n_fft < window:
            yield (
                f"mel.n_fft = {mel.n_fft}: allowed is {window} or more, the samples in mel.window_ms "
                f"({mel.window_ms:g} ms at {rate} Hz)"
            )
        shortest = max(mel.n_fft // 2 + 1, window) / rate
        if self.audio.min_seconds < shortest:
            yield (
                f"audio.min_seconds = {self.audio.min_seconds:g}: allowed is {shortest:g} or more, one mel window "
                f"(mel.window_ms, and half of mel.n_fft for the reflected border)"
            )
        if not mel.f_min < mel.f_max <= rate / 2:
            yield (
                f"mel.f_max = {mel.f_max:g}: allowed is more than mel.f_min ({mel.f_min:g} Hz) and at most "
                f"half of audio.sample_rate ({rate / 2:g} Hz)"
            )

    def _study_problems(self) -> Iterator[str]:
        """Yield what the variants to run ask for and the backbone does not have."""
        base = self.study.base
        of_base = list(self._depth_problems(base.model, base.jfm)) if self.study.run else []
        yield from (f"study.base: {problem}" for problem in of_base)
        for variant in self.study.run:
            for label, changes in self.study.variants[variant].points.items():
                point = base.changed(changes)
                for problem in self._depth_problems(point.model, point.jfm):
                    if problem not in of_base:
                        yield f"study.variants.{variant}.points.{label}: {problem}"

    def _name_problems(self) -> Iterator[str]:
        """Yield settings of backbones and datasets that are not there."""
        sections: dict[str, Mapping[str, Any]] = {
            f"backbones.{name}.training": backbone.training.datasets for name, backbone in self.backbones.items()
        }
        for variant, params in self.study.variants.items():
            key = f"study.variants.{variant}.settings"
            for name, settings in params.settings.items():
                if name not in self.backbones:
                    yield f"{key}: {name!r} is not under backbones; allowed are {list(self.backbones)}"
                sections[f"{key}.{name}"] = settings.get("datasets", {})
        for key, datasets in sections.items():
            for name in datasets:
                if not any(is_of(dataset, name) for dataset in self.ingest):
                    yield f"{key}.datasets: {name!r} is not under ingest; allowed are {list(self.ingest)}"

    def _group_problems(self) -> Iterator[str]:
        for name, members in self.groups.items():
            if not FILE_NAME.fullmatch(name) or name in self.ingest or name in RESERVED_NAMES:
                yield (
                    f"groups.{name}: allowed are lower-case letters, digits, - and _, and no name of a dataset or folder, as "
                    "the name becomes a file's"
                )
            if len(members) < 2 or len(set(members)) < len(members):
                yield f"groups.{name} = {members}: allowed are two or more different names under ingest"
            for member in members:
                if member not in self.ingest:
                    yield f"groups.{name}: {member!r} has no section ingest.{member}; allowed are {list(self.ingest)}"

    def _depth_problems(self, model: ModelParams, jfm: JFMParams) -> Iterator[str]:
        """Yield what asks for more layers than the backbone has."""
        key, backbone = f"backbones.{self.backbone}", self.selected_backbone
        for name in ("bert", "vit"):
            part = getattr(backbone, name)
            if part.source == "config" and jfm.n_blocks > part.depth:
                yield f"jfm.n_blocks = {jfm.n_blocks}: allowed is 1 to {key}.{name}.depth ({part.depth})"
        vit, layers = backbone.vit, model.vit_layers
        if vit.source == "config" and layers is not None and layers > vit.depth:
            yield f"model.vit_layers = {layers}: allowed is null, or 1 to {key}.vit.depth ({vit.depth})"

    @property
    def shown_groups(self) -> list[str]:
        """The groups whose datasets are all built."""
        return [name for name, members in self.groups.items() if set(members) <= set(self.datasets)]

    @property
    def selected_backbone(self) -> BackboneParams:
        """The backbone that `backbone` names."""
        return self.backbones[self.backbone]


def dump(section: Section) -> dict[str, Any]:
    """Return a section as plain, JSON-ready values."""
    return section.model_dump(mode="json")


def deciding(section: Section) -> dict[str, Any]:
    """Return a section's values as `dump` does, without those that change speed only."""
    return section.model_dump(mode="json", exclude=set(section.speed_only))


def speech_params(params: Params) -> dict[str, dict[str, Any]]:
    """Return, by section, what decides the features of speech."""
    return {"audio": dump(params.audio), "mel": dump(params.mel)}


def feature_widths(params: Params) -> tuple[int | None, int]:
    """Return the values in a token's and in a frame's vector; None where a pretrained encoder has its own."""
    encoder = params.selected_backbone.text_encoder
    return encoder.width if encoder.source == "config" else None, params.mel.n_mels


def text_params(params: Params) -> dict[str, dict[str, Any]]:
    """Return, by section, what decides the features of text."""
    return {"text": deciding(params.text), "text_encoder": dump(params.selected_backbone.text_encoder)}
