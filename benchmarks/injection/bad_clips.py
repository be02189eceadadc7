"""Clips that nobody would want: each has a status or a line of its own, and its neighbours are read as before."""

import io
import itertools
import os
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import polars as pl
import soundfile

from benchmarks.injection.bad_tables import DATASET, HEADER, make_project, plain_rows
from benchmarks.injection.damage import put_in_its_place
from benchmarks.injection.project import Project
from benchmarks.injection.verdict import Case, judge
from benchmarks.injection.zygote import Zygote

LIMIT_SECONDS = 30.0
GOOD = 6  # clips that nobody touches
RATE = 16000
CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".ogg": "vorbis",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".webm": "libopus",
}
FORMATS = {".m4a": "mp4"}
NAMES = (
    "a b.wav", "a\nb.wav", "a'b.wav", 'a"b.wav', "-i.wav", "--help.wav", "\u202ex.wav", "\U0001f600.wav", "e\u0301.wav", "a\\b.wav",
    "*.wav", "[a].wav", "%d.wav", "%00.wav", "a;b.wav", "a,b.wav", "~.wav", "#.wav", "?.wav", "$(touch x).wav", "pipe:0.wav",
    "concat:a|b.wav", "file:x.wav", "http:x.wav", "subfile,,start,0,end,0,,:x.wav", "data:x.wav", "x" * 240 + ".wav", ".wav",
    "x", "x.", "x.wav.exe", "CON.wav", "x.WAV", "\x1b[31m.wav", "crypto:x.wav", "cache:x.wav", "async:x.wav",
)  # fmt: skip
SCRIPTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{secret}'\n",
    "ffconcat, near": "ffconcat version 1.0\nfile 'good0.wav'\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
    "HLS with a protocol": "#EXTM3U\n#EXTINF:10,\nconcat:{secret}|{secret}\n#EXT-X-ENDLIST\n",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "DASH": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{secret}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "PLS": "[playlist]\nFile1={secret}\n",
    "RTSP": "RTSPtextRTSP://127.0.0.1/x\n",
    "XSPF": "<playlist><track><location>{secret}</location></track></playlist>",
    "IMF": "<CompositionPlaylist><Id>{secret}</Id></CompositionPlaylist>",
}
SIGNS = {
    "text": b"this is no clip\n" * 50,
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "PDF": b"%PDF-1.7\n",
    "a program": b"\x7fELF" + bytes(500),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "zeros": bytes(50_000),
    "nothing": b"",
    "one byte": b"R",
    "RIFF alone": b"RIFF",
    "RIFF of RIFFs": b"RIFF\x10\0\0\0WAVERIFF\x10\0\0\0WAVE" * 500,
    "ID3 of a gigabyte": b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(1000),
    "MP4 of depth 1,000": b"".join(struct.pack(">I4s", 8 * (1000 - i), b"moov") for i in range(1000)),
}


def make_clip_project(box: Path, zygote: Zygote) -> Project:
    """Return a project whose table has some good clips, built as far as their samples."""
    project = make_project(box, zygote)
    folder = project.folder / "data/raw" / DATASET
    for i in range(GOOD):
        (folder / f"good{i}.wav").write_bytes(encoded(tone(1, RATE, 0.4, 200 + 50 * i), ".wav", RATE))
    (box / "sentinel/secret.wav").write_bytes(encoded(tone(1, RATE, 1.0, 440), ".wav", RATE))
    project.outside = project.look_outside()
    write_table(folder)
    for run in project.runs:
        if run.stage in ("ingest", "resample"):
            outcome = project.run(run)
            if outcome.exit_code:
                raise RuntimeError(f"{run}: {outcome.errors}")
    project.keep()
    return project


