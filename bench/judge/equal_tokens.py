"""Certificates of one question side by side: at how many positions all backends write the same token, and what else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oneblock.bench.cells.cell import digest
from oneblock.bench.records.certificate import Certificate, Divergence

Certified = tuple[Path, Certificate]


@dataclass(frozen=True)
class EqualTokens:
    """The certificates of one model, its prompts, a dtype and a machine, by backend."""

    of: tuple[Certified, ...]

    @property
    def any(self) -> Certificate:
        """One of them: they share all but the backend and what it wrote."""
        return self.of[0][1]

    @property
    def divergences(self) -> list[tuple[Certificate, Divergence]]:
        """Of all backends, the least explained first."""
        found = [(made, one) for _, made in self.of for one in made.divergences]
        return sorted(found, key=lambda each: (each[1].explained, -each[1].margin / max(each[1].budget, 1e-300)))

    @property
    def same(self) -> int:
        """Positions at which every backend writes float64's token."""
        return self.any.positions - len({(one.prompt, one.position) for _, one in self.divergences})

    @property
    def unexplained(self) -> int:
        """Divergences that rounding cannot do."""
        return sum(len(made.unexplained) for _, made in self.of)

    @property
    def sentence(self) -> str:
        """All of it, for people."""
        backends = f"{len(self.of)} backend{'' if len(self.of) == 1 else 's'}"
        said = f"{self.same:,} of {self.any.positions:,} positions the same on {backends}"
        said += f", {self.any.model.name} in {self.any.dtype}"
        if not self.divergences:
            return said
        many = f"{self.unexplained} divergence{'' if self.unexplained == 1 else 's'} not explained by rounding"
        return f"{said}; {many if self.unexplained else 'every divergence is explained by rounding'}"


def by_question(found: Iterable[Certified]) -> list[EqualTokens]:
    """One for each question and machine, in the order in which they come."""
    each: dict[str, list[Certified]] = {}
    for path, made in found:
        each.setdefault(digest([*made.question(), made.environment.facts()]), []).append((path, made))
    return [EqualTokens(tuple(ones)) for ones in each.values()]
