"""Transcripts written by tests."""

import pytest

from erc_core.conversation.transcripts.read import read_transcript


@pytest.fixture
def rows(tmp_path):
    """Return a function that writes content to a file and reads it as rows of (start, end, speaker, text)."""

    def read(content, name="talk.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_transcript(path).rows()

    return read
