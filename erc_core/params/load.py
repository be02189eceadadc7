"""Read params.yaml and check all of it; every mistake has one line of its own."""

import difflib
from itertools import accumulate
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from erc_core.errors import ParamsError
from erc_core.params.schema import Params
from erc_core.params.section import LONGEST_SHOWN, shown

TYPE_NAMES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a text of {max_length} characters or less",
    "too_long": "at most {max_length} names",
    "bool_type": "true or false",
    "list_type": "a list, such as [demo]",
    "too_short": "a list that is not empty",
    "int_parsing_size": "a whole number",
    "dict_type": "a section with keys",
    "model_type": "a section with keys",
    "model_attributes_type": "a section with keys",
}
BOUNDS = {
    "greater_than_equal": ("ge", "{} or more"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "{} or less"),
    "less_than": ("lt", "less than {}"),
}


MAX_BYTES = 256 * 1024  # of the file; the repository's has 20 KB
MAX_NODES = 50_000  # keys and values, each alias counted as what it stands for
MAX_DEPTH = 50  # of brackets: reading deeper ones takes the square of the time
MAX_LINES = 20  # mistakes that are told at once
FEW = 3  # sections; so many that lack are told one by one
LONGEST_LINE = 600  # characters of a mistake


class _Place(NamedTuple):
    keys: list[str]
    section: type[BaseModel] | None  # that holds the last key; None where any key may stand
    is_auto: bool  # whether the word auto may stand there instead of a number
    tags: list[str]  # the words that choose between sections, where one of several may stand there


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: The file is missing, is not YAML, or holds an unknown key, a wrong type or an impossible value.
            The message has one line for each mistake, naming the key, the value and what is allowed.
    """
    path = Path(path)
    try:
        # ruamel reads YAML 1.2, as DVC does: 1e-4 is a number, not a text
        text = _read_text(path)
        if "*" in text:
            _require_few_nodes(YAML(typ="safe").compose(text), str(path))
        tree = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise ParamsError(f"{path}: not found; run from the project's folder, the one with dvc.yaml") from None
    except RecursionError:
        raise ParamsError(f"{path}: not readable as YAML: lists or sections are nested too deep") from None
    except (YAMLError, OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        # ruamel raises more than its own errors at what no person writes, such as `!!int x`
        raise ParamsError(f"{path}: not readable as YAML: {_one_line(str(error))}") from None
    return check_params(tree, str(path))


def check_params(tree: Any, source: str = "params.yaml") -> Params:
    """Check parsed parameters; see load_params."""
    if not isinstance(tree, dict):
        raise ParamsError(f"{source}: holds no sections; compare it with the one in the repository")
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines: dict[str, None] = {}
        absent = [detail for detail in details if detail["type"] == "missing" and len(detail["loc"]) == 1]
        if len(absent) > FEW:  # a file that was cut off: one mistake, not many
            names = ", ".join(str(detail["loc"][0]) for detail in absent)
            lines[f"{source}: {names}: missing; the params.yaml of the repository shows them with their meaning"] = None
            details = [detail for detail in details if detail not in absent]
        for i, detail in enumerate(details):
            lines |= dict.fromkeys(f"{source}: {_one_line(line)}" for line in _lines(detail))
            if len(lines) >= MAX_LINES:
                told, more = list(lines)[:MAX_LINES], len(lines) - MAX_LINES + len(details) - i - 1
                raise ParamsError(
                    "\n".join([*told, *[f"{source}: about {more:,} more mistakes"][: bool(more)]])
                ) from None
        raise ParamsError("\n".join(lines)) from None


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ParamsError(f"{path}: allowed are {MAX_BYTES // 1024} KiB or less")
    text = content.decode("utf-8")
    if max(accumulate((c in "[{") - (c in "]}") for c in text), default=0) > MAX_DEPTH:
        raise RecursionError
    return text


def _require_few_nodes(root: Any, source: str) -> None:
    """Refuse aliases that stand for too much: some hundred bytes can stand for more than a memory holds."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MAX_NODES + 1  # what contains itself never ends
            parts = node.value if isinstance(node.value, list) else []
            # of a section the parts are pairs
            children = [child for part in parts for child in (part if isinstance(part, tuple) else (part,))]
            sizes[id(node)] = 1 + sum(map(size, children))
        return sizes[id(node)]

    if root is not None and size(root) > MAX_NODES:
        raise ParamsError(
            f"{source}: its aliases (*name) stand for more than {MAX_NODES:,} values; write them out, or fewer"
        )


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def _lines(detail: ErrorDetails) -> list[str]:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    place = _place(detail["loc"])
    key = ".".join(place.keys)
    if kind == "value_error":
        # a rule inside a section names its own key; a rule over sections names whole keys already
        texts = str(context["error"]).split("\n")
        return [f"{key}: {text}" if key == "datasets" else _qualified(key, text) for text in texts]
    if kind == "extra_forbidden":
        return [_unknown_key(place)]
    if kind == "missing":
        return [f"{key}: missing; the params.yaml of the repository shows it with its meaning"]
    if kind == "too_short" and isinstance(value, dict):
        return [f"{key} = {shown(value)}: allowed is a section that is not empty"]
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        name = context["discriminator"].strip("'")
        state = ": missing;" if kind == "union_tag_not_found" else f" = {shown(value[name])}:"
        return [f"{key}.{name}{state} allowed is {' or '.join(map(repr, place.tags))}"]
    if place.is_auto and kind == "literal_error":
        return []  # the line about the number says it
    allowed = f"{shown(value)}: allowed is {'auto, or ' if place.is_auto else ''}"
    if kind in BOUNDS:
        bound, words = BOUNDS[kind]
        return [f"{key} = {allowed}{_range(place) or words.format(context[bound])}"]
    if kind == "literal_error":
        return [f"{key} = {allowed}{context['expected']}"]
    if kind in TYPE_NAMES:
        bounds = _range(place)
        return [f"{key} = {allowed}{TYPE_NAMES[kind].format_map(context)}{bounds and ', '}{bounds}"]
    return [f"{key} = {shown(value)}: {detail['msg']}"]


