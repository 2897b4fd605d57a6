"""One line of a text by some of its words, and captures of real blocks to ask the readers of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from oneblock import workloads
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail, Lowering, dialects
from oneblock.compilers.dialects import Context, Lines, Steps
from oneblock.compilers.dialects.hlo import kernels as kernels_of
from oneblock.workloads.ops.definitions import STEPS
from tests.conftest import load


def lines(dialect: str, text: str, kernels: Mapping[str, Steps] | None = None) -> Lines:
    """The lines of a text, of which every one must be told of."""
    found = dialects.read(dialect, text, Context(STEPS, kernels or {}))
    assert found is not None
    assert len(found.steps) == len(found.operations) == len(text.splitlines())
    return found


def counted(dialect: str, text: str, kernels: Mapping[str, Steps] | None = None) -> list[tuple[str, Steps]]:
    """The lines that are operations, each with its steps."""
    found = lines(dialect, text, kernels)
    told = zip(text.splitlines(), found.steps, found.operations, strict=True)
    return [(line.strip(), steps) for line, steps, is_one in told if is_one]


def of(dialect: str, text: str, words: str, kernels: Mapping[str, Steps] | None = None) -> tuple[Steps, bool]:
    """The steps of the one line that holds those words, and whether it is an operation."""
    found = lines(dialect, text, kernels)
    (number,) = [number for number, line in enumerate(text.splitlines()) if words in line]
    return found.steps[number], found.operations[number]


def captured(name: str, case: Any, ops_set: str, target: str = "cpu", detail: Detail = Detail.DEFAULT) -> Lowering:
    """A block's stages, compiled for arrays of zeros."""
    workload, backend = workloads.load(case.workload), load(name, target)
    arrays = {name: np.zeros(spec.shape, np.float32) for name, spec in workload.specs(case).items()}
    made: Lowering = backend.compile(workload, case, arrays, ops_set, Target.parse(target)).capture(detail)
    return made


def shares(lowering: Lowering) -> Iterator[tuple[str, float]]:
    """Of each stage that is read: its dialect, and the share of its operations that have a step."""
    texts = {artifact.dialect: artifact.text for artifact in lowering.artifacts}
    context = dialects.context(lowering.facts, texts, STEPS)
    if "hlo" in texts:  # whose fusions tell of XLA:CPU's kernels, which the facts do not
        context = Context(STEPS, {**context.kernels, **dict(kernels_of(texts["hlo"], STEPS, ["llvm:fusion"]))})
    for dialect, text in texts.items():
        found = dialects.read(dialect, text, context)
        if found is not None and found.attributed is not None:
            yield dialect, found.attributed