def write_table(folder: Path, bad: str | None = None) -> None:
    """Write the table; the clip of the last row is the bad one."""
    rows = plain_rows()[1:]
    audio = [f"good{i}.wav" if i < GOOD else "" for i in range(len(rows))]
    audio[-1] = bad or ""
    columns = dict(zip(HEADER, zip(*rows, strict=True), strict=True)) | {"audio": audio}
    pl.DataFrame(columns).write_csv(folder / "table.csv")


def change(project: Project, rng: random.Random, number: int) -> Case:
    """Add one bad clip, and read the corpus."""
    project.restore()
    folder = project.folder / "data/raw" / DATASET
    kind = list(CHANGES)[number % len(CHANGES)]
    file_name, what, may_speak = CHANGES[kind](folder, rng)
    write_table(folder, file_name)
    name = f"{kind}: {what}"
    for run in project.runs:
        if run.stage not in ("ingest", "resample", "card"):
            continue
        outcome = project.run(run, limit=LIMIT_SECONDS)
        wrong: Sequence[str] = ()
        if run.stage == "resample" and not outcome.exit_code:
            wrong = _compare(project, may_speak=may_speak)
        case = judge(f"{name}, then {run}", outcome, different=wrong, trespasses=project.trespasses())
        if not case.passed or outcome.exit_code:
            break
    return case


def _compare(project: Project, *, may_speak: bool) -> list[str]:
    path = f"data/{DATASET}/audio.h5"
    samples = []
    for folder in (project.built, project.folder):
        with h5py.File(folder / path) as file:
            offsets, frames = file["offsets"][:], file["frames"][:]
        samples.append([frames[start:stop] for start, stop in itertools.pairwise(offsets)])
    before, now = samples
    wrong = [f"samples of good{i}.wav" for i in range(GOOD) if not np.array_equal(before[i], now[i])]
    if len(now[-1]) and not may_speak:
        wrong.append(f"{len(now[-1])} samples come out of a file that holds none")
    return wrong


def tone(channels: int, rate: int, seconds: float, pitch: float) -> np.ndarray:
    """Return (channels, n) samples of a tone, each channel quieter than the one before."""
    wave = np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)
    return np.stack([0.5 * wave / (1 + channel) for channel in range(channels)]).astype(np.float32)


def encoded(samples: np.ndarray, suffix: str, rate: int) -> bytes:
    """Return a mono or stereo clip in the format of a suffix."""
    out = io.BytesIO()
    if suffix == ".ogg":  # not every FFmpeg has an encoder of Vorbis that takes one channel
        soundfile.write(out, samples.T, rate, format="OGG", subtype="VORBIS")
        return out.getvalue()
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(out, "w", format=FORMATS.get(suffix, suffix[1:])) as container:
        stream: Any = container.add_stream(CODECS[suffix], rate=48000 if suffix == ".webm" else rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=stream.rate, frame_size=stream.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode())
    return out.getvalue()


def wav(
    channels: int = 1, rate: int = RATE, bits: int = 16, kind: int = 1, size: int | None = None, n: int = 8000
) -> bytes:
    """Return a wav file whose header says what is asked, whether or not it can be."""
    content = np.full(n, 1000, "<i2").tobytes()
    block = channels * bits // 8
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * block % 2**32, block % 2**16, bits)
    data = struct.pack("<4sI", b"data", len(content) if size is None else size) + content
    return struct.pack("<4sI", b"RIFF", (len(layout) + len(data) + 4) % 2**32) + b"WAVE" + layout + data


Made = tuple[str, str, bool]  # file name in the table, what it is, whether there may be speech in it


def _misnamed(folder: Path, rng: random.Random) -> Made:
    content, suffix = rng.choice(list(CODECS)), rng.choice((*CODECS, ".mp4", ".aac", ".opus", ".mkv", ".txt", ""))
    (folder / f"bad{suffix}").write_bytes(encoded(tone(rng.choice((1, 2)), 48000, 0.5, 300), content, 48000))
    return f"bad{suffix}", f"{content} named {suffix}", True


