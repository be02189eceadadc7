"""Which column of a user's table is which of ours."""

import difflib

from erc_core.corpora.table.file import RawTable
from erc_core.corpora.table.issues import HEADER_ROW, Findings, listed, quoted
from erc_core.params.data import TABLE_COLUMNS, TableIngest

UNUSED = ""  # mapped to this, a column of ours is left out although the table has one of its name


def match_columns(table: RawTable, settings: TableIngest, findings: Findings) -> dict[str, str]:
    """Return our column name -> theirs, for the columns that the table has.

    A column that settings.columns does not map is found by its name, if need be without regard to case and separators
    (recorded). Refused are mappings that lead nowhere, columns that are absent but needed, names that occur twice, and types
    that are no text.
    """
    columns: dict[str, str] = {}
    free = [name for name in table.header if name not in settings.columns.values()]
    for ours in TABLE_COLUMNS:
        theirs = settings.columns.get(ours, ours).strip()
        if theirs in table.header and theirs != UNUSED:
            columns[ours] = theirs
        elif ours not in settings.columns:
            near = [name for name in free if plain(name) == plain(ours)]
            if len(near) > 1:
                problem = f"which of the columns {near} is {ours}? Say it in columns: {{{ours}: ...}}"
                findings.refuse(problem, HEADER_ROW)
            elif near:
                columns[ours] = near[0]
                detail = f"no column {ours!r}, but {near[0]!r}"
                findings.note(findings.path.name, "column_name", detail, f"read as {ours}")
        elif theirs != UNUSED:
            nearest = _nearest(theirs, table.header)
            findings.refuse(f"no column {quoted(theirs)}, to which params map {ours}{nearest}", HEADER_ROW)
    how_to_map = f"found {listed(table.header)}; map others with columns: {{ours: theirs}}"
    if "emotion" not in columns and not settings.columns.get("emotion"):
        findings.refuse(f"no column 'emotion'{_nearest('emotion', table.header)}; {how_to_map}", HEADER_ROW)
    if not {"text", "audio"} & (columns.keys() | {ours for ours, theirs in settings.columns.items() if theirs}):
        findings.refuse(f"no column 'text' and no column 'audio', one is needed; {how_to_map}", HEADER_ROW)
    for ours, theirs in list(columns.items()):
        if table.header.count(theirs) > 1:
            findings.refuse("this name occurs more than once", HEADER_ROW, theirs)
        if theirs in table.unreadable:
            findings.refuse(f"its type is {table.unreadable[theirs][:80]}, not text", HEADER_ROW, theirs)
            del columns[ours]
    return columns


def plain(name: str) -> str:
    """Return a name without case and separators."""
    return "".join(filter(str.isalnum, name)).casefold()


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; the nearest is {quoted(near[0])}" if near else ""
