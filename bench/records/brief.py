"""Records in brief: what tables, comparisons and pages are made of, with what many have alike kept once.

In a folder of thousands the machine, its limits and the configuration are the same few over and over, and are most of
what there is to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from statistics import median
from typing import Any

import pydantic_core

from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Count, Environment, Launch, Limits, Record
from oneblock.workloads.models import Config

Names = tuple[str, str, str, str, str]
Parts = tuple[list[Environment], list[Limits | None], list[Config]]
Numbers = tuple[Count, Count, Count]  # of one of each


def brief(record: Record) -> Record:
    """The same with as much of its samples as is shown and compared.

    The cold ones are all there, and the device's. Of warm and fresh calls each process has its median alone; of those
    that warmed up, and of what lay around each call, nothing.
    """
    return replace(record, launches=tuple(map(_launch, record.launches)))


def _launch(one: Launch) -> Launch:
    return replace(one, warmup_s=(), warm_s=(median(one.warm_s),), fresh_s=(median(one.fresh_s),), in_hand=None)


def names(record: Record) -> Names:
    """The hashes of a record and of its cell, and the cell's name, which take longer to make than the rest to read."""
    return record.identity(), record.place(), record.cell.key, record.cell.reference_key, record.cell.name


def remember(record: Record, told: Names) -> None:
    """Take for `names` of a record what they were when the very same was read before."""
    vars(record)["_identity"], vars(record)["_place"], key, reference_key, name = told
    vars(record.cell).update(key=key, reference_key=reference_key, name=name)


@dataclass
class _Kept:
    """Values of one kind, each once, and their numbers."""

    values: list[Any] = field(default_factory=list)
    _by_text: dict[bytes, int] = field(default_factory=dict)
    _by_id: dict[int, int] = field(default_factory=dict)  # of the very ones in `values`

    def number(self, value: Any) -> int:
        """That of a value as this one, which is kept if none is."""
        if (known := self._by_id.get(id(value))) is not None:
            return known
        number = self._by_text.setdefault(to_json(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
            self._by_id[id(value)] = number
        return number


class Alike:
    """What records have alike, each once."""

    def __init__(self) -> None:
        self._kept = _Kept(), _Kept(), _Kept()

    def parts(self) -> list[list[Any]]:
        """As `Parts`, for JSON."""
        return [kept.values for kept in self._kept]

    def numbers(self, record: Record) -> tuple[int, ...]:
        """Where in `parts` those of a record are, which are kept if they are new."""
        of_it = (record.environment, record.limits, record.cell.case.config)
        return tuple(kept.number(value) for kept, value in zip(self._kept, of_it, strict=True))

    def shared(self, record: Record) -> Record:
        """The same record of the very parts that one before it has."""
        environment, limits, config = (kept.values[n] for kept, n in zip(self._kept, self.numbers(record), strict=True))
        return _with(record, environment, limits, config)


def _with(record: Record, environment: Any, limits: Any, config: Any) -> Record:
    cell = replace(record.cell, case=replace(record.cell.case, config=config))
    return replace(record, cell=cell, environment=environment, limits=limits)


def packed(record: Record, alike: Alike) -> tuple[Names, tuple[int, ...], Record]:
    """A record for JSON: its names, the numbers of what it has alike with others, and what is left of it."""
    return names(record), alike.numbers(record), _with(record, None, None, None)


def unpacked(told: Names, numbers: Numbers, text: bytes, parts: Parts) -> Record:
    """The record that was packed, of what is left of it in JSON; ValueError or LookupError of what none was."""
    environment, limits, config = numbers
    record = _left().validate_json(text)
    assert isinstance(record, Record)
    object.__setattr__(record.cell.case, "config", parts[2][config])
    vars(record).update(environment=parts[0][environment], limits=parts[1][limits])
    remember(record, told)
    return record


@cache
def _left() -> pydantic_core.SchemaValidator:
    """What reads a record in which none stands for what it has alike: at once, and not by way of a dict of it."""
    return pydantic_core.SchemaValidator(_without(adapter().core_schema, (Environment, Config)))


def _without(schema: Any, classes: tuple[type, ...]) -> Any:
    """A schema of pydantic's with none where these classes are."""
    if isinstance(schema, dict):
        if schema.get("cls") in classes:
            return {"type": "none"}
        return {name: _without(of, classes) for name, of in schema.items()}
    return [_without(one, classes) for one in schema] if isinstance(schema, list) else schema


def to_json(value: Any) -> bytes:
    """Anything of a record, on one line."""
    return pydantic_core.to_json(value, inf_nan_mode="strings")
