"""The normalisation of a block: RMSNorm or LayerNorm."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.workloads._workload import Case, Outputs, Phase, Spec, StepCost, Workload
from oneblock.workloads.ops.definitions import Array, Ops


def normalise(ops: Ops, case: Case, a: Mapping[str, Array], name: str, x: Array) -> Array:
    """x (B, T, C) -> (B, T, C), with the weights `name`_weight and, of LayerNorm, `name`_bias."""
    if case.config.norm == "rms_norm":
        return ops.rms_norm(x, a[f"{name}_weight"], case.config.norm_eps)
    return ops.layer_norm(x, a[f"{name}_weight"], a[f"{name}_bias"], case.config.norm_eps)


def qk_normalise(ops: Ops, case: Case, a: Mapping[str, Array], name: str, x: Array) -> Array:
    """x (B, T, heads, D) -> (B, T, heads, D): RMSNorm of each head, or of all at once, with `name`_norm_weight."""
    B, T, heads, D = x.shape
    rows = x if case.config.qk_norm == "head" else x.reshape(B, T, heads * D)
    return ops.rms_norm(rows, a[f"{name}_norm_weight"], case.config.norm_eps).reshape(B, T, heads, D)


def qk_norm_specs(case: Case) -> dict[str, Spec]:
    """Of queries and keys, where they are normalised: (D,) each, or (N*D,) and (K*D,)."""
    c = case.config
    if c.qk_norm is None:
        return {}
    heads = {"q": c.heads, "k": c.kv_heads}
    widths = {name: c.head_width * (1 if c.qk_norm == "head" else many) for name, many in heads.items()}
    split = () if c.qk_norm == "head" else ("tp",)
    return {f"{name}_norm_weight": Spec((width,), std=0.1, mean=1.0, split=split) for name, width in widths.items()}


def norm_specs(case: Case, name: str) -> dict[str, Spec]:
    """The weights of one normalisation, near 1 and 0 as after training."""
    C = case.config.width
    specs = {f"{name}_weight": Spec((C,), std=0.1, mean=1.0)}
    if case.config.norm == "layer_norm":
        specs[f"{name}_bias"] = Spec((C,), std=0.1)
    return specs


def norm_costs(case: Case, itemsize: int, step: str) -> list[StepCost]:
    """RMSNorm is 4 FLOPs an element, LayerNorm 7; both read x and their weights and write y.

    RMSNorm: square, sum, scale, weight. LayerNorm: sum, subtract, square, sum, scale, weight, bias. The few operations
    a row (mean, eps, square root) are left out. Bytes: (2*B*T*C + weights) * itemsize.
    """
    C, elements = case.config.width, case.B * case.T * case.config.width
    each, weights = (4, C) if case.config.norm == "rms_norm" else (7, 2 * C)
    return [StepCost(step, each * elements, (2 * elements + weights) * itemsize)]


def qk_norm_costs(case: Case, itemsize: int) -> list[StepCost]:
    """RMSNorm of B*T*(N + K)*D elements, 4 FLOPs each, all read and written once, with the weights."""
    c = case.config
    elements = case.B * case.T * (c.heads + c.kv_heads) * c.head_width
    weights = sum(spec.shape[0] for spec in qk_norm_specs(case).values())
    return [StepCost("qk_norm", 4 * elements, (2 * elements + weights) * itemsize)] if weights else []


def input_spec(case: Case) -> dict[str, Spec]:
    """The residual stream x (B, T, C), of unit variance."""
    return {"x": Spec((case.B, case.T, case.config.width), is_input=True, split=("dp", None, None))}


def output_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """The residual stream y (B, T, C)."""
    return {"y": (case.B, case.T, case.config.width)}


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C)."""
    with ops.step("norm1"):
        return {"y": normalise(ops, case, a, "norm1", a["x"])}


WORKLOAD = Workload(
    name="norm",
    program=program,
    specs=lambda case: input_spec(case) | norm_specs(case, "norm1"),
    costs=lambda case, itemsize: norm_costs(case, itemsize, "norm1"),
    outputs=output_shapes,
    main_input="x",
    phases=(Phase.PREFILL,),
)
