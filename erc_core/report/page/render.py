"""A Document as HTML or Markdown. All text is untrusted: each template escapes whatever it prints, unasked."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from erc_core.report.page.clean import clean
from erc_core.report.page.document import Document

# Characters that mean something in (GitHub's) Markdown inside a line or a table cell
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>|~$&]")
# What GitHub makes a link of without being asked: the first slash of ://, the dot of www.
_AUTOLINK = re.compile(r"(?i)(?<=:)/(?=/)|(?<=www)\.")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9 ./:;,=()@#%*_+-]+")


class MarkdownText(str):
    """Text that is Markdown already."""

    __slots__ = ()


def render_html(document: Document) -> str:
    """Return the report as one HTML file."""
    environment = _environment(autoescape=True)
    environment.finalize = _clean_text
    return environment.get_template("report.html.j2").render(document=document)


def render_markdown(document: Document) -> str:
    """Return the report as Markdown with GitHub's tables; figures are linked as PNG."""
    environment = _environment(autoescape=False)
    environment.finalize = _markdown_text
    environment.filters["code"] = _markdown_code
    environment.filters["link"] = MarkdownText
    text = environment.get_template("report.md.j2").render(document=document)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("erc_core.report.page"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _clean_text(printed: Any) -> Any:
    # Markup is what macros of the template return; everything else is escaped after this
    return clean(printed) if isinstance(printed, str) and not isinstance(printed, Markup) else printed


def _markdown_text(printed: Any) -> Any:
    if isinstance(printed, MarkdownText) or not isinstance(printed, str):
        return printed
    text = _MARKDOWN.sub(lambda found: "\\" + found.group(), clean(printed))
    return _AUTOLINK.sub(lambda found: "\\" + found.group(), text)


def _markdown_code(printed: str) -> str:
    """Return a name as code where it has only characters that need no escape there, as text otherwise."""
    return MarkdownText(f"`{printed}`") if _PLAIN_CODE.fullmatch(printed) else printed
