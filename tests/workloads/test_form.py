"""The form of a program is that of its one text: its steps, all that it reads, and the shapes that NumPy has of it."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._form import form
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import PRESETS
from oneblock.workloads.ops.definitions import OPS
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import ALL, OTHERS, TINY_NEOX, case, name, steps_of


class Watched(NumpyOps):
    """NumPy's operations, with the shapes of what each answers in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.answers = "", list[tuple[str, str, tuple[int, ...]]]()

    @contextmanager
    def step(self, name: str) -> Any:
        before, self.now = self.now, name
        yield
        self.now = before


def _watched(operation: str) -> Any:
    def call(self: Watched, *operands: Any) -> Any:
        answer = getattr(NumpyOps, operation)(self, *operands)
        self.answers.append((self.now, operation, answer.shape))
        return answer

    return call


for _one in OPS:
    setattr(Watched, _one, _watched(_one))


@pytest.mark.parametrize("c", [*ALL, *OTHERS], ids=name)
def test_it_has_every_step_array_and_shape_of_the_program(c: Case) -> None:
    workload, ops = workloads.load(c.workload), Watched()
    weights, inputs = make_weights(workload, c, "float32", 0), make_inputs(workload, c, "float32", 1)
    outputs = workload.program(ops, c, weights | inputs)
    steps = form(workload, c)
    assert [step.name for step in steps] == steps_of(c)
    assert {name: shape for step in steps for name, shape in step.weights.items()} == {
        name: array.shape for name, array in weights.items()
    }
    read = {source for step in steps for source, _ in step.reads}
    assert inputs.keys() <= read <= inputs.keys() | {step.name for step in steps}
    given = {shape for step in steps for shape in step.gives}
    assert {array.shape for array in outputs.values()} <= given
    for step in steps:
        own = [operation for name, operation, _ in ops.answers if name == step.name and operation != "swiglu"]
        told = [operation for operation in step.operations if operation in OPS and operation != "swiglu"]
        assert told == own  # but for the activation within experts, which are one operation


def test_halves_in_parallel_both_read_the_input() -> None:
    reads = {
        step.name: [source for source, _ in step.reads]
        for step in form(workloads.load("block"), case(config=TINY_NEOX))
    }
    assert reads["norm1"] == reads["norm2"] == ["x"]
    assert reads["mlp"] == ["norm2", "proj"]
    one_after_the_other = case(config=replace(TINY_NEOX, parallel=False))
    reads = {
        step.name: [source for source, _ in step.reads] for step in form(workloads.load("block"), one_after_the_other)
    }
    assert reads["norm2"] == ["proj"]


def test_the_form_of_a_large_block_takes_no_memory() -> None:
    tracemalloc.start()
    form(workloads.load("block"), Case("block", PRESETS["llama-8b"], Phase.DECODE, 4096, 1, 131_072))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert np.prod((4096, 131_072, 8, 128)) > 2**38  # one of its caches, in elements
