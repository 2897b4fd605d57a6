"""What the tests of the readers share: a context, a text read line by line, and the shares of a real capture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from oneblock.compilers import Lowering
from oneblock.compilers.dialects import Context, StageName, Steps, context, read
from oneblock.workloads.ops.definitions import STEPS

HOSTILE = "<script>alert(1)</script>\x1b[31m"  # a name as no toolchain should write it


class Line(NamedTuple):
    """What a reader says of one line."""

    steps: Steps
    operation: bool


def lines(dialect: str, text: str, kernels: Mapping[str, Steps] | None = None) -> dict[str, Line]:
    """By the line without its indentation, which must be different for each that is asked for."""
    found = read(dialect, text, Context(STEPS, kernels or {}))
    assert found is not None, f"nobody reads {dialect}"
    every = text.splitlines()
    assert len(found.steps) == len(found.operations) == len(every)
    assert {step for steps in found.steps for step in steps} <= set(STEPS)
    return {line.strip(): Line(*one) for line, *one in zip(every, found.steps, found.operations, strict=True)}


def share(dialect: str, text: str, kernels: Mapping[str, Steps] | None = None) -> float | None:
    """Of the operations, those with a step."""
    found = read(dialect, text, Context(STEPS, kernels or {}))
    return None if found is None else found.attributed


def shares(lowering: Lowering) -> dict[str, float]:
    """By family of dialects, of all its operations in a capture; a family without operations is left out."""
    texts = {artifact.dialect: artifact.text for artifact in lowering.artifacts}
    known = context(lowering.facts, texts, STEPS)
    counted: dict[str, list[bool]] = defaultdict(list)
    for dialect, text in texts.items():
        found = read(dialect, text, known)
        if found is not None:
            rows = zip(found.steps, found.operations, strict=True)
            counted[StageName.parse(dialect).family] += [bool(steps) for steps, is_one in rows if is_one]
    return {family: sum(counts) / len(counts) for family, counts in counted.items() if counts}
