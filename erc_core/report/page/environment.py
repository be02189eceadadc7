"""The template engine as all that is written from templates uses it: the page of the report, cards, answers."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def template_environment(package: str, folder: str = "templates", **options: Any) -> Environment:
    """Return an environment that finds templates in a folder of a package, and refuses names that it does not know."""
    return Environment(
        loader=PackageLoader(package, folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
