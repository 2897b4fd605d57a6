"""The feed-forward part of a block: SwiGLU, GeGLU or GELU between projections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from oneblock.workloads._experts import by_experts, expert_costs, expert_specs, routed
from oneblock.workloads._workload import Case, Common, Outputs, Phase, Spec, StepCost, Workload
from oneblock.workloads.models import Config
from oneblock.workloads.norm import input_spec, output_shapes
from oneblock.workloads.ops.definitions import Array, Ops

_FLOPS = {"swiglu": 5, "geglu": 10, "gelu": 9, "gelu_erf": 5}  # an element of F: see `mlp_costs`


def route(ops: Ops, case: Case, a: Mapping[str, Array], h: Array) -> Array | None:
    """h (B, T, C) -> the weights (B T, E) of each token's experts; None where there is one part for all."""
    if case.config.experts is None:
        return None
    with ops.step("router"):
        return routed(ops, case, a, h)


def feed_forward(ops: Ops, case: Case, a: Mapping[str, Array], h: Array, weights: Array | None) -> Array:
    """h (B, T, C) -> (B, T, C), through F; of experts by the weights of `route`."""
    if weights is None:
        return _dense(ops, case, a, h)
    y = by_experts(ops, case, a, h, weights)
    return y if case.config.shared_width is None else y + _dense(ops, case, a, h, "shared_")


def _dense(ops: Ops, case: Case, a: Mapping[str, Array], h: Array, of: str = "") -> Array:
    """h (B, T, C) -> (B, T, C), through the F of one part that every token takes."""
    up = ops.linear(h, a[f"{of}up_weight"], a.get(f"{of}up_bias"))  # (B, T, F)
    activation = getattr(ops, case.config.feed_forward)
    if case.config.gated:
        up = activation(ops.linear(h, a[f"{of}gate_weight"], a.get(f"{of}gate_bias")), up)
    else:
        up = activation(up)
    return ops.linear(up, a[f"{of}down_weight"], a.get(f"{of}down_bias"))


def linear_specs(
    name: str, width_in: int, width_out: int, *, bias: bool, by_rows: bool = False, common: Common | None = None
) -> dict[str, Spec]:
    """A projection (I, O) whose outputs have the variance of its inputs: std = 1 / sqrt(I).

    It splits over devices by its columns, or by its rows where it leads out of what columns have split: then its bias,
    which is added once to the sum over the devices, is whole on each.
    """
    weight = Spec((width_in, width_out), std=width_in**-0.5, common=common, projection=True)
    specs = {f"{name}_weight": replace(weight, split=("tp", None) if by_rows else (None, "tp"))}
    if bias:
        specs[f"{name}_bias"] = Spec((width_out,), std=0.1, split=() if by_rows else ("tp",))
    return specs


def linear_cost(case: Case, width_in: int, width_out: int, itemsize: int, *, bias: bool) -> tuple[int, int]:
    """(FLOPs, bytes) of one projection of B*T rows I -> O.

    FLOPs: 2*B*T*I*O, and B*T*O for a bias. Bytes: (B*T*(I + O) + I*O, and O for a bias) * itemsize.
    """
    rows = case.B * case.T
    flops = 2 * rows * width_in * width_out + rows * width_out * bias
    elements = rows * (width_in + width_out) + width_in * width_out + width_out * bias
    return flops, elements * itemsize


def mlp_specs(case: Case) -> dict[str, Spec]:
    """The two projections, or with a gate three; of experts a router and all of theirs, and those of a shared part."""
    c = case.config
    if c.experts is None:
        return _dense_specs(c, c.ffn_width)
    return expert_specs(case) | ({} if c.shared_width is None else _dense_specs(c, c.shared_width, "shared_"))


def _dense_specs(c: Config, F: int, of: str = "") -> dict[str, Spec]:
    specs = linear_specs(f"{of}up", c.width, F, bias=c.mlp_bias)
    specs |= linear_specs(f"{of}down", F, c.width, bias=c.mlp_bias, by_rows=True)
    return specs | linear_specs(f"{of}gate", c.width, F, bias=c.mlp_bias) if c.gated else specs


def mlp_costs(case: Case, itemsize: int) -> list[StepCost]:
    """The projections, plus the activation: SwiGLU 5 FLOPs an element of F, GELU 9, GeGLU 10, the exact GELU 5.

    SwiGLU: negate, exp, add, divide, multiply. GELU: x^3 and its scale 3, add, scale, tanh, add, two products; GeGLU
    one product more. The exact GELU: scale, erf, add, two products. h is read once.
    Bytes, as one kernel: h (B*T*C) in, y (B*T*C) out, and the weights; what passes through F stays on chip.
    """
    if case.config.experts is not None:
        return expert_costs(case, itemsize)
    C, F, bias = case.config.width, case.config.ffn_width, case.config.mlp_bias
    rows = case.B * case.T
    count, each = 1 + case.config.gated, _FLOPS[case.config.feed_forward]
    up_flops, _ = linear_cost(case, C, F, itemsize, bias=bias)
    down_flops, _ = linear_cost(case, F, C, itemsize, bias=bias)
    flops = count * up_flops + down_flops + each * rows * F
    elements = 2 * rows * C + (count + 1) * C * F + (count * F + C) * bias
    return [StepCost("mlp", flops, elements * itemsize)]


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C)."""
    weights = route(ops, case, a, a["x"])
    with ops.step("mlp"):
        return {"y": feed_forward(ops, case, a, a["x"], weights)}


WORKLOAD = Workload(
    name="mlp",
    program=program,
    specs=lambda case: input_spec(case) | mlp_specs(case),
    costs=mlp_costs,
    outputs=output_shapes,
    main_input="x",
    phases=(Phase.PREFILL, Phase.DECODE),
)
