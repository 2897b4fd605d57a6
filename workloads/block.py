"""One transformer block: x + attention(norm1(x)), then x + mlp(norm2(x)).

Each half is normalised before it, after it or both; the second reads what the first left, or the same x in parallel.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

from oneblock.workloads._workload import Case, Outputs, Spec, StepCost, Workload
from oneblock.workloads.attention import attend, attention_costs, attention_outputs, attention_specs
from oneblock.workloads.mlp import feed_forward, mlp_costs, mlp_specs, route
from oneblock.workloads.models import Config
from oneblock.workloads.norm import input_spec, norm_costs, norm_specs, normalise
from oneblock.workloads.ops.definitions import Array, Ops


def program(ops: Ops, case: Case, a: Mapping[str, Array], *, by_slots: bool = False) -> Outputs:
    """x (B, T, C) -> y (B, T, C), and in decode the updated caches; by slots as `attend` has it."""
    x, c = a["x"], case.config
    attended = attend(ops, case, a, _before(ops, case, a, "norm1", x), by_slots=by_slots)
    if c.norms == "before":
        with ops.step("proj"):
            between = x + attended.pop("y")
    else:
        with ops.step("post_norm1"):
            between = x + normalise(ops, case, a, "post_norm1", attended.pop("y"))
    h = _before(ops, case, a, "norm2", x if c.parallel else between)
    weights = route(ops, case, a, h)
    with ops.step("mlp"):
        y = feed_forward(ops, case, a, h, weights)
        if c.norms == "before":
            y = between + y
    if c.norms != "before":
        with ops.step("post_norm2"):
            y = between + normalise(ops, case, a, "post_norm2", y)
    return {"y": y, **attended}


def _before(ops: Ops, case: Case, a: Mapping[str, Array], name: str, x: Array) -> Array:
    if case.config.norms == "after":
        return x
    with ops.step(name):
        return normalise(ops, case, a, name, x)


def _norms(config: Config) -> list[str]:
    """The names of the block's norms, in their order."""
    before, after = config.norms != "after", config.norms != "before"
    return ["norm1"] * before + ["post_norm1"] * after + ["norm2"] * before + ["post_norm2"] * after


def specs(case: Case) -> dict[str, Spec]:
    """The arrays of both halves."""
    norms = reduce(or_, (norm_specs(case, name) for name in _norms(case.config)))
    return input_spec(case) | norms | attention_specs(case) | mlp_specs(case)


def costs(case: Case, itemsize: int) -> list[StepCost]:
    """The halves, and the two residual additions: B*T*C FLOPs and one more read of x (B*T*C) each, at their ends."""
    c, elements = case.config, case.B * case.T * case.config.width
    norms = {name: norm_costs(case, itemsize, name) for name in _norms(c)}
    *attention, proj = attention_costs(case, itemsize)
    halves = ([*norms.get("norm1", ()), *attention, proj, *norms.get("post_norm1", ())],
              [*norms.get("norm2", ()), *mlp_costs(case, itemsize), *norms.get("post_norm2", ())])  # fmt: skip
    added = []
    for *before, last in halves:
        added += [*before, StepCost(last.step, last.flops + elements, last.bytes + elements * itemsize)]
    return added


WORKLOAD = Workload(name="block", program=program, specs=specs, costs=costs, outputs=attention_outputs, main_input="x")
