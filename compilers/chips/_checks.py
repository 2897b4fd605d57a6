"""What the constructors of a chip hold a field against: ValueError says whose it is, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def typed(who: str, **stated: tuple[object, type]) -> None:
    """Each field has its type."""
    for what, (value, kind) in stated.items():
        if not isinstance(value, kind):
            raise ValueError(f"{who}: {what}: expected a {kind.__name__}, got {value!r}")


def counts(who: str, **stated: object) -> None:
    """Each field is a whole number from 0."""
    for what, value in stated.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{who}: {what}: expected a whole number from 0, got {value!r}")


def positive(who: str, **stated: object) -> None:
    """Each field is a number above 0."""
    for what, value in stated.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise ValueError(f"{who}: {what}: expected a positive number, got {value!r}")


def positive_by_name(who: str, what: str, stated: object, names: Iterable[str]) -> None:
    """A field has a number above 0 for each of some names."""
    if not isinstance(stated, Mapping):
        raise ValueError(f"{who}: {what}: expected a number for each of {', '.join(names)}, got {stated!r}")
    positive(who, **{f"{what} of {name}": stated.get(name) for name in names})
