"""Ways to damage a file, drawn from a seed."""

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

BLOCK = 512
Damage = Callable[[Path, random.Random], str]  # does it, and says where


def truncate(path: Path, rng: random.Random) -> str:
    """Cut the file off at a random place."""
    content = path.read_bytes()
    size = rng.randrange(len(content)) if content else 0
    _replace(path, content[:size])
    return f"to {size} of {len(content)} bytes"


def flip(path: Path, rng: random.Random) -> str:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    _replace(path, content)
    return f"bit {bit} of byte {place}"


def zero(path: Path, rng: random.Random) -> str:
    """Overwrite a block with zeros, one that is not all zeros if there is one."""
    content = bytearray(path.read_bytes())
    places = list(range(0, len(content), BLOCK))
    rng.shuffle(places)
    place = next((p for p in places if any(content[p : p + BLOCK])), 0)
    content[place : place + BLOCK] = bytes(len(content[place : place + BLOCK]))
    _replace(path, content)
    return f"{BLOCK} bytes from {place}"


def put_in_its_place(path: Path, secret: Path, rng: random.Random, also: Mapping[str, Callable[[], object]]) -> str:
    """Put what is no file, a link to the secret, or nothing where a file is expected that is not there, or one of `also`."""
    kinds: dict[str, Callable[[], object]] = {
        "a folder": path.mkdir,
        "a pipe": lambda: os.mkfifo(path),
        "a link out of the folder": lambda: path.symlink_to(secret),
        "a link to itself": lambda: path.symlink_to(path),
        "a link to nowhere": lambda: path.symlink_to("nowhere"),
        "a device that never ends": lambda: path.symlink_to("/dev/zero"),
        "nothing": lambda: None,
        **also,
    }
    kind = rng.choice(list(kinds))
    kinds[kind]()
    return kind


def delete(path: Path, _: random.Random) -> str:
    """Remove the file."""
    path.unlink()
    return "the file"


def empty(path: Path, _: random.Random) -> str:
    """Leave no byte."""
    _replace(path, b"")
    return "the file"


def swap(path: Path, rng: random.Random, others: list[Path]) -> str:
    """Give it the bytes of another file of its suffix, or of any other where there is none of its suffix."""
    mine = path.read_bytes()
    different = [other for other in others if other != path and other.read_bytes() != mine]
    alike = [other for other in different if other.suffix == path.suffix]
    other = rng.choice(alike or different)
    _replace(path, other.read_bytes())
    return f"with {other.name} of {other.parent.name}/"


DAMAGES: Mapping[str, Damage] = {
    "truncate": truncate,
    "flip": flip,
    "zero": zero,
    "delete": delete,
    "empty": empty,
}


def harm_file(path: Path, kind: str, rng: random.Random, others: list[Path]) -> str:
    """Damage a file in one way, of DAMAGES or "swap"; say where. An empty file can only be deleted."""
    if kind == "swap":
        return swap(path, rng, others)
    return DAMAGES[kind](path, rng) if path.stat().st_size or kind == "delete" else delete(path, rng)


def _replace(path: Path, content: bytes | bytearray) -> None:
    # in place, as a bad disk does it
    path.write_bytes(content)
