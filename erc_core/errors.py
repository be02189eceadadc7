"""The errors that a user can mend: each one is a single clear message and an exit code."""


class ErcError(Exception):
    """Something outside the code is wrong; the message says what, where, and how to mend it."""

    exit_code = 1


class ParamsError(ErcError):
    """params.yaml asks for something impossible. Found before any work starts."""

    exit_code = 2
