"""Labels as Audacity and WhisperX write them."""

import pytest

from erc_core.errors import ErcError


def test_labels(rows):
    text = "0.500000\t1.250000\tHello\n\\\t100.0\t2000.0\n1,5\t2,5\tyou\tthere\n3.0\t3.0\t\n4\t5\n"
    assert rows(text) == [
        (0.5, 1.25, None, "Hello"),
        (1.5, 2.5, None, "you there"),
        (3.0, 3.0, None, ""),
        (4.0, 5.0, None, ""),
    ]


def test_whisperx_writes_speakers_in_brackets(rows):
    assert rows("0.031\t2.41\t[[SPEAKER_00]]And so\n2.5\t3.0\task not\n", "talk.aud") == [
        (0.031, 2.41, "SPEAKER_00", "And so"),
        (2.5, 3.0, None, "ask not"),
    ]


def test_a_line_that_is_no_label_is_named(rows):
    with pytest.raises(ErcError, match=r"line 3: 'and then' is no label; write start, end and text with tabs"):
        rows("0\t1\ta\n1\t2\tb\nand then\n")
