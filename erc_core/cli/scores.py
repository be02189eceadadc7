"""Scores of a table whose emotions people have told before."""

import polars as pl

from erc_core.conversation.inputs import Inputs
from erc_core.evaluation.bootstrap import bootstrap_intervals, dialogue_confusions
from erc_core.evaluation.scores import score
from erc_core.evaluation.units import MIN_UNITS

SAMPLES, CONFIDENCE, SEED = 2000, 0.95, 0  # of the bootstrap
NAMES = {"W-F1": "wf1", "accuracy": "acc", "macro F1": "macro_f1"}


def scores_in_words(inputs: Inputs, column: str, table: pl.DataFrame, labels: list[str]) -> str:
    """Return accuracy, W-F1 and macro F1 of the answers with their intervals, and what was not scored.

    `column` of the conversation's table holds the emotions that were told, of any case.
    """
    by_fold = {label.casefold(): label for label in labels}
    told = inputs.conversation.table[column].cast(pl.String).fill_null("").str.strip_chars()
    pairs = {
        row: (word if word in labels else by_fold[word.casefold()], answer)
        for row, (word, answer) in enumerate(zip(told, table["emotion"], strict=True))
        if answer and (word in labels or word.casefold() in by_fold)
    }
    if not pairs:
        return f"no scores: no emotion in column {column} is one of the model's ({', '.join(labels)})"
    left_out = len(table) - len(pairs)
    gold, answers = (list(words) for words in zip(*pairs.values(), strict=True))
    dialogues = inputs.conversation.dialogue
    units = [dialogues[row] if dialogues else str(row) for row in pairs]
    noun = "dialogues" if dialogues else "utterances, as there is no column dialogue_id"
    scores = score(gold, answers, labels)
    confusions = dialogue_confusions(units, gold, answers, labels)
    intervals = bootstrap_intervals(confusions, labels, samples=SAMPLES, confidence=CONFIDENCE, seed=SEED)
    words = []
    for title, name in NAMES.items():
        ends = getattr(intervals, name)
        interval = f" [{100 * ends.low:.1f}, {100 * ends.high:.1f}]" if ends else ""
        words.append(f"{title} {100 * getattr(scores, name):.1f}{interval}")
    resampled = (
        f"95% intervals over {noun}"
        if len(set(units)) >= MIN_UNITS
        else f"no intervals from fewer than {MIN_UNITS} {noun}"
    )
    rest = f"; {left_out:,} rows without an answer, or with an emotion that the model does not know" if left_out else ""
    return f"scores of {len(pairs):,} utterances: {', '.join(words)} ({resampled}){rest}"
