import io
import re
import sys
import warnings

import pytest

from erc_core.run.progress import progress


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(params=[True, False], ids=["terminal", "log"])
def stream(request, monkeypatch) -> Stream:
    made = Stream(terminal=request.param)
    monkeypatch.setattr(sys, "stderr", made)
    return made


def show(steps, total: int):
    return progress(steps, total=total, desc="resample demo", unit="utterance")


def test_elements_pass_unchanged(stream):
    elements = [object() for _ in range(1000)]
    with show(elements, 1000) as shown:
        passed = list(shown)
    assert len(passed) == 1000
    assert all(one is other for one, other in zip(passed, elements, strict=True))


def test_nothing_is_taken_before_it_is_asked_for(stream):
    source = iter(range(10))
    with show(source, 10) as shown:
        assert next(shown) == 0
        assert next(source) == 1


def test_a_terminal_shows_a_bar_that_moves_in_place_and_goes(monkeypatch):
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with show(range(50), 50) as shown:
        list(shown)
    written = stream.getvalue()
    assert "\r" in written
    assert "\n" not in written.rstrip("\n")
    assert written.rstrip("\n").split("\r")[-1].strip() == ""


def test_a_log_has_lines_and_no_carriage_returns(monkeypatch):
    stream = Stream(terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with show(range(5000), 5000) as shown:
        list(shown)
    written = stream.getvalue()
    assert "\r" not in written
    assert written.isascii()
    lines = written.splitlines()
    assert lines[-1].startswith("resample demo: 100%")
    assert "5000/5000" in lines[-1]
    assert " utterance/s]" in lines[-1]
    assert all(re.match(r"resample demo: +\d+%", line) and len(line) <= 90 for line in lines)
    assert written.endswith("\n")
    # the beginning and the end, as the whole takes less than ten seconds
    assert len(lines) <= 3


def test_a_long_run_writes_a_line_every_ten_seconds(monkeypatch):
    stream = Stream(terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    now = 1000.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    with show(range(400), 400) as shown:
        for _ in shown:
            now += 0.5
    lines = stream.getvalue().splitlines()
    assert 15 <= len(lines) <= 22


def test_what_is_written_between_lines_stays_whole(monkeypatch):
    stream = Stream(terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with show(range(3), 3) as shown:
        for number in shown:
            print(f"note {number}", file=sys.stderr)
    assert [line for line in stream.getvalue().splitlines() if line.startswith("note")] == [
        "note 0",
        "note 1",
        "note 2",
    ]


def test_an_error_in_the_source_passes_through(stream):
    def source():
        yield 1
        raise ValueError("broken clip")

    with show(source(), 5) as shown:
        assert next(shown) == 1
        with pytest.raises(ValueError, match="broken clip"):
            next(shown)


def test_an_error_takes_the_bar_away_though_it_is_held(monkeypatch):
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)

    def break_off() -> None:
        with show(range(50), 50) as shown:
            next(shown)
            raise ValueError("broken clip")

    with pytest.raises(ValueError, match="broken clip") as held:
        break_off()
    assert held.tb is not None  # as in a stage, whose message is printed while the error and its frames are held
    assert stream.getvalue().split("\r")[-1].strip() == ""
    # the next bar takes the same line, not the one below
    with show(range(50), 50) as shown:
        list(shown)
    assert "\n" not in stream.getvalue()


def test_leaving_early_closes_the_source(stream):
    closed = []

    def source():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with show(source(), 10) as shown:
            assert next(shown) == 0
        del shown
    assert closed == [True]


def test_nothing_to_do(stream):
    with show([], 0) as shown:
        assert list(shown) == []
