"""Parameters that nobody would want: values, keys and files; each is refused in a line, or works."""

import random
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from benchmarks.injection.project import Project
from benchmarks.injection.verdict import Case, judge

LIMIT_SECONDS = 30.0
MOST_STAGES = 4
MISTAKES = 5  # one change can be wrong in several places
LEFT_ALONE = (
    "study.variants",
    "study.tables",
    "backbones.paper",
    "ingest.iemocap",
    "groups",
)  # what no stage here reads

VALUES: tuple[Any, ...] = (
    0, -1, 1, 3, 2**31, 2**63, 10**30, 10**400, 0.5, -0.5, 1e-300, 1e-50, 1e300, -1e300, float("nan"), float("inf"),
    float("-inf"), "", " ", "auto", "nope", "1", "true", "../../sentinel", "/etc/passwd", "a" * 100_000, "\0", "\x1b[31m",
    "$(touch sentinel/x)", "=1+1", "ä\u202e\U0001f600", "demo", "all", None, True, False, [], {}, [1], [[]], ["demo", "demo"],
    {"a": 1}, {1: 2}, {"": ""}, date(2000, 1, 1), b"bytes", {"format": "table"}, {"source": "pretrained", "name": "nowhere"},
)  # fmt: skip


def change(project: Project, rng: random.Random, number: int) -> Case:
    """Change params.yaml in one way, and run stages that read what was changed."""
    project.restore()
    path = project.folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    whole = list(FILES)
    if number % 4 == 0:
        kind = whole[number // 4 % len(whole)]
        content, name, section = FILES[kind](text, rng), f"params.yaml: {kind}", ""
    elif number % 8 == 1:
        content, name, section = _damaged(text, rng)
    else:
        content, name, section = _changed(text, rng)
    path.write_bytes(content)
    runs = [run for run in project.runs if not section or any(key.split(".")[0] == section for key in run.params)]
    if not section:
        runs = rng.sample(runs, 1)
    elif not runs:  # of sections that decide speed alone
        runs = [run for run in project.runs if run.stage in ("resample", "train")]
    for run in sorted(rng.sample(runs, min(MOST_STAGES, len(runs))), key=runs.index):
        outcome = project.run(run, limit=LIMIT_SECONDS)
        case = judge(f"{name}, then {run}", outcome, trespasses=project.trespasses(), mistakes=MISTAKES)
        if not case.passed or outcome.exit_code:
            break
    return case


def _changed(text: str, rng: random.Random) -> tuple[bytes, str, str]:
    yaml = YAML(typ="safe")
    tree = yaml.load(text)
    keys, section = rng.choice([place for place in _places(tree) if not ".".join(place[0]).startswith(LEFT_ALONE)])
    last, key = keys[-1], ".".join(keys)
    draw = rng.random()
    if draw < 0.7:
        value = rng.choice(VALUES)
        section[last] = value
        name = f"{key} = {value!r:.60}"
    elif draw < 0.8:
        del section[last]
        name = f"{key} removed"
    elif draw < 0.9:
        section[f"{last}{rng.choice(('s', ' ', '_', '.x', 'é'))}"] = section.pop(last)
        name = f"{key} renamed"
    else:
        section[rng.choice(("nope", 1, True, None, "", "a.b", "__proto__"))] = rng.choice(VALUES)
        name = f"{key}: a key beside it"
    out = StringIO()
    try:
        yaml.dump(tree, out)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return text.encode(), "nothing", keys[0]
    return out.getvalue().encode("utf-8", "surrogatepass"), name, keys[0]


def _places(tree: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        yield (*above, str(key)), tree
        if isinstance(value, dict) and all(isinstance(inner, str) for inner in value):
            yield from _places(value, (*above, str(key)))


def _damaged(text: str, rng: random.Random) -> tuple[bytes, str, str]:
    content = bytearray(text.encode())
    draw, place = rng.random(), rng.randrange(len(content))
    if draw < 0.5:
        content[place] ^= 1 << rng.randrange(8)
        return bytes(content), f"params.yaml: a bit of byte {place} flipped", ""
    if draw < 0.75:
        return bytes(content[:place]), f"params.yaml: cut after {place} bytes", ""
    signs = rng.choice(
        (b"\t", b"\x00", b"\xff", b": ", b"- ", b"[", b"{", b"&a ", b"*a", b"!!", b"'", b'"', b"|\n", b"\n")
    )
    return bytes(content[:place] + signs + content[place:]), f"params.yaml: {signs!r} put in at {place}", ""


def _bomb(text: str, _: random.Random) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return f"{text}\n{chr(10).join(lines)}\n".encode()


def _used_bomb(text: str, _: random.Random) -> bytes:
    lines = ["&a0 [x, x, x, x, x, x, x, x, x]"] + [f"&a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return text.replace("datasets: [demo]", f"datasets: [{', '.join(lines)}]", 1).encode()


def _added(addition: str) -> Callable[[str, random.Random], bytes]:
    return lambda text, _: f"{text}\n{addition}\n".encode()


def _instead(content: bytes) -> Callable[[str, random.Random], bytes]:
    return lambda _text, _rng: content


# what the whole file is turned into
FILES: dict[str, Callable[[str, random.Random], bytes]] = {
    "empty": _instead(b""),
    "spaces": _instead(b"   \n\n"),
    "a list": _instead(b"- a\n- b\n"),
    "a word": _instead(b"demo\n"),
    "null": _instead(b"null\n"),
    "binary": lambda _text, rng: rng.randbytes(5000),
    "zeros": _instead(bytes(100_000)),
    "UTF-16": lambda text, _: text.encode("utf-16"),
    "UTF-8 with a mark": lambda text, _: text.encode("utf-8-sig"),
    "Latin-1": lambda text, _: text.replace("Emotion", "Émotion").encode("latin-1"),
    "Windows line ends": lambda text, _: text.replace("\n", "\r\n").encode(),
    "tabs": lambda text, _: text.replace("  ", "\t").encode(),
    "two documents": lambda text, _: f"{text}\n---\n{text}".encode(),
    "twice the same": lambda text, _: f"{text}\n{text}".encode(),
    "an alias bomb beside": _bomb,
    "an alias bomb as a value": _used_bomb,
    "an alias of itself": _added("x: &x [*x]"),
    "an alias of itself as datasets": lambda text, _: text.replace("datasets: [demo]", "datasets: &d [*d]", 1).encode(),
    "deep brackets": _added("x: " + "[" * 20_000),
    "deep brackets, closed": _added("x: " + "[" * 3_000 + "]" * 3_000),
    "deep sections": _added("x: " + "{a: " * 3_000 + "1" + "}" * 3_000),
    "200,000 unknown keys": _added("\n".join(f"key{i}: {i}" for i in range(200_000))),
    "a key of a megabyte": _added("k" * 1_000_000 + ": 1"),
    "a value of ten megabytes": lambda text, _: text.replace(
        "datasets: [demo]", f"datasets: [{'d' * 10_000_000}]", 1
    ).encode(),
    "a million digits": lambda text, _: text.replace("seed: 0", f"seed: {'9' * 1_000_000}", 1).encode(),
    "5,000 digits": lambda text, _: text.replace("seed: 0", f"seed: {'9' * 5_000}", 1).encode(),
    "100,000 datasets": lambda text, _: text.replace(
        "datasets: [demo]", f"datasets: [{', '.join(f'd{i}' for i in range(100_000))}]", 1
    ).encode(),
    "a tag that runs a command": _added("x: !!python/object/apply:os.system ['touch ../sentinel/ran']"),
    "a tag that makes an object": _added("x: !!python/object:builtins.object {}"),
    "an unknown tag": _added("x: !nope {a: 1}"),
    "another version of YAML": lambda text, _: f"%YAML 9.9\n---\n{text}".encode(),
    "a merge of an unknown anchor": _added("x: {<<: *nowhere}"),
    "a merge of a number": _added("x: {<<: 1}"),
    "a key that is a list": _added("? [a, b]\n: 1"),
    "a key that is a section": _added("? {a: b}\n: 1"),
    "a set": _added("x: !!set {a, b}"),
    "a broken date": _added("x: 2000-99-99"),
    "a broken number": _added("x: !!int nope"),
    "broken base64": _added("x: !!binary '***'"),
    "a NUL": _added("x: \0"),
    "escape signs": _added('x: "\\x1b[31m\\u0000"'),
    "half a surrogate": _added('x: "\\ud800"'),
}
