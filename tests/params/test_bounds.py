"""Every number has bounds, and so has the file: what no person means is one line, at once."""

import time
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from closure import ROOT
from pydantic import BaseModel

from erc_core.errors import ParamsError
from erc_core.params.load import MAX_LINES, check_params, load_params
from erc_core.params.peers import PEERS
from erc_core.params.schema import Params


def kinds(annotation: Any, metadata: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Yield what an annotation consists of, each with what bounds it."""
    if hasattr(annotation, "__metadata__"):
        inner = [bound for field in annotation.__metadata__ for bound in getattr(field, "metadata", [])]
        yield from kinds(annotation.__origin__, metadata + inner)
    elif get_args(annotation):
        for arm in get_args(annotation):
            yield from kinds(arm, metadata)
    else:
        yield annotation, metadata


def numbers(section: type[BaseModel], seen: set[type]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of each number of a section, and what bounds it."""
    if section in seen:
        return
    seen.add(section)
    for name, field in section.model_fields.items():
        for kind, metadata in kinds(field.annotation, field.metadata):
            if kind in (int, float):
                yield f"{section.__name__}.{name}", metadata
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from numbers(kind, seen)


def test_every_number_of_the_schema_has_a_bound_on_both_sides():
    seen: set[type] = set()
    found = [number for section in (Params, *PEERS.values()) for number in numbers(section, seen)]
    assert len(found) > 90
    for name, metadata in found:
        assert any(isinstance(bound, (Ge, Gt)) for bound in metadata), name
        assert any(isinstance(bound, (Le, Lt)) for bound in metadata), name


def leaves(tree: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield from leaves(value, (*keys, key))
        if type(value) in (int, float):
            yield (*keys, key)


@pytest.mark.parametrize(
    "value", [10**30, 1e300, -(10**30), -1e300, 16**5000], ids=["1e30", "1e300", "-1e30", "-1e300", "hex"]
)
def test_a_huge_number_is_one_line_everywhere(tree, value):
    places = list(leaves(tree))
    assert len(places) > 150
    for *sections, name in places:
        section = tree
        for part in sections:
            section = section[part]
        kept, section[name] = section[name], value
        with pytest.raises(ParamsError) as caught:
            check_params(tree)
        section[name] = kept
        lines = str(caught.value).split("\n")
        place = [".".join(map(str, sections)), str(name)]
        assert any(all(part in line for part in place) for line in lines), (place, lines)
        assert all(len(line) < 400 for line in lines)


@pytest.mark.parametrize(
    ("key", "value"),
    [("mel.floor", 1e-50), ("mel.hop_ms", 0.0625), ("backbones.tiny.bert.mlp_ratio", 1e-300)],
)
def test_a_number_too_small_to_compute_with_is_refused(tree, key, value):
    *sections, name = key.split(".")
    section = tree
    for part in sections:
        section = section[part]
    section[name] = value
    with pytest.raises(ParamsError, match=rf"{key} = {value}: allowed is "):
        check_params(tree)


# ---- the file -------------------------------------------------------------------------------------------------------

BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BOMB, "its aliases"),
        (MERGES, "its aliases"),
        ("a: &a [*a]\n", "its aliases"),
        ("".join(f"key_{i}: 1\n" for i in range(200_000)), "allowed are 256 KiB or less"),
        ("a: " + "[" * 2000, "nested too deep"),
        ("".join(f"{' ' * i}a:\n" for i in range(600)), "nested too deep"),
        ("a: " + "9" * 5000, "not readable as YAML"),
        ("a: !!int x", "not readable as YAML"),
        ("a: !!timestamp x", "not readable as YAML"),
        ("a: !!python/object/apply:os.system [true]", "not readable as YAML"),
        ("a: {[1]: 2, {b: 1}: 3}", "yaml: "),
        ("a: \x00", "not readable as YAML"),
        ("a: 1\na: 2\n", "not readable as YAML"),
    ],
    ids=[
        "bomb",
        "merges",
        "loop",
        "keys",
        "deep",
        "indented",
        "digits",
        "int",
        "time",
        "object",
        "odd keys",
        "null",
        "twice",
    ],
)
def test_a_hostile_file_is_one_line_at_once(tmp_path, content, told):
    path = tmp_path / "params.yaml"
    path.write_text(content, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(ParamsError, match=told) as caught:
        load_params(path)
    assert time.process_time() - started < 10
    lines = str(caught.value).split("\n")
    assert len(lines) <= MAX_LINES + 1
    assert all(line.startswith(str(path)) and len(line) < 1000 for line in lines)
    if told:
        assert len(lines) == 1


def test_many_mistakes_are_some_lines_and_a_number(tree):
    tree["jfm"] |= {f"key_{i}": 1 for i in range(3000)}
    started = time.process_time()
    with pytest.raises(ParamsError) as caught:
        check_params(tree)
    assert time.process_time() - started < 5
    lines = str(caught.value).split("\n")
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "params.yaml: about 2,980 more mistakes"


def test_aliases_that_a_person_writes_are_read(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    old = "    bert: {source: config, width: 32, depth: 5, heads: 2, mlp_ratio: 2.0}"
    assert old in text
    text = text.replace(old, old.replace("bert: ", "bert: &sizes "))
    vit = text.index("    vit: {source: config")
    text = text[:vit] + "    vit: *sizes" + text[text.index("}", vit) + 1 :]
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    tiny = load_params(tmp_path / "params.yaml").backbones["tiny"]
    assert tiny.bert == tiny.vit


def test_a_long_name_is_cut_in_messages(tree):
    tree["x" * 100_000] = 1
    tree["datasets"] = ["y" * 100_000, "../" + "z" * 100]
    with pytest.raises(ParamsError) as caught:
        check_params(tree)
    assert all(len(line) < 1000 for line in str(caught.value).split("\n"))