def _qualified(key: str, text: str) -> str:
    section = key.split(".")[0]
    return text if not key or text.startswith(f"{section}.") else f"{key}.{text}"


def _unknown_key(place: _Place) -> str:
    names = list(place.section.model_fields) if place.section else []
    near = difflib.get_close_matches(place.keys[-1], names, n=1, cutoff=0.0)
    nearest = f"; the nearest valid name is {near[0]!r}" if near else ""
    return f"{'.'.join(place.keys)}: unknown key{nearest} (allowed: {', '.join(names)})"


def _range(place: _Place) -> str:
    """Return the bounds of a field in words, such as '1 or more and 24 or less'."""
    field = place.section.model_fields.get(place.keys[-1]) if place.section else None
    if field is None:
        return ""
    # of `Annotated[float, Field(gt=0)] | Auto` the number has the bounds
    bounds = [*field.metadata]
    for arm in get_args(field.annotation):
        bounds += [bound for inner in getattr(arm, "__metadata__", ()) for bound in getattr(inner, "metadata", ())]
    values = ((text, getattr(bound, name, None)) for name, text in BOUNDS.values() for bound in bounds)
    return " and ".join(text.format(value) for text, value in values if value is not None)


def _place(loc: tuple[int | str, ...]) -> _Place:
    """Follow pydantic's location of a mistake through the sections."""
    keys: list[str] = []
    section: type[BaseModel] | None = None
    is_auto = False
    current: Any = Params
    for part in loc:
        alternatives = get_args(current)
        if part == "[key]":  # pydantic's word for a key that is no text
            continue
        if _is_section(current):
            section, field = current, current.model_fields.get(str(part))
            current = field.annotation if field else None
        elif isinstance(current, UnionType) or get_origin(current) is Union:
            # this part names the alternative, not a key: a tag of a section, or a type beside the word auto
            current = next((a for a in alternatives if _is_section(a) and part in _tags(a)), None)
            is_auto = current is None
            continue
        else:  # dict[str, Section]: any key leads to the section
            section, current = None, alternatives[-1] if alternatives else None
            if get_origin(current) is Annotated:
                current = get_args(current)[0]
        keys.append(str(part) if len(str(part)) <= LONGEST_SHOWN else f"{str(part)[: LONGEST_SHOWN - 3]}...")
    return _Place(keys, section, is_auto, [tag for a in get_args(current) if _is_section(a) for tag in _tags(a)])


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tags(section: type[BaseModel]) -> list[str]:
    """Return the words that choose this section among others: they stand in its first key."""
    return list(get_args(next(iter(section.model_fields.values())).annotation))
