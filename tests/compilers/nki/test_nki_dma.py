"""What kernels' DMA moves, array by array: it comes to the DMA counted by instruction, and each result is whole."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.target import Target
from oneblock.compilers import Detail
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.facts import Facts
from oneblock.workloads._workload import Case, Phase
from tests.helpers.cases import TINY, TINY_GPT2, case


def facts(c: Case) -> Facts:
    workload = workloads.load(c.workload)
    arrays = {name: np.ones(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    made = backends.load("neuron_nki").compile(workload, c, arrays, "kernels", Target.parse("neuron:trn1"))
    found = made.capture(Detail.BRIEF).facts
    assert found is not None
    return found


@pytest.mark.parametrize("config", [TINY, TINY_GPT2], ids=lambda c: c.name)
@pytest.mark.parametrize("phase", Phase)
def test_the_list_comes_to_the_dma_of_the_whole_of_each_call_and_of_each_step(config: object, phase: Phase) -> None:
    found = facts(case(config=config, phase=phase, n=64))  # type: ignore[arg-type]
    assert found.traffic is not None
    assert found.hbm_bytes == found.traffic.steady_bytes == found.traffic.first_call_bytes
    by_call = Counter[str]()
    for one in found.traffic.transfers:
        by_call[one.operation.partition(":")[0]] += one.total_bytes
    calls = found.of(NeuronCall)
    assert [by_call[f"{i:02d}-{call.name}"] for i, call in enumerate(calls)] == [call.hbm_bytes for call in calls]
    assert {step.step: step.hbm_bytes for step in found.steps} == found.traffic.steady_by_step


def test_a_norm_reads_its_rows_once_and_writes_them_once_and_a_product_reads_its_operands_as_often_as_it_says() -> None:
    n, C = 64, TINY.width
    listed = facts(case("norm", n=n)).traffic
    assert listed is not None
    rows = n * C * 4
    written = [one for one in listed.transfers if one.direction == "written"]
    assert sum(one.total_bytes for one in written) == rows
    assert all(one.reason == "in tiles, once" for one in written)
    x = [one for one in listed.transfers if one.direction == "read" and one.array.startswith("x ")]
    assert sum(one.total_bytes for one in x) == rows
