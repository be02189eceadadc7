"""What is wrong with a user's table: problems that the user must mend, all raised at once, and issues that a rule met."""

from dataclasses import dataclass, field
from pathlib import Path

from erc_core.errors import ErcError
from erc_core.store.ingest import DataIssue

MOST_PROBLEMS = 50
MOST_NAMES = 12
LONGEST_QUOTE = 60
HEADER_ROW = 1  # as a spreadsheet numbers rows


def quoted(cell: str) -> str:
    """Return a cell for a message: in quotation marks, on one line, not too long."""
    shown = cell if len(cell) <= LONGEST_QUOTE else cell[: LONGEST_QUOTE - 3] + "..."
    return ascii(shown) if not shown.isprintable() else repr(shown)


def listed(names: list[str]) -> str:
    """Return the names of columns for a message, not too many."""
    shown = ", ".join(quoted(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"


@dataclass
class Findings:
    """Collects problems and issues while a table is read."""

    path: Path  # of the table
    problems: list[tuple[int, str]] = field(default_factory=list)  # row, or 0, and what the user must mend there
    issues: list[DataIssue] = field(default_factory=list)  # what was met by a rule

    def refuse(self, what: str, row: int = 0, column: str | None = None) -> None:
        """Record a problem; without a row it concerns the file as a whole."""
        place = "" if row == 0 else f" row {row}:" if column is None else f" row {row}, column {column}:"
        self.problems.append((row, f"{self.path}:{place} {what}"))

    def note(self, where: str, kind: str, detail: str, action: str) -> None:
        """Record an issue; see DataIssue."""
        self.issues.append(DataIssue(where, kind, detail, action))

    def raise_problems(self) -> None:
        """Raise an ErcError of what was recorded, one line each, in the order of the rows; nothing if nothing was."""
        lines = [message for _, message in sorted(self.problems, key=lambda problem: problem[0])]
        if len(lines) > MOST_PROBLEMS:
            lines[MOST_PROBLEMS:] = [f"{self.path}: and {len(lines) - MOST_PROBLEMS:,} more"]
        if lines:
            raise ErcError("\n".join(lines))
