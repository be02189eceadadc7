"""conversation.html: the conversation as a person reads it, one file that opens offline.

It asks nothing of any network, by its content security policy; all that it loads is the sound that it links to.
"""

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from erc_core.answers.answered import Answered
from erc_core.answers.page.content import content_of
from erc_core.answers.page.parts import Content
from erc_core.answers.page.sound import Sounds
from erc_core.report.page.environment import template_environment
from erc_core.run.atomic import write_text


def write_page(answered: Answered, path: Path, *, embed_audio: bool) -> None:
    """Write the page; see write_answers."""
    content = content_of(answered, Sounds(answered, path.parent, embed_audio))
    write_text(path, render_page(content))


def render_page(content: Content) -> str:
    """Return the page. Every text of the conversation is escaped by the template engine, unasked."""
    environment = template_environment("erc_core.answers.page", autoescape=True)
    # what comes from the conversation is no part of style and script: their hashes can be told beforehand
    style = environment.get_template("conversation.css").render(emotions=content.emotions)
    script = environment.get_template("conversation.js").render()
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; media-src 'self' file: data:; "
        f"script-src {_hash(script)}; style-src {_hash(style)}; style-src-attr 'unsafe-inline'"
    )
    return environment.get_template("conversation.html.j2").render(
        page=content, policy=policy, style=Markup(style), script=Markup(script)
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
