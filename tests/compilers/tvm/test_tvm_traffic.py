"""What TVM's calls move: it comes to the total, every argument is read, and what only reshapes moves nothing."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytest.importorskip("tvm")

from oneblock import workloads
from oneblock.backends._relax.ops import trace
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.tvm import lowering
from oneblock.compilers.tvm.functions import facts
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Config
from oneblock.workloads.ops.definitions import STEPS
from tests.helpers.cases import TINY, TINY_GPT2, case


def counted(config: Config, phase: Phase) -> Facts:
    c, workload = case(config=config, phase=phase), workloads.load("block")
    arrays = {name: np.zeros(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    traced, _ = trace(workload, c, arrays, native=False)
    fused = lowering.fuse(traced, lowering.cpu_target(2), STEPS)
    return facts(fused.module, fused.module, fused.calls, "")


@pytest.mark.parametrize("config", [TINY, TINY_GPT2], ids=lambda c: c.name)
@pytest.mark.parametrize("phase", Phase)
def test_the_list_comes_to_the_total_and_to_the_calls(config: Config, phase: Phase) -> None:
    found = counted(config, phase)
    assert found.traffic is not None
    assert found.hbm_bytes == found.traffic.steady_bytes == sum(call.hbm_bytes or 0.0 for call in found.calls)
    specs = workloads.load("block").specs(case(config=config, phase=phase))
    read = {one.array: one.bytes for one in found.traffic.transfers if one.direction == "read"}
    assert {name: read.get(name) for name in specs} == {name: 4 * prod(spec.shape) for name, spec in specs.items()}
    outputs = workloads.load("block").outputs(case(config=config, phase=phase))
    results = [one.bytes for one in found.traffic.transfers if one.reason == "result of the program"]
    state = workloads.load("block").state(case(config=config, phase=phase))
    assert len(results) == len(outputs) - len(state)
    updated = {one.array: one.bytes for one in found.traffic.transfers if one.reason == "updated in place"}
    assert updated == {name: 4 * prod(outputs[name]) // outputs[name][-2] for name in state}, "one token of each cache"
    made = {one.array for one in found.traffic.transfers if one.direction == "written"}
    reshaped = {call.name for call in found.calls if not call.hbm_bytes}
    assert len(made) == len(found.calls) - sum(call.name in reshaped for call in found.calls)


def test_what_only_reshapes_moves_nothing_and_what_transposes_does() -> None:
    calls = counted(TINY, Phase.DECODE).calls
    free = {call.name for call in calls if not call.hbm_bytes}
    assert free == {call.name for call in calls if call.name.startswith("reshape")}
    assert all(call.hbm_bytes for call in calls if "transpose" in call.name)
