"""Typed configs: dataclasses to JSON Schema, JSON to dataclasses, and back. Knows nothing of plugins or hosts."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

from .errors import Invalid

#: No host reads JSON that is nested deeper than a little more than this.
MAX_DEPTH = 120

Json = Any
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number, both included: `Annotated[int, Range(1, 100)]`."""

    min: float | None = None
    max: float | None = None


@dataclasses.dataclass(frozen=True)
class Length:
    """Bounds of the length of a text (in characters), a list or a map: `Annotated[str, Length(1)]`."""

    min: int | None = None
    max: int | None = None


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression that a text must contain a match of, in the dialect of JSON Schema: `Annotated[str, Pattern("^v[0-9]+$")]`."""

    regex: str


@dataclass_transform(kw_only_default=True, frozen_default=True)
def config(*, args: tuple[str, ...] = ()) -> Callable[[type[T]], type[T]]:
    """Makes a class a config or a part of one: a frozen dataclass whose fields are given by name.

    `args` names the fields that a manifest may write as a node's positional arguments, in this order: with `args=("url", "status")`,
    `check "https://example.com" 200` is `{"url": …, "status": 200}`.
    """

    def make(cls: type[T]) -> type[T]:
        made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        known = {field.name for field in dataclasses.fields(made)}  # type: ignore[arg-type]
        for name in args:
            if name not in known:
                raise TypeError(f"{cls.__name__} has no field {name!r} to be a positional argument")
        made.__relrun_args__ = tuple(json_name(name) for name in args)  # type: ignore[attr-defined]
        return made

    return make


def json_name(field: str) -> str:
    """Returns a field's name in JSON and KDL: kebab-case; a final underscore, which keeps a name off Python's own words, goes."""
    return field.rstrip("_").replace("_", "-")


def schema_of(kind: Any) -> dict[str, Json]:
    """Returns the JSON Schema (2020-12) of a dataclass, everything inlined."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(kind, ())}


def _schema(kind: Any, inside: tuple[Any, ...]) -> dict[str, Json]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(kind, inside)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(choice, inside) for choice in get_args(kind)]}
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(_item(kind), inside)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(get_args(kind)[1], inside)}
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if dataclasses.is_dataclass(kind):
        if kind in inside:
            raise TypeError(f"{_name(kind)} is part of itself, which a config cannot be")
        return _object(kind, (*inside, kind))
    raise TypeError(f"{kind!r} cannot be a part of a config: use str, int, float, bool, list, dict, Literal, Enum, or a dataclass")


_PLAIN: dict[Any, dict[str, Json]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    dict: {"type": "object"},
    list: {"type": "array"},
}


def _item(kind: Any) -> Any:
    given = get_args(kind)
    if get_origin(kind) is tuple and (len(given) != 2 or given[1] is not Ellipsis):
        raise TypeError(f"{kind!r} cannot be a part of a config: of tuples only tuple[X, ...]")
    return given[0]


def _annotated(kind: Any, inside: tuple[Any, ...]) -> dict[str, Json]:
    base, *notes = get_args(kind)
    schema = _schema(base, inside)
    for note in notes:
        if isinstance(note, str):
            schema["description"] = note
        elif isinstance(note, Pattern):
            schema["pattern"] = note.regex
        elif isinstance(note, (Range, Length)):
            lower, upper = _bounds(note, schema)
            schema.update({word: bound for word, bound in ((lower, note.min), (upper, note.max)) if bound is not None})
    return schema


def _bounds(note: Range | Length, schema: dict[str, Json]) -> tuple[str, str]:
    if isinstance(note, Range):
        return "minimum", "maximum"
    words = {"array": ("minItems", "maxItems"), "object": ("minProperties", "maxProperties")}
    return words.get(schema.get("type", ""), ("minLength", "maxLength"))


def _object(kind: Any, inside: tuple[Any, ...]) -> dict[str, Json]:
    properties: dict[str, Json] = {}
    required = []
    hints = _hints(kind)
    for field in dataclasses.fields(kind):
        name = json_name(field.name)
        properties[name] = _schema(hints[field.name], inside)
        if _is_required(field):
            required.append(name)
        elif field.default not in (dataclasses.MISSING, None):
            properties[name]["default"] = to_json(field.default)
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if _doc(kind):
        schema["description"] = _doc(kind)
    if getattr(kind, "__relrun_args__", ()):
        schema["x-args"] = list(kind.__relrun_args__)
    return schema


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _doc(kind: Any) -> str:
    """Returns a class's own docstring; the one that `dataclass` makes up of the fields is none."""
    text = kind.__doc__ or ""
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.split())


