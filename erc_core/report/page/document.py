"""What a page is made of, before it becomes HTML, Markdown or LaTeX. All text is plain: templates escape it.

Tables and figures get their numbers when a page is rendered, so that the same block can stand on several pages.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["text", "number", "code", "quote"]
Cells = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str  # its head
    kind: Kind = "text"  # whether it holds words, numbers, names of code, or what somebody said
    group: str = ""  # A head over it and its neighbours of the same group; empty if none


KIND_MARKS: dict[str, Kind] = {"#": "number", "`": "code", "“": "quote"}


def heads(*titles: str) -> list[Column]:
    """Return columns; a title after # is of numbers, after ` of names of code, after “ of what somebody said."""
    return [Column(title.lstrip("#`“"), KIND_MARKS.get(title[0], "text")) for title in titles]


def number_heads(titles: Iterable[str]) -> list[Column]:
    """Return columns of numbers whose titles may be any text."""
    return [Column(title, "number") for title in titles]


@dataclass(frozen=True)
class Table:
    """A table."""

    caption: str  # what it shows
    columns: Sequence[Column]  # heads
    # each with a cell for each column. A star at the end of a number is a mark, not a part of the number.
    rows: Sequence[Cells]
    groups: Sequence[tuple[int, str]] = ()  # heads between rows: the index of the row below, and the words
    notes: Sequence[str] = ()  # what stands under the table, in small print
    block: Literal["table"] = "table"

    @property
    def column_groups(self) -> list[tuple[str, int, int]]:
        """Heads over the columns, each with its first column (from 1) and their number; empty if no column has one."""
        groups, first = [], 1
        for title, members in groupby(column.group for column in self.columns):
            span = len(list(members))
            groups.append((title, first, span))
            first += span
        return groups if any(title for title, _, _ in groups) else []

    def group_before(self, row: int) -> str:
        """Return the head above a row, empty if there is none."""
        return dict(self.groups).get(row, "")


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn and saved."""

    png: str  # path of the PNG relative to the page
    svg_uri: str  # the SVG as a data URI
    width: float  # width in inches
    height: float  # height in inches


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, and the words that stand for it where it cannot be seen."""

    caption: str
    alt: str
    drawn: Drawn
    beside: Sequence[Drawn] = ()  # panels that stand beside it, or below it where there is no room
    block: Literal["picture"] = "picture"

    @property
    def panels(self) -> Sequence[Drawn]:
        """The figure, and what stands beside it."""
        return (self.drawn, *self.beside)


@dataclass(frozen=True)
class Headline:
    """The scores that a reader looks for first: name, value, and interval or the reason why there is none."""

    scores: Sequence[tuple[str, str, str]]
    block: Literal["headline"] = "headline"


@dataclass(frozen=True)
class Details:
    """Tables that are folded away on screen."""

    summary: str
    blocks: Sequence[Table]
    block: Literal["details"] = "details"


# A string is a paragraph of prose
Block = Table | Picture | Headline | Details | str


@dataclass(frozen=True)
class Section:
    """A titled part of what is said about a dataset; the anchor is its own within the dataset."""

    title: str
    anchor: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class DatasetPart:
    """All sections about one dataset, or about a group of them."""

    dataset: str
    synthetic: bool
    sections: Sequence[Section]
    kind: Literal["Dataset", "Group"] = "Dataset"


@dataclass(frozen=True)
class Document:
    """A page."""

    title: str  # its title
    introduction: str  # what stands before everything else
    parts: Sequence[DatasetPart]  # one per dataset
    warning: str = ""  # what must be read before any score, empty if nothing; shown at the top
    summary: Table | None = None  # one row per dataset, where there are several
