"""One transformer block, before-normalised: x + attention(norm(x)), then x + mlp(norm(x))."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.workloads._workload import Case, Outputs, Spec, StepCost, Workload
from oneblock.workloads.attention import attend, attention_costs, attention_outputs, attention_specs
from oneblock.workloads.mlp import feed_forward, mlp_costs, mlp_specs
from oneblock.workloads.norm import input_spec, norm_costs, norm_specs, normalise
from oneblock.workloads.ops.definitions import Array, Ops


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C), and in decode the updated caches."""
    x = a["x"]
    with ops.step("norm1"):
        h = normalise(ops, case, a, "norm1", x)
    attended = attend(ops, case, a, h)
    with ops.step("proj"):
        x = x + attended.pop("y")
    with ops.step("norm2"):
        h = normalise(ops, case, a, "norm2", x)
    with ops.step("mlp"):
        y = x + feed_forward(ops, case, a, h)
    return {"y": y, **attended}


def specs(case: Case) -> dict[str, Spec]:
    """The arrays of both halves."""
    both_norms = norm_specs(case, "norm1") | norm_specs(case, "norm2")
    return input_spec(case) | both_norms | attention_specs(case) | mlp_specs(case)


def costs(case: Case, itemsize: int) -> list[StepCost]:
    """The halves, and the two residual additions: B*T*C FLOPs and one more read of x (B*T*C) each, in proj and mlp."""
    elements = case.B * case.T * case.config.width

    def add_residual(cost: StepCost) -> StepCost:
        return StepCost(cost.step, cost.flops + elements, cost.bytes + elements * itemsize)

    *attention, proj = attention_costs(case, itemsize)
    (mlp,) = mlp_costs(case, itemsize)
    norm1, norm2 = norm_costs(case, itemsize, "norm1"), norm_costs(case, itemsize, "norm2")
    return [*norm1, *attention, add_residual(proj), *norm2, add_residual(mlp)]


WORKLOAD = Workload(name="block", program=program, specs=specs, costs=costs, outputs=attention_outputs, main_input="x")
