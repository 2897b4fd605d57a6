"""What a record knows beside a stage's text: of each kernel, file and source line, the steps that it serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.dialects._lines import Context


def context(facts: Facts | None, told: Iterable[Iterable[tuple[str, Sequence[str]]]], steps: Sequence[str]) -> Context:
    """The context of a record; `told` is what its texts say, each more precise than the facts."""
    found = _joined(_of_facts(facts)) if facts is not None else {}
    for pairs in told:
        found |= _joined(pairs)
    ordered = {name: tuple(step for step in steps if step in of) for name, of in found.items()}
    return Context(tuple(steps), {name: of for name, of in ordered.items() if of})


def _joined(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, of in pairs:
        found[name] |= set(of)
    return dict(found)


def _of_facts(facts: Facts) -> Iterator[tuple[str, Sequence[str]]]:
    for number, call in enumerate(facts.calls):
        for name in call.names(number):
            yield name, call.steps
