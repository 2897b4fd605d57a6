"""The list of HBM traffic of XLA's programs, against what XLA itself says of arguments, results and bytes accessed."""

from __future__ import annotations

from math import prod

import pytest

from oneblock import workloads
from oneblock.backends.api.backend import Backend
from oneblock.compilers.hlo.counts import count
from oneblock.compilers.hlo.parser import parse
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import PRESETS
from tests.backends.test_xla_tpu import GENERATIONS, facts, tpu  # noqa: F401  a fixture
from tests.helpers.cases import case

LARGE = PRESETS["gpt2"]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("phase", Phase)
def test_every_argument_is_read_and_the_list_comes_to_the_total(
    tpu: Backend,  # noqa: F811
    generation: str,
    phase: Phase,
) -> None:
    c = case(config=LARGE, phase=phase, n=128)
    found = facts(c, f"tpu:{generation}")
    assert found.traffic is not None
    assert found.hbm_bytes == found.traffic.steady_bytes == sum(step.hbm_bytes for step in found.steps)
    assert found.traffic.first_call_bytes >= found.traffic.steady_bytes
    read = {one.array for one in found.traffic.transfers if one.direction == "read"}
    assert read >= set(workloads.load("block").specs(c))
    results = sum(one.total_bytes for one in found.traffic.transfers if one.reason == "result of the program")
    assert found.output_bytes is not None
    assert found.argument_bytes is not None
    y, *caches = (2 * prod(shape) for shape in workloads.load("block").outputs(c).values())
    # A cache as small as these may be taken into VMEM whole, and back; in HBM a token of it is written.
    taken = [sum(caches[:n]) for n in range(len(caches) + 1)]
    own = (y, found.output_bytes)  # without its padding, and with it
    assert any(results == pytest.approx(one + more, rel=0.01) for one in own for more in taken)
    assert not caches or found.output_bytes < min(caches) / 10, "of the caches nothing"
    assert found.traffic.first_call_bytes >= 0.97 * (found.argument_bytes + found.output_bytes)


def test_where_there_is_no_vmem_bytes_are_those_that_xla_counts() -> None:
    jax = pytest.importorskip("jax")

    def program(x, w, v):  # type: ignore[no-untyped-def]
        h = jax.numpy.maximum(x @ w, 0.0)
        return h @ v, jax.numpy.sum(h, axis=1) * 2.0

    shapes = [jax.ShapeDtypeStruct(shape, "float32") for shape in ((64, 256), (256, 512), (512, 128))]
    compiled = jax.jit(program).lower(*shapes).compile()
    ours = count(parse(compiled.as_text()), ())
    costs = compiled.cost_analysis()
    theirs = (costs[0] if isinstance(costs, list) else costs)["bytes accessed"]
    assert ours.traffic is not None
    assert ours.traffic.steady_bytes == pytest.approx(theirs, rel=0.02)
