"""The model card: README.md of a model's folder, in the form that the Hugging Face hub reads, from the facts of the run.

Its head is YAML for the hub's search, the rest is for people. The same facts give the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from huggingface_hub import EvalResult, ModelCardData

from erc_core.evaluation.records import Metrics, RunFacts, Score
from erc_core.report.page import formats
from erc_core.report.page.environment import template_environment
from erc_core.report.page.render import escape_markdown
from erc_core.sharing.card.corpora import Corpus, corpus_of
from erc_core.store.ingest import IngestRecord

LIBRARY = "erc-core"
SCORES = {"wf1": "weighted F1", "acc": "accuracy", "macro_f1": "macro F1"}
HUB_METRICS = {"wf1": ("f1", "weighted"), "acc": ("accuracy", None), "macro_f1": ("f1", "macro")}  # type, average
# parts of the backbone whose weights have a name on the hub
ENCODERS = ("text_encoder", "bert")


@dataclass(frozen=True)
class CardSource:
    """What a model card is written from."""

    description: Mapping[str, Any]  # the whole of the model's config.json
    facts: RunFacts
    metrics: Metrics
    per_class: pl.DataFrame  # as read_per_class gives it
    ingest: IngestRecord
    confidence: float  # of the intervals
    license: str | None  # that the model is handed on under, as the hub spells it


def model_card(source: CardSource) -> str:
    """Return the whole of README.md."""
    corpus = corpus_of(source.facts.dataset, source.ingest)
    # it is Markdown: what stands in a corpus goes through `text`
    environment = template_environment("erc_core.sharing.card", "", autoescape=False)
    environment.filters |= {"text": escape_markdown, "listed": formats.listed, "count": formats.count}
    return environment.get_template("README.md.j2").render(
        head=_head(source, corpus),
        corpus=corpus,
        facts=source.facts,
        metrics=source.metrics,
        modality=formats.MODALITIES[source.facts.modality],
        parameters=source.facts.training["parameters"],
        best_epoch=source.facts.training["best_epoch"],
        epochs=source.facts.training["epochs"],
        val_wf1=formats.percent(source.facts.training["val_wf1"]),
        scores={title: _in_words(source.metrics.score(name)) for name, title in SCORES.items()},
        classes=[
            (row["emotion"], _in_words(Score(row["f1"], row["f1_low"], row["f1_high"])), row)
            for row in source.per_class.iter_rows(named=True)
        ],
        percent=formats.percent,
        splits=formats.SPLIT_TITLES,
        interval=f"{100 * source.confidence:g}%",
        calibration=source.description.get("calibration"),
        encoder=_fetched(source.description).get("text_encoder"),
        license=source.license,
        versions=source.description["versions"],
    )


def _head(source: CardSource, corpus: Corpus) -> str:
    facts = source.facts
    speech, text = "A" in facts.modality, "T" in facts.modality
    tags = ["emotion-recognition", "emotion-recognition-in-conversation"]
    tags += ["speech-emotion-recognition"] * speech + ["multimodal"] * (speech and text)
    results = [
        EvalResult(
            task_type="audio-classification" if speech else "text-classification",
            task_name="Emotion recognition in conversation",
            dataset_type=facts.dataset,
            dataset_name=corpus.name,
            dataset_split="test",
            metric_type=kind,
            metric_name=SCORES[name],
            metric_args={"average": average} if average else None,
            metric_value=source.metrics.score(name).value,
        )
        for name, (kind, average) in HUB_METRICS.items()
    ]
    return ModelCardData(
        library_name=LIBRARY,
        pipeline_tag="audio-classification" if speech else "text-classification",
        language=corpus.language,
        license=source.license,
        tags=[*tags, *["synthetic"] * facts.synthetic],
        datasets=[facts.dataset],
        metrics=["f1", "accuracy"],
        base_model=list(_fetched(source.description).values()) or None,
        model_name=f"{LIBRARY}-{facts.dataset}",
        eval_results=results,
    ).to_yaml(line_break="\n")


def _fetched(description: Mapping[str, Any]) -> dict[str, str]:
    """Return the names on the hub of the pretrained weights, by part of the backbone; a path to a folder is none."""
    backbone = description["params"]["backbone"]
    names = {part: backbone[part].get("name", "") for part in ENCODERS if backbone[part]["source"] == "pretrained"}
    return {part: name for part, name in names.items() if not name.startswith(("models/", ".", "~", "/"))}


def _in_words(score: Score) -> str:
    return formats.percent_with_range(*score)
