"""Where the samples of a damaged recording belong: silence takes the place of what cannot be decoded."""

from typing import Any

GAP_SECONDS = 0.5  # less between two packets is how silence is sent; more is a page or a cluster that was skipped
SLACK = 1.0  # s; a time stamp so much later than the stated end is itself damaged


class Gaps:
    """Finds what lacks between two frames by their time stamps.

    Where those are counted by the reader (mp3, aac without a container) they know nothing of bytes that were passed over, and
    the length of those is estimated by what as many good bytes before them lasted.
    """

    def __init__(self, rate: int, tick: float, stated: float, counted: bool, gap: float) -> None:
        """Begin before the first packet of a stream: ticks of so many s, a stated length of so many s (0 if unknown)."""
        self.rate, self.tick, self.stated, self.counted, self.gap = rate, tick, stated, counted, gap
        self.found: list[tuple[float, float]] = []  # s; what could not be decoded
        self.begin: float | None = None  # time stamp of the first sample, s
        self.beyond = 0.0  # s that the time stamps do not know of
        self.lost = 0.0  # s in packets since the last good frame, by their durations
        self.hurt = False  # whether a packet was lost since then
        self.bytes = self.seconds = 0.0  # of good packets

    def good(self, packet: Any) -> None:
        """Take note of a packet that was decoded."""
        self.bytes += packet.size
        self.seconds += (packet.duration or 0) * self.tick

    def bad(self, packet: Any) -> None:
        """Take note of a packet that could not be decoded."""
        if self.begin is None and packet.pts is not None:
            self.begin = packet.pts * self.tick
        seconds = (packet.duration or 0) * self.tick
        if self.counted and self.bytes:
            self.beyond += max(0.0, packet.size * self.seconds / self.bytes - seconds)
        self.hurt, self.lost = True, self.lost + seconds

    def before(self, frame: Any, count: int) -> int:
        """Return how many samples of silence belong between the first count samples of a stream and this frame."""
        time = frame.time
        if self.begin is None:
            self.begin = 0.0 if time is None else time
        place = count / self.rate + self.lost if time is None else time - self.begin
        silence = round((place + self.beyond) * self.rate) - count
        hurt, self.hurt, self.lost = self.hurt, False, 0.0
        if self.stated and place > self.stated + SLACK:
            silence = 0
        if silence < max(frame.samples / 2, 0.0 if hurt else self.gap * self.rate):
            silence = 0
        if hurt or silence:
            self.found.append((count / self.rate, (count + silence) / self.rate))
        return silence
