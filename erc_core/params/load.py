"""Read params.yaml and check all of it, telling every mistake in one line of its own."""

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from erc_core.errors import ParamsError
from erc_core.params.schema import Params

TYPE_NAMES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list, such as [demo]",
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


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a params file.

    Args:
        path: The YAML file.

    Returns:
        The checked parameters.

    Raises:
        ParamsError: The file is missing, is not YAML, or holds an unknown key, a wrong type or an impossible value.
            The message has one line for each mistake, naming the key, the value and what is allowed.
    """
    path = Path(path)
    try:
        # ruamel reads YAML 1.2, as DVC does: 1e-4 is a number, not a text
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: not found; run from the project's folder, the one with dvc.yaml") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    return check_params(tree, str(path))


def check_params(tree: Any, source: str = "params.yaml") -> Params:
    """Check parsed parameters; see load_params."""
    if not isinstance(tree, dict):
        raise ParamsError(f"{source}: holds no sections; compare it with the one in the repository")
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # pydantic reports a wrong type once per alternative of a union: one line a key is enough
        lines = dict.fromkeys(_line(detail, details) for detail in details)
        raise ParamsError("\n".join(f"{source}: {line}" for line in lines)) from None


def _line(detail: ErrorDetails, details: list[ErrorDetails]) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    parts = [part for part in detail["loc"] if part not in ("config", "pretrained")]
    # alternatives of a union (a number, or the word auto) are named by a last part that is no key
    alternatives = [d for d in details if d["loc"][:-1] == detail["loc"][:-1]]
    is_union = len(parts) > 1 and str(parts[-1]) in ("float", "int", "literal['auto']")
    if is_union:
        parts = parts[:-1]
    key = ".".join(str(part) for part in parts)
    if kind == "extra_forbidden":
        return _unknown_key(parts)
    if kind == "missing":
        return f"{key}: missing; the params.yaml of the repository shows it with its meaning"
    if is_union and alternatives:
        number = "a number" if any("float" in str(d["loc"][-1]) for d in alternatives) else "a whole number"
        return f"{key} = {value!r}: allowed is auto, or {number}"
    if kind in BOUNDS:
        return f"{key} = {value!r}: allowed is {_range(parts) or BOUNDS[kind][1].format(context[BOUNDS[kind][0]])}"
    if kind in ("literal_error", "union_tag_invalid"):
        return f"{key} = {_shown(value)}: allowed is {context.get('expected') or context.get('expected_tags')}"
    if kind == "union_tag_not_found":
        return f"{key}.source: missing; allowed is 'config' or 'pretrained'"
    if kind in TYPE_NAMES:
        return f"{key} = {_shown(value)}: allowed is {TYPE_NAMES[kind]}{_and_range(parts)}"
    if kind == "value_error":
        text = str(context["error"])
        # a rule inside a section names its own key; a rule over sections names whole keys already
        return f"{key}: {text}" if key == "datasets" else _qualified(key, text)
    return f"{key} = {_shown(value)}: {detail['msg']}"


def _qualified(key: str, text: str) -> str:
    section = key.split(".")[0]
    return text if not key or text.startswith(f"{section}.") else f"{key}.{text}"


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _unknown_key(parts: list[Any]) -> str:
    model = _model_at(parts[:-1])
    names = list(model.model_fields) if model else []
    near = difflib.get_close_matches(str(parts[-1]), names, n=1, cutoff=0.0)
    key = ".".join(str(part) for part in parts)
    nearest = f"; the nearest valid name is {near[0]!r}" if near else ""
    return f"{key}: unknown key{nearest} (allowed: {', '.join(names)})"


def _model_at(parts: list[Any]) -> type[BaseModel] | None:
    """Return the section class that stands at a path of keys, the last of several where a union stands there."""
    current: Any = Params
    for part in parts:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:  # dict[str, Section]: any key leads to the section
            current = get_args(current)[-1] if get_args(current) else None
        while get_args(current) and getattr(current, "__origin__", None) is not dict:
            current = get_args(current)[0]
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _range(parts: list[Any]) -> str:
    """Return the bounds of a field in words, such as '1 or more and 24 or less'."""
    model = _model_at(parts[:-1])
    field = model.model_fields.get(str(parts[-1])) if model else None
    words = []
    for name, text in BOUNDS.values():
        for bound in field.metadata if field else []:
            value = getattr(bound, name, None)
            if value is not None:
                words.append(text.format(value))
    return " and ".join(words)


def _and_range(parts: list[Any]) -> str:
    bounds = _range(parts)
    return f", {bounds}" if bounds else ""
