"""params.yaml is the manual of the pipeline: complete, commented, and in the schema's order."""

import re
import types
from typing import Annotated, Any, Union, get_args, get_origin

from closure import ROOT
from pydantic import BaseModel

from erc_core.params.schema import Params

# DVC breaks the lines of long mappings in braces
TEXT = re.sub(
    r"\{[^{}#]*\}", lambda found: " ".join(found[0].split()), (ROOT / "params.yaml").read_text(encoding="utf-8")
)
KEY_LINE = re.compile(r"^(?P<indent> *)(?P<example># {0,3})?(?P<key>[a-z_]+):(?P<value>[^#]*)(?P<comment>#.*)?$")


def key_lines() -> list[tuple[tuple[str, ...], str, bool]]:
    """Return (path, value, explained) of each key that stands on a line of its own, in YAML or in a commented example."""
    found, parents = [], []
    for line in TEXT.splitlines():
        matched = KEY_LINE.match(line)
        if not matched or (matched["example"] and not matched["indent"]):
            continue
        indent = len(matched["indent"]) + max(0, len(matched["example"] or "") - 2)
        parents = [parent for parent in parents if parent[0] < indent]
        path = (*(name for _, name, _ in parents), matched["key"])
        explained = matched["comment"] is not None
        # a comment on a block explains what is in it; one on a whole section is too far away
        found.append((path, matched["value"].strip(), explained or any(e for level, _, e in parents if level)))
        parents.append((indent, matched["key"], explained))
    return found


def general(path: tuple[str, ...]) -> str:
    """Return a path with a star for the names that a user chooses."""
    level = 2 if path[:2] in (("study", "variants"), ("study", "tables")) else 1
    starred = path[0] in ("groups", "ingest", "backbones") or level == 2
    return ".".join((*path[:level], "*", *path[level + 1 :]) if starred and len(path) > level else path)


def schema_keys(annotation: Any, path: tuple[str, ...] = ()) -> set[str]:
    """Return every key that the schema knows, in general form; those of all kinds of a section together."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = set()
        for name, field in annotation.model_fields.items():
            found |= {".".join((*path, name))} | schema_keys(field.annotation, (*path, name))
        return found
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return schema_keys(arguments[1], (*path, "*"))
    if origin is Annotated:
        return schema_keys(arguments[0], path)
    if origin in (Union, types.UnionType):
        return set().union(*(schema_keys(argument, path) for argument in arguments))
    return set()


def written_keys() -> set[str]:
    found = set()
    for path, value, _ in key_lines():
        found.add(general(path))
        if value.startswith("{"):
            found |= {general((*path, name)) for name in re.findall(r"([a-z_]+):", value)}
    return found


def test_every_key_of_the_schema_is_in_params_yaml():
    missing = schema_keys(Params) - written_keys()
    assert not missing


def test_every_key_in_params_yaml_is_one_of_the_schema():
    names_of_users = {"groups.*", "ingest.*", "backbones.*", "study.variants.*", "study.tables.*"}
    free = (
        "ingest.*.columns.",
        "study.variants.*.",
        "study.tables.*.labels.",
    )  # changes and names: checked when loaded
    inside_free = {key for key in written_keys() if key.startswith(free)}
    assert written_keys() - schema_keys(Params) - names_of_users - inside_free == set()


def test_the_lines_were_understood():
    paths = [path for path, *_ in key_lines()]
    assert ("jfm", "n_blocks") in paths
    assert ("demo", "dialogues", "train") in paths
    assert ("backbones", "tiny", "text_encoder", "width") in paths
    assert ("ingest", "my_corpus", "file") in paths
    assert len(paths) > 90


def test_every_key_is_explained():
    explained = {general(path) for path, _, comment in key_lines() if comment} | {"groups.*"}  # above it
    unexplained = [".".join(path) for path, value, _ in key_lines() if value and general(path) not in explained]
    assert [key for key in unexplained if key.split(".")[-1] != "title"] == []  # a title says itself what it is


def test_sections_stand_in_the_order_of_the_schema_under_a_heading():
    names = [path[0] for path, *_ in key_lines() if len(path) == 1]
    assert names == list(Params.model_fields)
    for name in ("demo", "ingest", "audio", "mel", "text", "model", "train", "evaluate", "pack", "report", "parallel"):
        heading = TEXT[: TEXT.index(f"\n{name}:")].splitlines()[-1]
        assert re.match(rf"# ---- {name}\b", heading), heading


def test_small_numbers_are_written_so_that_every_reader_of_yaml_sees_a_number():
    assert not re.search(r": *\d+e-?\d+", TEXT)  # PyYAML needs the point in 1.0e-4
