"""What it takes to have a release, told before anything is fetched: what is fetched, what is kept, or why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oneblock.bench.format.units import size
from oneblock.bench.records.record import Status
from oneblock.bench.toolchains.environment import Plan
from oneblock.bench.toolchains.index import NoRelease, Wheel
from oneblock.bench.toolchains.pythons import this
from oneblock.bench.toolchains.release import Versions


@dataclass(frozen=True)
class Foreseen:
    """One release: the wheels to fetch, or the status that will stand in their place, with why."""

    versions: Versions
    to_fetch: tuple[Wheel, ...] = ()
    kept: int = 0  # wheels that are on the shelf
    python: str | None = None  # "3.12", where it is another than this
    status: Status | None = None  # None: it is to be had
    reason: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, versions: Versions, plan: Plan | NoRelease) -> Foreseen:
        """Of what the index answered."""
        if isinstance(plan, NoRelease):
            return cls(versions, status=plan.status, reason=plan.reason, hint=plan.hint)
        fetch = tuple(plan.to_fetch)
        python = None if plan.python == this() else plan.python.version
        return cls(versions, fetch, len(plan.wheels) - len(fetch), python)

    @property
    def sentence(self) -> str:
        """A line for people: "triton 3.9.0: to fetch, 204 MiB: triton 3.9.0 (204 MiB)"."""
        name = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        name += f" with Python {self.python}" if self.python else ""
        if self.status is not None:
            return f"{name}: {self.status}: {self.reason}; {self.hint}"
        if self.to_fetch:
            return f"{name}: to fetch, {_summed(self.to_fetch)}: {_each(self.to_fetch)}"
        return f"{name}: {'kept already' if self.kept else 'installed here'}"


def total(found: Iterable[Foreseen], *, at_most: bool) -> str | None:
    """What all of them take together, each wheel once; None where nothing is to be fetched.

    `at_most`: not each of them may be asked for.
    """
    wheels = [*{wheel.stem: wheel for one in found for wheel in one.to_fetch}.values()]
    if not wheels:
        return None
    most = "at most " if at_most else ""
    counted = f"{most}{len(wheels)} wheels, {_summed(wheels)}: {_each(wheels)}"
    return f"to fetch: {counted}; unpacked they take several times that"


def _summed(wheels: Sequence[Wheel]) -> str:
    unknown = sum(one.bytes is None for one in wheels)
    more = f", and {unknown} of sizes that the index does not tell" if unknown else ""
    return size(sum(one.bytes or 0 for one in wheels)) + more


def _each(wheels: Iterable[Wheel]) -> str:
    return ", ".join(f"{one.name} {one.version} ({'?' if one.bytes is None else size(one.bytes)})" for one in wheels)
