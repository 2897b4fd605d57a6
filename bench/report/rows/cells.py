"""Columns of one cell for other programs: times where they were measured, counts where a compiler's output was read.

Times are in seconds, medians with their 99 % interval, and there only where they were measured; estimates have columns
of their own, by method. What may be set otherwise than by default, from "overrides" to "toolchain", is empty where it
was not.
"""

from __future__ import annotations

from statistics import median

from oneblock.bench.cells.cell import overrides
from oneblock.bench.cost.tried import estimates
from oneblock.bench.judge.estimates import METHODS
from oneblock.bench.judge.figures import whole
from oneblock.bench.judge.roofline import bound
from oneblock.bench.judge.stats import centre, interval
from oneblock.bench.records.record import WRONG, Record, Status
from oneblock.compilers.api.kind import Kind

Value = str | float | int | None
_COUNTS = {  # column: name of the figure, whose kind is in counts_kind
    "operations": "operations", "fusions": "fusions", "custom_calls": "custom calls", "kernels": "kernels",
    "flops_counted": "FLOPs", "hbm_bytes": "HBM traffic", "scratch_bytes": "scratch", "registers": "registers",
}  # fmt: skip
# column: the method; of what a chip is estimated to take, and never measured
_ESTIMATES = {f"estimate_{method.name.replace('-', '_')}_s": method for method in METHODS}
COLUMNS = (
    "name", "workload", "config", "overrides", "phase", "B", "T", "S", "dtype", "weights", "layer", "stored_as",
    "weight_seed", "input_seed", "inputs", "variant", "backend", "ops_set", "replaced", "target", "sharding",
    "toolchain", "tier", "device",
    "machine", "created", "identity", "status", "kind", "reason", "hint", "doubts",
    "cold_s", "cold_low_s", "cold_high_s", "warm_s", "warm_low_s", "warm_high_s", "processes", "samples",
    "of_limit", "limit_by", "limit_kind", "compile_cold_s", "compile_warm_s", "peak_rss_bytes",
    "relative_l2", "error_budget_used", "flops_modelled", "compulsory_bytes_modelled", "counts_kind", *_COUNTS,
    *_ESTIMATES,
)  # fmt: skip


def cell_row(record: Record) -> dict[str, Value]:
    """One cell's columns; None where there is no value."""
    cell, case = record.cell, record.cell.case
    found: dict[str, Value] = dict.fromkeys(COLUMNS)
    found |= {
        "name": cell.name, "workload": case.workload, "config": case.config.name, "phase": case.phase.value,
        "overrides": " ".join(f"{key}={value}" for key, value in overrides(case.config).items()) or None,
        "weights": cell.weights.sha256 if cell.weights else None, "layer": cell.weights.layer if cell.weights else None,
        "stored_as": cell.weights.stored if cell.weights else None, "weight_seed": cell.weight_seed or None,
        "input_seed": cell.input_seed if cell.input_seed != 1 else None,
        "inputs": cell.inputs.sha256 if cell.inputs else None,
        "replaced": ", ".join(one.label for one in cell.replaced) or None,
        "variant": cell.variant, "sharding": cell.sharding, "toolchain": cell.toolchain,
        "B": case.B, "T": case.T, "S": case.S, "dtype": cell.dtype, "backend": cell.backend, "ops_set": cell.ops_set,
        "target": cell.target, "tier": record.tier, "device": record.device, "created": record.created,
        "machine": str(record.environment.machine.get("cpu") or ""), "identity": record.identity(),
        "status": record.status.value, "kind": record.kind.value if record.kind else None, "reason": record.reason,
        "hint": record.hint, "doubts": "; ".join(map(str, record.doubts)) or None, "flops_modelled": record.costs.flops,
        "compulsory_bytes_modelled": record.costs.compulsory_bytes,
    }  # fmt: skip
    if record.check is not None and record.status not in WRONG:
        errors = [output.relative_l2 for output in record.check.outputs if output.relative_l2 is not None]
        found |= {"relative_l2": max(errors, default=None), "error_budget_used": record.check.budget_used}
    told = {column: estimates(record).get(method) for column, method in _ESTIMATES.items()}
    found |= {column: one.seconds for column, one in told.items() if one is not None}
    return found | _times(record) | _counts(record)


def _times(record: Record) -> dict[str, Value]:
    """The measured times of a record that passed; of a cell that was only compiled, how long that took."""
    cold, warm = ([one for one in record.samples(series) if one] for series in ("cold", "warm"))
    if record.status is not Status.PASSED or record.kind is not Kind.MEASURED or not cold:
        return {"compile_cold_s": record.compile_s}
    least = bound(record.costs, record.limits)
    found: dict[str, Value] = {"processes": len(cold), "samples": sum(map(len, cold))}
    for name, series in (("cold", cold), ("warm", warm)):
        if series:
            low, high = interval(series, record.between)
            found |= {f"{name}_s": centre(series), f"{name}_low_s": low, f"{name}_high_s": high}
    if least is not None and record.limits is not None:
        share = least.seconds / centre(cold)
        found |= {"of_limit": share, "limit_by": least.by, "limit_kind": record.limits.kind.value}
    for name, was in (("compile_cold_s", True), ("compile_warm_s", False)):
        took = [launch.compile_s for launch in record.launches if launch.cold_compile is was]
        found[name] = median(took) if took else None
    return found | {"peak_rss_bytes": max(launch.peak_rss_bytes for launch in record.launches)}


def _counts(record: Record) -> dict[str, Value]:
    figures = whole(record)
    found: dict[str, Value] = {column: figures[name].value for column, name in _COUNTS.items() if name in figures}
    return found | ({"counts_kind": record.facts.kind} if record.facts else {})
