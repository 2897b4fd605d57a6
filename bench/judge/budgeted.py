"""Records against their budgets: what grew beyond, in which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import InvalidVersion, Version

from oneblock.bench.cells.toolchain import versions_of
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.diff import WHOLE
from oneblock.bench.judge.releases import COSTS, GOOD, Moved, figures, grew, worse
from oneblock.bench.records.budget import Budget
from oneblock.bench.records.record import Record

_OF_STEPS = ("launches", *COSTS)


@dataclass(frozen=True)
class Over:
    """A figure that is beyond its budget; `now` is None where the cell tells no such figure any more."""

    cell: str
    step: str
    figure: str
    budget: float
    now: float | None
    why: str = ""

    def __str__(self) -> str:
        if self.now is None:
            return f"{self.cell}: {self.why or f'tells no {self.figure} of {self.step} any more'}"
        share = f" ({(self.now - self.budget) / self.budget:+.1%})" if self.budget else ""
        return f"{self.cell}: {self.step}: {self.figure} {self.budget:,.0f} -> {self.now:,.0f}{share}"


def budget_of(record: Record, reason: str, slack: float = 0.0) -> Budget:
    """The budget that a record keeps just so."""
    found = {
        step: {name: one.value for name, one in of.items() if _counts(step, name)}
        for step, of in figures(record).items()
    }
    return Budget(
        reason=reason, cell=cell_name(record), slack=slack, toolchain=toolchain(record),
        figures={step: of for step, of in found.items() if of},
    )  # fmt: skip


def cell_name(record: Record) -> str:
    """The name of its cell, whatever the release."""
    return replace(record.cell, toolchain=None).name


def toolchain(record: Record) -> dict[str, str]:
    """The versions that its outcome depends on."""
    told = {name: of for name, of in record.environment.software.items() if of and not name.endswith("sha256")}
    return {**told, **versions_of(record.cell.toolchain)}


def newest_release(records: Sequence[Record]) -> Record:
    """Of the records of one cell that of the newest release, by each package that moved; of several the last.

    Refused where no one is the newest in every package.
    """
    names = {name for one in records for name in versions_of(one.cell.toolchain)}
    known = [(one, _versions(one, names)) for one in records]
    found = [one for one, mine in known if all(one is other or _as_new(mine, theirs) for other, theirs in known)]
    if not found:
        told = ", ".join(dict.fromkeys(one.cell.toolchain or "what was installed" for one in records))
        said = f"{cell_name(records[0])}: expected one release that is the newest in every package, got {told}"
        raise Refused(f"{said}; --toolchain NAME=VERSION says which is meant")
    return found[-1]


def _versions(record: Record, names: Iterable[str]) -> dict[str, Version | None]:
    """Of these packages; None where a record tells none, or none that has an order."""
    told = toolchain(record)
    found: dict[str, Version | None] = {}
    for name in names:
        try:
            found[name] = Version(told.get(name, ""))
        except InvalidVersion:
            found[name] = None
    return found


def _as_new(mine: Mapping[str, Version | None], theirs: Mapping[str, Version | None]) -> bool:
    both = [(mine[name], theirs[name]) for name in mine]
    return all(a is not None and b is not None and a >= b for a, b in both)


def over(record: Record, budget: Budget) -> Iterator[Over]:
    """What of a record is beyond its budget: the whole first, then the steps that grew."""
    name = cell_name(record)
    if record.status not in GOOD:
        yield Over(name, WHOLE, "status", 0.0, None, f"{record.status}: {record.reason}")
        return
    found = figures(record)
    for step in sorted(budget.figures, key=lambda one: one != WHOLE):
        for figure, most in budget.figures[step].items():
            now = found.get(step, {}).get(figure)
            if now is None:
                if step == WHOLE:
                    yield Over(name, step, figure, most, None)
            elif grew(most, now.value, budget.slack):
                yield Over(name, step, figure, most, now.value)


def check(records: Sequence[Record], budgets: Mapping[str, Budget]) -> tuple[list[Over], list[str]]:
    """(what is beyond, the budgets of which there is no record)."""
    found = [one for record in records if (of := budgets.get(cell_name(record))) for one in over(record, of)]
    return found, sorted(budgets.keys() - {cell_name(record) for record in records})


def gate(later: Sequence[Record], moved: Sequence[Moved], budgets: Mapping[str, Budget]) -> list[str]:
    """What stops a release, in words: costs beyond the budget of their cell, or where it has none beyond the release
    before; and cells that were made and are not any more.
    """
    found = [
        f"{one} with {record.cell.toolchain}"
        for record in later
        if (of := budgets.get(cell_name(record))) is not None
        for one in over(record, of)
    ]
    for one in moved:
        name = cell_name(one.cell)
        if name in budgets:
            continue
        if one.status is not None and one.cell.status not in GOOD:
            found.append(f"{name}: {one.before} -> {one.after}: {one.status[0]} -> {one.status[1]}")
        found += [f"{name}: {one.before} -> {one.after}: {change}" for _, change in worse(one)]
    return list(dict.fromkeys(found))


def moved_versions(record: Record, budget: Budget) -> list[str]:
    """What differs between the releases of a record and those that its budget is of: ["libtpu 0.0.51 -> 0.0.52"]."""
    now = toolchain(record)
    return [
        f"{name} {was} -> {now[name]}"
        for name, was in budget.toolchain.items()
        if name in now and name != "python" and now[name] != was
    ]


def _counts(step: str, name: str) -> bool:
    return name in COSTS if step == WHOLE else name in _OF_STEPS or name.startswith("cycles by ")
