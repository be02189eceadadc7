"""Annotation that nobody would want: a row that was not touched is read as it stands, or the table is refused in a line."""

import csv
import gzip
import io
import pickle
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from benchmarks.injection.damage import put_in_its_place
from benchmarks.injection.project import Project, remove
from benchmarks.injection.verdict import Case, judge
from benchmarks.injection.zygote import Zygote

DATASET = "mine"
HEADER = ("utterance_id", "text", "speaker", "emotion", "split", "dialogue_id", "turn")
Rows = list[list[str]]
LIMIT_SECONDS = 20.0
MISTAKES = 17  # the reader names at most 50 places
SUFFIXES = (".csv", ".tsv", ".parquet")

CELLS = (
    "", " ", '"', '""', '"begins and does not end', 'ends and did not begin"', 'in "the" middle', "'", "a\nb", "a\r\nb", "\r",
    "a,b", "a\tb", "a;b", "\0", "\x1b[31m", "\ufeff", "\u202eabc", "\u2028", "\U0001f600", "e\u0301", "x" * 1_000_000, "=1+1",
    "=cmd|' /C calc'!A0", "@SUM(1)", "-1", "1e999", "NaN", "null", "None", "../../../etc/passwd", "/etc/passwd", "%s%n", "{x}",
    "<script>alert(1)</script>", "\\input{/etc/passwd}", "$(touch x)", "`touch x`", "|", "a" * 300, "joy", "train", "0", "99999999999",
)  # fmt: skip


def make_project(box: Path, zygote: Zygote, clips: Sequence[str] = ()) -> Project:
    """Return a project with a table of its own, kept as it is to be put back.

    Args:
        box: Folder for it.
        zygote: That runs its stages.
        clips: Audio paths of the first rows; the others have none.
    """
    section = {"format": "table", "file": "table.csv"}
    project = Project(box, zygote, {"datasets": [DATASET], f"ingest.{DATASET}": section})
    folder = project.folder / "data/raw" / DATASET
    folder.mkdir(parents=True)
    (folder / "table.csv").write_bytes(_text(plain_rows(), ",", escape=True))
    project.keep()
    return project


def plain_rows() -> Rows:
    """Return a header and 36 rows: twelve dialogues of three turns."""
    rows = [list(HEADER)]
    for i in range(36):
        dialogue, turn = divmod(i, 3)
        split = ("train", "train", "dev", "test")[dialogue % 4]
        emotion = ("joy", "anger", "neutral")[(i + dialogue) % 3]
        rows.append([f"u{i}", f"sentence number {i}", f"S{i % 4}", emotion, split, f"d{dialogue}", str(turn)])
    return rows


def change(project: Project, rng: random.Random, number: int) -> Case:
    """Change the table in one way, and run the stages that read it."""
    project.restore()
    folder = project.folder / "data/raw" / DATASET
    suffix = SUFFIXES[number % 3]
    kind = list(CHANGES)[number // 3 % len(CHANGES)]
    (folder / "table.csv").unlink()
    path = folder / f"table{suffix}"
    params = project.folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("table.csv", path.name), encoding="utf-8")
    what, untouched = CHANGES[kind](path, rng)
    name = f"{path.name}: {kind} ({what})"
    lost: list[str] = []
    for run in project.runs:
        if run.stage not in ("ingest", "resample", "card", "tokenize"):
            continue
        outcome = project.run(run, limit=LIMIT_SECONDS)
        if run.stage == "ingest" and not outcome.exit_code:
            lost = _lost(project, untouched)
        trespasses = project.trespasses()
        case = judge(f"{name}, then {run}", outcome, different=lost, trespasses=trespasses, mistakes=MISTAKES)
        if not case.passed or outcome.exit_code:
            break
    remove(path)
    return case


def _lost(project: Project, untouched: Rows) -> list[str]:
    """Return what became of rows that nobody touched and that are not in the table of utterances as they were."""
    table = pl.read_parquet(project.folder / "data" / DATASET / "utterances.parquet")
    read = {tuple(map(str, row)) for row in table.select("text", "speaker", "emotion", "split").iter_rows()}
    return [f"the row of {row[0]} is not read as it stands" for row in untouched if tuple(row[1:5]) not in read]


def _write(path: Path, rows: Rows, *, escape: bool) -> None:
    if path.suffix == ".parquet":
        header, *cells = [[*row, *[""] * len(rows[0])][: len(rows[0])] for row in rows]
        names = [f"{name}{i}" if name in header[:i] else name for i, name in enumerate(header)]
        pl.DataFrame(dict(zip(names, zip(*cells, strict=True), strict=True))).write_parquet(path)
    else:
        path.write_bytes(_text(rows, "\t" if path.suffix == ".tsv" else ",", escape=escape))


def _text(rows: Rows, separator: str, *, escape: bool) -> bytes:
    if not escape:
        return "".join(separator.join(row) + "\n" for row in rows).encode("utf-8", "surrogatepass")
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _rows_without(rows: Rows, *touched: int) -> Rows:
    return [row for number, row in enumerate(rows) if number and number not in touched]