def _damaged(folder: Path, rng: random.Random) -> Made:
    suffix = rng.choice(list(CODECS))
    content = bytearray(encoded(tone(1, 48000, 0.8, 300), suffix, 48000))
    place = rng.randrange(len(content))
    kind = rng.choice(("cut", "flips", "header", "zeros", "random", "twice"))
    match kind:
        case "cut":
            del content[place:]
        case "flips":
            for _ in range(rng.choice((1, 20, 200))):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        case "header":
            for _ in range(4):
                content[rng.randrange(min(64, len(content)))] = rng.randrange(256)
        case "zeros":
            content[place : place + 2000] = bytes(len(content[place : place + 2000]))
        case "random":
            content[place : place + 2000] = rng.randbytes(len(content[place : place + 2000]))
        case "twice":
            content *= 2
    (folder / f"bad{suffix}").write_bytes(content)
    return f"bad{suffix}", f"{suffix}, {kind} at byte {place}", True


def _script(folder: Path, rng: random.Random) -> Made:
    kind, suffix = rng.choice(list(SCRIPTS)), rng.choice((".mp4", ".wav", ".flac", ".m3u8", ".mp3", ".avi"))
    secret = rng.choice((str(folder.parents[3] / "sentinel/secret.wav"), "../../../../sentinel/secret.wav", "link.wav"))
    (folder / "link.wav").symlink_to(folder.parents[3] / "sentinel/secret.wav")
    (folder / f"bad{suffix}").write_text(SCRIPTS[kind].format(secret=secret), encoding="utf-8")
    return f"bad{suffix}", f"{kind} named {suffix} that asks for {secret.rsplit('/', 3)[-1]}", False


def _named(folder: Path, rng: random.Random) -> Made:
    name = rng.choice(NAMES)
    (folder / name).write_bytes(encoded(tone(1, RATE, 0.4, 300), ".wav", RATE))
    return name, repr(name)[:60], True


def _placed(folder: Path, rng: random.Random) -> Made:
    path, secret = folder / "bad.wav", folder.parents[3] / "sentinel/secret.wav"
    os.mkfifo(folder / "pipe")
    kind = put_in_its_place(path, secret, rng, {"a link to a pipe": lambda: path.symlink_to("pipe")})
    return path.name, kind, False


def _header(folder: Path, rng: random.Random) -> Made:
    said = rng.choice(
        (
            {"channels": 0}, {"channels": 64, "rate": 192_000, "n": 64 * 96_000}, {"channels": 65_535}, {"channels": 1024},
            {"rate": 0}, {"rate": 1}, {"rate": 2**32 - 1}, {"rate": 2**31}, {"rate": 1_000_000}, {"bits": 0}, {"bits": 1},
            {"bits": 65_535}, {"bits": 24}, {"kind": 0}, {"kind": 3, "bits": 32}, {"kind": 65_534}, {"kind": 85}, {"kind": 2},
            {"size": 0}, {"size": 2**32 - 1}, {"size": 2**31}, {"n": 0}, {"n": 1}, {"n": 4_000_000},
        )
    )  # fmt: skip
    (folder / "bad.wav").write_bytes(wav(**said))
    return "bad.wav", ", ".join(f"{key} {value}" for key, value in said.items()), True


def _other(folder: Path, rng: random.Random) -> Made:
    kind, suffix = rng.choice(list(SIGNS)), rng.choice((".wav", ".mp3", ".mp4", ".flac", ".ogg"))
    (folder / f"bad{suffix}").write_bytes(SIGNS[kind])
    return f"bad{suffix}", f"{kind} named {suffix}", False


# each puts a clip into the folder
CHANGES: dict[str, Callable[[Path, random.Random], Made]] = {
    "misnamed": _misnamed,
    "damaged": _damaged,
    "a script": _script,
    "an odd name": _named,
    "in its place": _placed,
    "an odd header": _header,
    "damaged again": _damaged,
    "no clip": _other,
}
