"""The machines of the page's records, their software and their state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from oneblock.bench.report.rows.rows import Row

Machine = tuple[dict[str, str], dict[str, str], dict[str, str]]  # its own facts, its software's, and its state's


def machines_of(rows: Sequence[Row]) -> list[Machine]:
    """The facts of each machine of the rows, by its number."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.machine, []).append(row)
    where = [[row.record.environment for row in found[number]] for number in sorted(found)]
    return [(_merged(x.facts() for x in e), _merged(x.software for x in e), _merged(x.state for x in e)) for e in where]


def _merged(facts: Iterable[Mapping[str, str | float | None]]) -> dict[str, str]:
    """Each fact once; one that differed between records shows all that it was, numbers as a span."""
    seen: dict[str, dict[str | float, None]] = {}
    for key, value in (item for fact in facts for item in fact.items()):
        if value is not None:
            seen.setdefault(key, {})[value] = None
    numbers = {key: [value for value in values if not isinstance(value, str)] for key, values in seen.items()}
    spans = {key: f"{min(n)} to {max(n)}" for key, n in numbers.items() if len(n) == len(seen[key]) > 1}
    return {key: ", ".join(map(str, values)) for key, values in seen.items()} | spans
