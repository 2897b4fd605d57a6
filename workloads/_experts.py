"""A feed-forward part of many experts, of which each token takes a few: routing, and their answers' weighted sum."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.workloads._workload import Case, Spec, StepCost
from oneblock.workloads.ops.definitions import Array, Ops, Routing


def routed(ops: Ops, case: Case, a: Mapping[str, Array], h: Array) -> Array:
    """h (B, T, C) -> the weights (M, E) of the M = B T tokens' experts, zero but for the few that each takes."""
    c = case.config
    assert c.experts_per_token is not None  # as of every configuration with experts
    logits = ops.linear(h, a["router_weight"]).reshape(case.B * case.T, c.experts)
    groups, taken = c.expert_groups or 1, c.groups_per_token or 1
    return ops.route(logits, Routing(c.experts_per_token, c.renormalised, c.expert_scale, groups, taken))


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

    Of groups G of experts there are M*(E + G*G) comparisons more, and a scale of the weights is M*E. FLOPs of the
    experts: M*k*(6*C*F + 5*F) as of SwiGLU between three projections, and M*k*2*C for the weighted sum; of a part of F'
    that all tokens take M*(6*C*F' + 5*F') and M*C to add it. Bytes: x, y and the weights (M, E) once, of the experts as
    many as may be taken, min(E, M*k), once each, and the shared part.
    """
    c, M = case.config, case.B * case.T
    E, k, C, F = c.experts or 0, c.experts_per_token or 0, c.width, c.ffn_width
    G, shared, taken = c.expert_groups or 0, c.shared_width or 0, min(E, M * k)
    chosen = 5 * M * E + M * E * E + M * (E + G * G) * (G > 0) + M * E * (c.expert_scale != 1.0)
    router = StepCost("router", 2 * M * C * E + chosen, (M * C + C * E + M * E) * itemsize)
    flops = M * k * (6 * C * F + 5 * F + 2 * C) + M * (6 * C * shared + 5 * shared + C * (shared > 0))
    return [router, StepCost("mlp", flops, (2 * M * C + M * E + 3 * C * (taken * F + shared)) * itemsize)]
