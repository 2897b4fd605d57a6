"""A feed-forward part of many experts, of which each token takes a few: routing, and their answers' weighted sum."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.workloads._workload import Case, Spec, StepCost
from oneblock.workloads.ops.definitions import Array, Ops


def routed(ops: Ops, case: Case, a: Mapping[str, Array], h: Array) -> Array:
    """h (B, T, C) -> the weights (M, E) of the M = B T tokens' experts, zero but for the few that each takes."""
    c = case.config
    assert c.experts_per_token is not None  # as of every configuration with experts
    logits = ops.linear(h, a["router_weight"]).reshape(case.B * case.T, c.experts)
    return ops.route(logits, c.experts_per_token, c.renormalised)


def by_experts(ops: Ops, case: Case, a: Mapping[str, Array], h: Array, weights: Array) -> Array:
    """h (B, T, C), weights (M, E) -> (B, T, C)."""
    B, T, C = case.B, case.T, case.config.width
    gate, up, down = (a[f"expert_{part}_weight"] for part in ("gate", "up", "down"))
    return ops.experts(h.reshape(B * T, C), weights, gate, up, down).reshape(B, T, C)


def expert_specs(case: Case) -> dict[str, Spec]:
    """The router (C, E), and of all experts the projections (E, C, F), (E, C, F) and (E, F, C)."""
    c = case.config
    E, C, F = c.experts or 0, c.width, c.ffn_width
    wide = Spec((E, C, F), std=C**-0.5, split=(None, None, "tp"))
    return {
        "router_weight": Spec((C, E), std=C**-0.5, projection=True),
        "expert_gate_weight": wide,
        "expert_up_weight": wide,
        "expert_down_weight": Spec((E, F, C), std=F**-0.5, split=(None, "tp", None)),
    }


def expert_costs(case: Case, itemsize: int) -> list[StepCost]:
    """Router: 2*M*C*E, a softmax of 5*M*E, and M*E*E comparisons. Experts: of the k that a token takes.

    FLOPs of the experts: M*k*(6*C*F + 5*F) as of SwiGLU between three projections, and M*k*2*C for the weighted sum.
    Bytes: x, y and the weights (M, E) once, and of the experts as many as may be taken, min(E, M*k), once each.
    """
    c, M = case.config, case.B * case.T
    E, k, C, F = c.experts or 0, c.experts_per_token or 0, c.width, c.ffn_width
    router = StepCost("router", 2 * M * C * E + 5 * M * E + M * E * E, (M * C + C * E + M * E) * itemsize)
    taken = min(E, M * k)
    flops = M * k * (6 * C * F + 5 * F + 2 * C)
    return [router, StepCost("mlp", flops, (2 * M * C + M * E + taken * 3 * C * F) * itemsize)]