def from_json(kind: type[T], value: Json, *, strict: bool, what: str) -> T:
    """Makes a dataclass of JSON. `strict` refuses unknown fields; `what` is what a person calls the whole (`config`)."""
    made: T = _read(kind, value, strict, what)
    return made


def _read(kind: Any, value: Json, strict: bool, at: str) -> Any:
    origin = get_origin(kind)
    if origin is Annotated:
        base, *notes = get_args(kind)
        read = _read(base, value, strict, at)
        _check(notes, read, at)
        return read
    if origin in (Union, types.UnionType):
        return _read_choice(kind, value, strict, at)
    if origin is Literal:
        return _one_of(value, get_args(kind), at)
    if origin in (list, tuple):
        item = _item(kind)
        items = [_read(item, one, strict, f"{at}[{index}]") for index, one in enumerate(_expect(list, "a list", value, at))]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        values = get_args(kind)[1]
        return {key: _read(values, one, strict, f"{at}.{key}") for key, one in _expect(dict, "an object", value, at).items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        _one_of(value, tuple(member.value for member in kind), at)
        return kind(value)
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, value, strict, at)
    return _read_plain(kind, value, at)


def _read_plain(kind: Any, value: Json, at: str) -> Any:
    if kind in (Any, object):
        return value
    if kind in (None, type(None)):
        return _expect(type(None), "null", value, at)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    names = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", dict: "an object", list: "a list"}
    if kind in names:
        return _expect(kind, names[kind], value, at)
    raise TypeError(f"{kind!r} cannot be a part of a config")


def _expect(kind: type[T], name: str, value: Json, at: str) -> T:
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise Invalid(f"{at}: expected {name}, found {_shown(value)}")


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _one_of(value: Json, known: tuple[Any, ...], at: str) -> Any:
    for one in known:
        if type(one) is type(value) and one == value:
            return value
    raise Invalid(f"{at}: expected one of {', '.join(_shown(one) for one in known)}, found {_shown(value)}")


def _read_choice(kind: Any, value: Json, strict: bool, at: str) -> Any:
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    real = [choice for choice in choices if choice is not type(None)]
    if len(real) == 1:
        return _read(real[0], value, strict, at)
    for choice in real:
        try:
            return _read(choice, value, strict, at)
        except Invalid:
            continue
    raise Invalid(f"{at}: {_shown(value)} is none of what may stand here")


def _read_object(kind: Any, value: Json, strict: bool, at: str) -> Any:
    given = dict(_expect(dict, "an object", value, at))
    hints = _hints(kind)
    fields = {}
    for field in dataclasses.fields(kind):
        name = json_name(field.name)
        if name in given:
            fields[field.name] = _read(hints[field.name], given.pop(name), strict, f"{at}.{name}")
        elif _is_required(field):
            raise Invalid(f"{at}: missing field `{name}`")
    if strict and given:
        known = ", ".join(f"`{json_name(field.name)}`" for field in dataclasses.fields(kind))
        raise Invalid(f"{at}: unknown field `{next(iter(given))}`, expected {'one of ' if ',' in known else ''}{known or 'none'}")
    return kind(**fields)


def _check(notes: list[Any], value: Any, at: str) -> None:
    if value is None:
        return
    for note in notes:
        if isinstance(note, Pattern) and not re.search(note.regex, value):
            raise Invalid(f"{at}: {_shown(value)} does not match {note.regex}")
        if isinstance(note, (Range, Length)):
            size = value if isinstance(note, Range) else len(value)
            what = "" if isinstance(note, Range) else "a length of "
            if note.min is not None and size < note.min:
                raise Invalid(f"{at}: expected {what}at least {note.min}, found {size}")
            if note.max is not None and size > note.max:
                raise Invalid(f"{at}: expected {what}at most {note.max}, found {size}")


def to_json(value: Any, depth: int = MAX_DEPTH) -> Json:
    """Returns a dataclass, or anything made of them, as JSON values. Fields that are None are left out."""
    if depth == 0:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH}")
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((json_name(field.name), getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: to_json(one, depth - 1) for name, one in fields if one is not None}
    if isinstance(value, dict):
        return {str(key): to_json(one, depth - 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(one, depth - 1) for one in value]
    return value


def text_of(value: Any, what: str) -> str:
    """Returns a value as a JSON text that every host can read."""
    try:
        text = json.dumps(to_json(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode("utf-8")
    except (TypeError, ValueError) as error:
        raise Invalid(f"{what} cannot be written as JSON: {error}") from None
    return text
