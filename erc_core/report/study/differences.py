"""A row of a table against the table's reference: paired over seeds, and paired over test dialogues or speakers.

The paired t test compares the scores of single trainings; the bootstrap compares the predictions averaged over the seeds,
which are those of an ensemble and score a little higher than a single training does. So there are two differences, each
with its own p value. Holm's correction is over one family: all rows of one table, for one score and one of the two tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from erc_core.errors import ErcError
from erc_core.params.training import EvaluateParams
from erc_core.report.study.statistics import holm, paired_dialogue_bootstrap, paired_t
from erc_core.study.results import PointResults, VariantResults

METRICS = ("acc", "wf1")
# A corrected p value of the t test below this gives a star, as in the paper
ALPHA = 0.05
DAMAGED = (
    "study variant {!r}: its predictions lack {} that its results have; make both again with `dvc repro --force study`"
)


@dataclass(frozen=True)
class Difference:
    """One score of a row minus that of the reference, fractions from -1 to 1."""

    mean: float  # mean over the seeds that both have
    p_t: float | None  # of the paired t test over these seeds; None with one seed
    averaged: float  # of the predictions averaged over these seeds
    low: float | None  # lower end of the interval of `averaged`, from resampled units; None with fewer than MIN_UNITS
    high: float | None  # upper end
    p_bootstrap: float | None  # of `averaged`, from the same resamples; None likewise
    n_units: int  # number of dialogues, or other units, that could be resampled
    p_t_holm: float | None = None  # p_t after Holm's correction over the table
    p_bootstrap_holm: float | None = None  # p_bootstrap after Holm's correction over the table

    @property
    def star(self) -> bool:
        """Whether the corrected t test says that the row differs from the reference."""
        return self.p_t_holm is not None and self.p_t_holm < ALPHA


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the results of a point of a variant."""

    results: VariantResults  # of the variant
    point: PointResults  # the point
    load: Callable[
        [str], pl.DataFrame
    ]  # returns the predictions of a variant on the test split, as StudySource.predictions

    @property
    def seeds(self) -> list[int]:
        """Its seeds, ascending."""
        return sorted(run.seed for run in self.point.runs)

    @property
    def predictions(self) -> pl.DataFrame:
        """The point's predictions, of all seeds."""
        return self.load(self.results.variant).filter(pl.col("point") == self.point.point)

    def scores(self, metric: str, seeds: Sequence[int]) -> list[float]:
        """Return a score of each of some seeds, in their order."""
        by_seed = {run.seed: float(getattr(run, metric)) for run in self.point.runs}
        return [by_seed[seed] for seed in seeds]

    def averaged(self, seeds: Sequence[int]) -> pl.DataFrame:
        """Return the mean of the probabilities over some seeds: one row per utterance, sorted by its id.

        Raises:
            ErcError: A seed has not predicted every utterance, or not every class.
        """
        rows = self.predictions.filter(pl.col("seed").is_in(seeds))
        probabilities = [f"p_{label}" for label in self.results.labels]
        if not set(probabilities) <= set(rows.columns):
            raise ErcError(DAMAGED.format(self.results.variant, "a class"))
        table = (
            rows.group_by("utterance_id")
            .agg(
                pl.col("unit", "emotion").first(),
                pl.col(probabilities).cast(pl.Float64).mean(),
                pl.col("seed").n_unique().alias("n_seeds"),
            )
            .sort("utterance_id")
        )
        if table.is_empty() or (table["n_seeds"] != len(seeds)).any():
            raise ErcError(DAMAGED.format(self.results.variant, "utterances of a seed"))
        return table


def same_utterances(a: Side, b: Side) -> bool:
    """Return whether both sides were tested on the same utterances with the same gold labels."""
    tested = [
        side.predictions.select("utterance_id", "unit", "emotion").unique().sort("utterance_id") for side in (a, b)
    ]
    return tested[0].equals(tested[1])


def compare(row: Side, reference: Side, evaluate: EvaluateParams) -> dict[str, Difference]:
    """Compare a row with the reference on the seeds that both have; by metric, without correction."""
    seeds = [seed for seed in row.seeds if seed in reference.seeds]
    if not seeds:
        return {}
    ours, theirs = row.averaged(seeds), reference.averaged(seeds)
    labels = row.results.labels
    probabilities = [f"p_{label}" for label in labels]
    bootstrap = paired_dialogue_bootstrap(
        ours["unit"].to_list(),
        ours["emotion"].to_list(),
        ours.select(probabilities).to_numpy(),
        theirs.select(probabilities).to_numpy(),
        labels,
        samples=evaluate.bootstrap_samples,
        confidence=evaluate.confidence,
        seed=evaluate.seed,
    )
    differences = {}
    for metric in METRICS:
        a, b = row.scores(metric, seeds), reference.scores(metric, seeds)
        mean = float(np.mean(np.subtract(a, b)))
        paired = bootstrap[metric]
        over_units = (paired.difference, paired.low, paired.high, paired.p, ours["unit"].n_unique())
        differences[metric] = Difference(mean, paired_t(a, b), *over_units)
    return differences


def corrected(differences: Sequence[Mapping[str, Difference]]) -> list[dict[str, Difference]]:
    """Return the differences of a table's rows with p values corrected, score by score and test by test.

    A row without differences does not count as a comparison.
    """
    rows = [dict(row) for row in differences]
    for metric in METRICS:
        compared = [row for row in rows if metric in row]
        t = holm([row[metric].p_t for row in compared])
        bootstrap = holm([row[metric].p_bootstrap for row in compared])
        for row, p_t, p_bootstrap in zip(compared, t, bootstrap, strict=True):
            row[metric] = replace(row[metric], p_t_holm=p_t, p_bootstrap_holm=p_bootstrap)
    return rows
