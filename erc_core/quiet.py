"""Keep a library's chatter out of logs."""

from transformers.utils import logging


def quiet_transformers() -> None:
    """Switch off transformers' progress bars and load reports: what matters of them is checked and told by this project."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
