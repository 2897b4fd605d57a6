"""What a property of a configuration may be: of which type, how large, and how it is read from its text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from math import isfinite
from typing import Any

LARGEST = 10**12  # of a dimension: beyond what any machine holds, and short of where arithmetic or a name breaks
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")  # a name of cells encodes what separates its parts


def _positive(value: object) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0  # type: ignore[arg-type, operator]


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {  # type of a field: (what is expected, whether a value is that)
    "str": ("a word", lambda value: isinstance(value, str) and _WORD.fullmatch(value) is not None),
    "int": ("a whole number", lambda value: type(value) is int),
    "bool": ("True or False", lambda value: type(value) is bool),
    "float": ("a positive number", _positive),
    "float | None": ("a positive number or None", lambda value: value is None or _positive(value)),
    "int | None": ("a whole number from 1 or None", lambda value: value is None or (type(value) is int and value > 0)),
}


def check_types(given: object, called: str) -> None:
    """ValueError names the first field of a dataclass that is no value of its type: 32.0 and 32 would be two cells."""
    for name, of in _typed(type(given)):  # type: ignore[arg-type]  # mypy takes no class for hashable
        value = getattr(given, name)
        expected, is_one = _TYPES[of]
        if not is_one(value):
            raise ValueError(f"{name} of {called}: expected {expected}, got {value!r}")
        if of.startswith("int") and value is not None and not 1 <= value <= LARGEST:
            bound = "at least 1" if value < 1 else f"at most {LARGEST:,}"
            raise ValueError(f"{name} of {called}: expected {bound}, got {value}")


@cache
def _typed(of: type) -> list[tuple[str, str]]:
    """The fields of a dataclass whose values are looked at, with their types."""
    return [(field.name, str(field.type)) for field in fields(of) if str(field.type) in _TYPES]


def from_text(of: str, name: str, text: str, objects: dict[str, type]) -> Any:
    """A property of a type from its text: a number, true or false, none, a word, or an object as JSON."""
    if "None" in of and text.lower() == "none":
        return None
    kind = of.removesuffix(" | None")
    try:
        if kind in objects:
            return objects[kind](**{key: _tuple(one) for key, one in json.loads(text).items()})
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f": {error}" if kind in objects else ""
        raise ValueError(f"{name}: expected {_expected(of, kind, objects)}, got {text!r}{why}") from None
    return text


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _expected(of: str, kind: str, objects: dict[str, type]) -> str:
    if kind in objects:
        return f"none or a JSON object such as {objects[kind].EXAMPLE}"  # type: ignore[attr-defined]
    return {"bool": "true or false"}.get(of) or _TYPES[of][0]