def _cell(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows, value, escape = plain_rows(), rng.choice(CELLS), rng.random() < 0.5
    row, column = rng.randrange(1, len(rows)), rng.randrange(len(HEADER))
    rows[row][column] = value
    _write(path, rows, escape=escape)
    how = "quoted where needed" if escape else "as it stands"
    return f"row {row + 1}, {HEADER[column]} = {value!r:.40}, {how}", _rows_without(rows, row)


def _two_cells(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows = plain_rows()
    first, second = sorted(rng.sample(range(1, len(rows)), 2))
    sign = rng.choice(('"', "'", '"""', "\u201c"))
    for row in (first, second):
        rows[row][1] = f"{sign}{rows[row][1]}"
    _write(path, rows, escape=False)
    return f"texts of rows {first + 1} and {second + 1} begin with {sign}", _rows_without(rows, first, second)


def _row(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows = plain_rows()
    place = rng.randrange(1, len(rows))
    kind = rng.choice(
        ("a cell less", "a cell more", "twice", "blank", "empty cells", "the header again", "separators", "moved")
    )
    row = rows[place]
    match kind:
        case "a cell less":
            rows[place] = row[:-1]
        case "a cell more":
            rows[place] = [*row, "more"]
        case "twice":
            rows.insert(place, list(row))
        case "blank":
            rows.insert(place, [""])
        case "empty cells":
            rows[place] = [""] * len(row)
        case "the header again":
            rows.insert(place, list(HEADER))
        case "separators":
            rows[place] = [""] * 1000
        case "moved":
            rows[place] = row[1:] + row[:1]
    untouched = [one for one in plain_rows()[1:] if one != row]
    _write(path, rows, escape=True)
    return f"row {place + 1}: {kind}", untouched


def _header(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows = plain_rows()
    column, value = (
        rng.randrange(len(HEADER)),
        rng.choice((*CELLS[:20], "Text", "TEXT ", "emotion", "sentence", "label")),
    )
    rows[0][column] = value
    _write(path, rows, escape=rng.random() < 0.7)
    return f"{HEADER[column]} is called {value!r:.40}", []


def _bytes(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows = plain_rows()
    _write(path, rows, escape=True)
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    kind = rng.choice(("cut", "flip", "zero", "random"))
    match kind:
        case "cut":
            del content[place:]
        case "flip":
            content[place] ^= 1 << rng.randrange(8)
        case "zero":
            content[place : place + 64] = bytes(len(content[place : place + 64]))
        case "random":
            content[place : place + 64] = rng.randbytes(len(content[place : place + 64]))
    path.write_bytes(content)
    if path.suffix == ".parquet" or place < 80:
        return f"{kind} at byte {place}", []
    line = bytes(path.read_bytes()[:place]).count(b"\n")  # the header is line 0, and rows hold no line breaks
    before = [row for number, row in enumerate(rows) if 0 < number < line]
    after = [] if kind == "cut" else rows[line + 4 :]
    return f"{kind} at byte {place}", before + after


def _whole(path: Path, rng: random.Random) -> tuple[str, Rows]:
    rows = plain_rows()
    _write(path, rows, escape=True)
    content = path.read_bytes()
    kinds: dict[str, Callable[[], bytes]] = {
        "nothing": lambda: b"",
        "spaces": lambda: b" \n \n",
        "only a header": lambda: content.split(b"\n")[0] + b"\n",
        "no header": lambda: content.split(b"\n", 1)[-1],
        "UTF-16": lambda: content.decode("utf-8", "replace").encode("utf-16"),
        "half of UTF-16": lambda: content.decode("utf-8", "replace").encode("utf-16")[:1001],
        "with a mark": lambda: b"\xef\xbb\xbf" + content,
        "UTF-32": lambda: content.decode("utf-8", "replace").encode("utf-32"),
        "compressed": lambda: gzip.compress(content),
        "a workbook": lambda: b"PK\x03\x04" + rng.randbytes(2000),
        "a pickle": lambda: pickle.dumps(rows),
        "random bytes": lambda: rng.randbytes(5000),
        "zeros": lambda: bytes(100_000),
        "one line of a megabyte": lambda: b"a," * 500_000,
        "carriage returns": lambda: content.replace(b"\r\n", b"\r"),
        "line ends of two kinds": lambda: content.replace(b"\r\n", b"\n", 5),
        "semicolons": lambda: content.replace(b",", b";"),
        "another suffix's format": lambda: b"PAR1" + content,
        "a quotation mark before all": lambda: b'"' + content,
        "a quotation mark after all": lambda: content + b'"',
    }
    kind = rng.choice(list(kinds))
    path.write_bytes(kinds[kind]())
    return kind, []


def _place(path: Path, rng: random.Random) -> tuple[str, Rows]:
    return put_in_its_place(path, path.parents[4] / "sentinel/secret.txt", rng, {}), []


# each writes the file, says what it did, and returns the rows that have to be read as they stand
CHANGES: dict[str, Callable[[Path, random.Random], tuple[str, Rows]]] = {
    "a cell": _cell,
    "a cell again": _cell,
    "quotation marks": _two_cells,
    "a row": _row,
    "the header": _header,
    "bytes": _bytes,
    "bytes again": _bytes,
    "the whole": _whole,
    "in its place": _place,
}
