"""What Inductor's kernels move, on the CPU and for a GPU, against Inductor's own total of each scheduled node."""

from __future__ import annotations

from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from oneblock import backends, workloads  # noqa: E402
from oneblock.backends.api.target import Target  # noqa: E402
from oneblock.compilers import Detail  # noqa: E402
from oneblock.compilers.api.facts import Facts  # noqa: E402
from oneblock.compilers.inductor import traffic  # noqa: E402
from oneblock.workloads._workload import Phase  # noqa: E402
from oneblock.workloads.models import Config  # noqa: E402
from tests.helpers.cases import TINY, TINY_GPT2, case  # noqa: E402


def counted(config: Config, phase: Phase, ops_set: str) -> tuple[Facts, int]:
    """(the facts, Inductor's own sum over its nodes)."""
    from torch._inductor import scheduler
    from torch._inductor.utils import fresh_cache

    c, workload, sums = case(config=config, phase=phase), workloads.load("block"), []
    arrays = {name: np.ones(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    codegen = scheduler.Scheduler.codegen

    def summed(self: Any) -> None:
        codegen(self)
        sums.append(sum(node.get_read_write_buffers_sizes() for node in self.nodes))

    torch._dynamo.reset()
    with fresh_cache(), patch.object(scheduler.Scheduler, "codegen", summed):
        made = backends.load("torch_inductor").compile(workload, c, arrays, ops_set, Target.parse("cpu"))
    found = made.capture(Detail.BRIEF).facts
    assert found is not None
    return found, sum(sums)


@pytest.mark.parametrize("config", [TINY, TINY_GPT2], ids=lambda c: c.name)
@pytest.mark.parametrize("phase", Phase)
def test_the_list_comes_to_the_total_and_to_inductors_own(config: Config, phase: Phase) -> None:
    found, theirs = counted(config, phase, "plain")
    assert found.traffic is not None
    c, workload = case(config=config, phase=phase), workloads.load("block")
    assert found.hbm_bytes == found.traffic.steady_bytes
    # Theirs has a cache that was written as large as what was written, and the write as a read of one or all of it.
    assert phase is Phase.DECODE or found.hbm_bytes == theirs
    caches = {name: 4 * prod(workload.specs(c)[name].shape) for name in workload.state(c)}
    updated = {one.array: one.bytes for one in found.traffic.transfers if one.reason == "updated in place"}
    assert updated == {name: nbytes // c.S for name, nbytes in caches.items()}, "one token of each"
    specs = workloads.load("block").specs(case(config=config, phase=phase))
    read = {one.array: one.bytes for one in found.traffic.transfers if one.direction == "read"}
    assert set(specs) <= set(read)
    weights = {name: spec for name, spec in specs.items() if name.endswith(("_weight", "_cache")) and spec.shape[1:]}
    assert {name: read[name] for name in weights} == {name: 4 * prod(spec.shape) for name, spec in weights.items()}
    assert any(one.reason == "result of the program" for one in found.traffic.transfers)


def test_a_cached_answer_tells_nothing_and_says_so() -> None:
    found = traffic.facts((), ("x",))
    assert found.hbm_bytes is None
    assert found.traffic is None
    assert "cached" in found.caveats[0]


def test_the_same_list_of_code_for_a_gpu_that_is_not_here() -> None:
    pytest.importorskip("triton")
    c, workload = case("mlp", config=TINY), workloads.load("mlp")
    arrays = {name: np.empty(spec.shape, np.float32) for name, spec in workload.specs(c).items()}
    made = backends.load("inductor_gpu").compile(workload, c, arrays, "plain", Target.parse("cuda:sm_90"))
    found = made.capture(Detail.BRIEF).facts
    assert found is not None
    assert found.traffic is not None
    assert found.hbm_bytes == found.traffic.steady_bytes
    read = {one.array: one.bytes for one in found.traffic.transfers if one.direction == "read"}
    assert {name: read.get(name) for name in arrays} == {name: a.nbytes for name, a in arrays.items()}
    assert all(one.step == "mlp" for one in found.traffic.transfers)
