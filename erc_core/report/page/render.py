"""A Document as HTML or Markdown, a table as LaTeX. All text is untrusted: each template escapes whatever it prints, unasked."""

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from erc_core.report.page.clean import clean
from erc_core.report.page.document import Document, Table
from erc_core.report.page.environment import template_environment

# Characters that mean something in (GitHub's) Markdown inside a line or a table cell
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>|~$&]")
# What GitHub makes a link of without being asked: the first slash of ://, the dot of www.
_AUTOLINK = re.compile(r"(?i)(?<=:)/(?=/)|(?<=www)\.")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9 ./:;,=()@#%*_+-]+")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': "''", "*": "{*}", "–": "--", "−": "$-$", "±": r"$\pm$", "“": "``", "”": "''", "’": "'", "[": "{[}", "]": "{]}",
}  # fmt: skip
_INDEXED = re.compile(r"(?<![\w\\])([A-Za-z])_([A-Za-z]|\d+)(?!\w)")
# A line of type in \small of a 10 pt article: a digit is 4.6 pt wide, capitals more, small letters less
POINTS = 4.75
GAP_POINTS = 8.0  # between two columns: twice \tabcolsep
# Of the narrowest of the usual styles with two columns, that of ACL
COLUMN_POINTS, PAGE_POINTS = 219.0, 455.0


def render_html(document: Document) -> str:
    """Return the report as one HTML file."""
    environment = _environment(clean, autoescape=True)
    return environment.get_template("report.html.j2").render(document=document)


def render_markdown(document: Document) -> str:
    """Return the report as Markdown with GitHub's tables; figures are linked as PNG."""
    environment = _environment(escape_markdown)
    environment.filters |= {"code": _markdown_code, "link": Markup}
    text = environment.get_template("report.md.j2").render(document=document)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def render_latex(table: Table, label: str) -> str:
    """Return a table as a LaTeX float with booktabs under a label of harmless characters.

    It spans both columns of a paper where one would be too narrow for it.
    """
    environment = _environment(
        escape_latex,
        variable_start_string="<<",  # braces are LaTeX's own
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    environment.filters["ready"] = Markup
    star = "*" if latex_points(table) > COLUMN_POINTS else ""
    return environment.get_template("table.tex.j2").render(table=table, label=label, star=star)


def latex_points(table: Table) -> float:
    """Estimate the width of a table as render_latex sets it, in points, rather more than too little."""
    lines = [[column.title for column in table.columns], *table.rows]
    widths = [POINTS * max(len(line[i].rstrip("*")) for line in lines) for i in range(len(table.columns))]
    for title, first, span in table.column_groups:
        # LaTeX gives what a head over several columns lacks to the last of them
        last = first + span - 2
        widths[last] += max(0.0, POINTS * len(title) - sum(widths[first - 1 : last + 1]) - GAP_POINTS * (span - 1))
    above = max((POINTS * len(title) for _, title in table.groups), default=0.0)
    return max(sum(widths) + GAP_POINTS * (len(widths) - 1), above) + GAP_POINTS


def escape_latex(text: str) -> str:
    """Return a text with everything that means something to LaTeX, or that its usual fonts lack, as a command.

    A letter with an index, such as v_j, is mathematics.
    """
    parts = _INDEXED.split(clean(text))  # text, letter, index, text, ...
    escaped = ["".join(_LATEX.get(character, character) for character in part) for part in parts]
    return "".join(
        part if i % 3 == 0 else f"${part}_" if i % 3 == 1 else f"{{{part}}}$" if len(part) > 1 else f"{part}$"
        for i, part in enumerate(escaped)
    )


def _environment(escape: Callable[[str], str], **options: Any) -> Environment:
    def finalize(printed: Any) -> Any:
        # Markup is in the page's own language already; with autoescape everything else is escaped after this
        return escape(printed) if isinstance(printed, str) and not isinstance(printed, Markup) else printed

    environment = template_environment("erc_core.report.page", finalize=finalize, **options)
    numbers: dict[str, count[int]] = defaultdict(lambda: count(1))
    environment.globals["next_number"] = lambda kind: next(numbers[kind])
    return environment


def escape_markdown(text: str) -> str:
    """Return a text on one line, with everything that means something to (GitHub's) Markdown escaped."""
    return _AUTOLINK.sub(r"\\\g<0>", _MARKDOWN.sub(r"\\\g<0>", clean(text)))


def _markdown_code(printed: str) -> str:
    """Return a name as code where it has only characters that need no escape there, as text otherwise."""
    return Markup(f"`{printed}`") if _PLAIN_CODE.fullmatch(printed) else printed
