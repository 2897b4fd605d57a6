"""The kinds of evidence that a record bears, wherever in it: a number without its kind is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from oneblock.compilers.api.kind import Kind

_PLAIN = (str, int, float, bool, NoneType, ...)


def kinds(value: Any, where: str = "") -> Iterator[tuple[str, Kind]]:
    """Each kind of evidence that a record bears, and where: ("facts.estimates.0.kind", COMPILED)."""
    if isinstance(value, Kind):
        yield where, value
    elif is_dataclass(value) and not isinstance(value, type):
        for name in _may_bear_kinds(type(value)):
            yield from kinds(getattr(value, name), f"{where}.{name}".lstrip("."))
    elif isinstance(value, tuple) and value and not isinstance(value[0], float):  # samples bear none, and are many
        for number, one in enumerate(value):
            yield from kinds(one, f"{where}.{number}")


@cache
def _may_bear_kinds(of: type) -> tuple[str, ...]:
    """The fields of a dataclass in which a kind may stand, by their types: few of a record's."""
    hints = get_type_hints(of)
    return tuple(field.name for field in fields(of) if _may_bear_kind(hints[field.name]))


def _may_bear_kind(hint: Any) -> bool:
    if get_origin(hint) is Literal or hint in _PLAIN:
        return False
    if arguments := get_args(hint):
        return any(map(_may_bear_kind, arguments))
    if not isinstance(hint, type) or hint.__subclasses__() or issubclass(hint, Kind):
        return True
    return not issubclass(hint, str) and (not is_dataclass(hint) or bool(_may_bear_kinds(hint)))
