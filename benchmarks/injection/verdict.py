"""Judge how a stage ended: a good end is the right numbers, or one clear message and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.injection.inside import OUTSIDE
from benchmarks.injection.zygote import Outcome

TRACEBACK = "Traceback (most recent call last)"
PROGRESS = re.compile(r"[^\r\n]*?\d+%\|[^|]*\|[^]]*\]")  # a bar; a message may stand behind one that was not finished
LONGEST_MESSAGE = 3  # lines, where one mistake was made
LONGEST_LINE = 1000


@dataclass(frozen=True)
class Case:
    """One fault, how it was met, and what is wrong with that."""

    name: str  # what was done, with all that is needed to do it again
    ending: str  # "numbers", "message", or what went wrong in one word
    wrong: str = ""  # in words; empty where nothing is
    shown: dict[str, Any] = field(default_factory=dict)  # of the run, for a reader who wants to mend it

    @property
    def passed(self) -> bool:
        """Whether the fault was met as it should be."""
        return not self.wrong


def message_of(outcome: Outcome) -> list[str]:
    """Return the lines of standard error that are neither empty nor progress."""
    lines = re.split(r"[\r\n]+", PROGRESS.sub("", outcome.errors))
    return [line for line in lines if line.strip()]


def harm(outcome: Outcome, *, mistakes: int = 1) -> tuple[str, str]:
    """Return what is wrong with the end of a run whatever its numbers: a word and a sentence, both empty if nothing is.

    Args:
        outcome: Of the run.
        mistakes: Faults that it may have a line of its own for.
    """
    lines = message_of(outcome)
    last = lines[-1][:300] if lines else ""
    everything = outcome.errors + outcome.printed
    if OUTSIDE in everything:
        place = next(line for line in everything.splitlines() if OUTSIDE in line)
        return "outside", place[:300]
    if outcome.stopped:
        return outcome.stopped, f"killed after {outcome.seconds:.0f} s: over the limit of {outcome.stopped}"
    if TRACEBACK in everything or "panicked at" in everything:
        return "traceback", f"{len(lines)} lines, the last: {last}"
    if outcome.exit_code < 0:
        return "crash", f"ended by signal {-outcome.exit_code}: {last}"
    if outcome.exit_code and not lines:
        return "silent", f"exit code {outcome.exit_code} and no message"
    if outcome.exit_code and len(lines) > LONGEST_MESSAGE * mistakes:
        return "long", f"{len(lines)} lines, the last: {last}"
    if outcome.exit_code and max(map(len, lines)) > LONGEST_LINE:
        return "long", f"a line of {max(map(len, lines)):,} characters: {last}"
    return "", ""


def judge(
    name: str,
    outcome: Outcome,
    *,
    different: Sequence[str] = (),
    trespasses: Sequence[str] = (),
    told: Sequence[str] = (),
    must_end_well: bool = False,
    mistakes: int = 1,
) -> Case:
    """Return the case of one run.

    Args:
        name: What was done.
        outcome: How it ended.
        different: Files that say something else than they should; they matter where the run ended well.
        trespasses: What changed outside of the project.
        told: Words of which one has to be in a message; none for any message.
        must_end_well: Whether a message is no good end.
        mistakes: Faults that the message may have a line of its own for.
    """
    shown = {"exit_code": outcome.exit_code, "seconds": round(outcome.seconds, 1), "errors": outcome.errors[-1500:]}
    word, wrong = harm(outcome, mistakes=mistakes)
    message = "\n".join(message_of(outcome))
    if not wrong and trespasses:
        word, wrong = "outside", f"changed outside of the project: {', '.join(trespasses)[:300]}"
    if not wrong and outcome.exit_code and must_end_well:
        word, wrong = "refused", f"exit code {outcome.exit_code}: {message[-300:]}"
    if not wrong and outcome.exit_code and told and not any(one in message for one in told):
        word, wrong = "unclear", f"names none of {', '.join(told)}: {message[-300:]}"
    if not wrong and not outcome.exit_code and different:
        word, wrong = "numbers", f"ended well, but differ: {', '.join(different)[:300]}"
    if wrong:
        return Case(name, word, wrong, shown)
    return Case(name, "message" if outcome.exit_code else "same numbers", "", {"message": message[:300]})
