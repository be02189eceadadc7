"""What a report is made of, before it becomes HTML or Markdown. All text is plain: templates escape it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Literal


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        kind: Whether it holds words, numbers, names of code, or what somebody said.
        group: A head over it and its neighbours of the same group; empty if none.
    """

    title: str
    kind: Literal["text", "number", "code", "quote"] = "text"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A numbered table.

    Attributes:
        number: Of the table.
        caption: What it shows.
        columns: Heads.
        rows: Each with a cell for each column. A star at the end of a number is a mark, not a part of the number.
        groups: Heads between rows: the index of the row below, and the words.
        notes: What stands under the table, in small print.
    """

    number: int
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
    block: Literal["table"] = "table"

    @property
    def column_groups(self) -> tuple[tuple[str, int], ...]:
        """Heads over the columns with the number of columns that each spans; empty if no column has one."""
        spans = [(title, len(list(columns))) for title, columns in groupby(column.group for column in self.columns)]
        return tuple(spans) if any(title for title, _ in spans) else ()

    def group_before(self, row: int) -> str:
        """Return the head above a row, empty if there is none."""
        return dict(self.groups).get(row, "")


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn and saved.

    Attributes:
        png: Path of the PNG relative to the page.
        svg_uri: The SVG as a data URI.
        width: Width in inches.
        height: Height in inches.
    """

    png: str
    svg_uri: str
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A numbered figure with its caption, and the words that stand for it where it cannot be seen."""

    number: int
    caption: str
    alt: str
    drawn: Drawn
    block: Literal["picture"] = "picture"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of prose."""

    text: str
    block: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Score:
    """A headline score: its name, its value, its interval or the reason why there is none."""

    name: str
    value: str
    interval: str


@dataclass(frozen=True)
class Headline:
    """The scores that a reader looks for first."""

    scores: tuple[Score, ...]
    block: Literal["headline"] = "headline"


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away on screen."""

    summary: str
    blocks: tuple[Table, ...]
    block: Literal["details"] = "details"


Block = Table | Picture | Paragraph | Headline | Details


@dataclass(frozen=True)
class Section:
    """A titled part of what is said about a dataset."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class DatasetPart:
    """All sections about one dataset."""

    dataset: str
    synthetic: bool
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Document:
    """The report.

    Attributes:
        title: Its title.
        warning: What must be read before any score, empty if nothing; shown at the top and throughout.
        short_warning: The same in one line, for each section of a dataset that it concerns.
        introduction: What the scores and intervals are.
        summary: One row per dataset, where there are several.
        parts: One per dataset.
    """

    title: str
    warning: str
    short_warning: str
    introduction: tuple[Paragraph, ...]
    summary: Table | None
    parts: tuple[DatasetPart, ...]


@dataclass
class Numbering:
    """Numbers of tables and figures in the order in which they are made."""

    tables: Iterator[int] = field(default_factory=lambda: count(1))
    figures: Iterator[int] = field(default_factory=lambda: count(1))

    def table(
        self,
        caption: str,
        columns: Sequence[Column],
        rows: Sequence[tuple[str, ...]],
        groups: Sequence[tuple[int, str]] = (),
        notes: Sequence[str] = (),
    ) -> Table:
        """Return the next table."""
        return Table(next(self.tables), caption, tuple(columns), tuple(rows), tuple(groups), tuple(notes))

    def picture(self, caption: str, alt: str, drawn: Drawn) -> Picture:
        """Return the next figure."""
        return Picture(next(self.figures), caption, alt, drawn)
