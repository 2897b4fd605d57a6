"""What neuron-explorer and neuron-monitor say of a run, read from their JSON.

AWS changes both formats without notice: a field that is not there is None and listed, one that is not known is listed
and left out, a line that is no JSON is counted, and the tool's version goes with what was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Our name of a number: theirs, in the table Summary of "Profile Parquet Schema Reference", schema 7.4.0 (SDK 2.31).
SUMMARY = {
    "total_s": "total_time",
    "model_flops": "model_flops",
    "hardware_flops": "hardware_flops",
    "transpose_flops": "transpose_flops",
    "mfu_percent": "mfu_estimated_percent",
    "mfu_hlo_percent": "mfu_hlo_estimated_percent",
    "mbu_percent": "mbu_estimated_percent",
    "hbm_read_bytes": "hbm_read_bytes",
    "hbm_write_bytes": "hbm_write_bytes",
    "spill_save_bytes": "spill_save_bytes",
    "spill_reload_bytes": "spill_reload_bytes",
    "tensor_active_percent": "tensor_engine_active_time_percent",
    "vector_active_percent": "vector_engine_active_time_percent",
    "scalar_active_percent": "scalar_engine_active_time_percent",
    "gpsimd_active_percent": "gpsimd_engine_active_time_percent",
    "dma_active_percent": "dma_active_time_percent",
}
# Likewise of neuron-monitor's reports ("Neuron Monitor User Guide"), as paths; `*` stands for every name or entry.
MONITOR = {
    "core_percent": "neuron_runtime_data/*/report/neuroncore_counters/neuroncores_in_use/*/neuroncore_utilization",
    "flops_per_s": "neuron_runtime_data/*/report/neuroncore_counters/neuroncores_in_use/*/flops",
    "device_latency_p50_s": "neuron_runtime_data/*/report/execution_stats/latency_stats/device_latency/p50",
    "device_latency_p99_s": "neuron_runtime_data/*/report/execution_stats/latency_stats/device_latency/p99",
    "total_latency_p50_s": "neuron_runtime_data/*/report/execution_stats/latency_stats/total_latency/p50",
    "device_bytes": "neuron_runtime_data/*/report/memory_used/neuron_runtime_used_bytes/neuron_device",
    "host_bytes": "neuron_runtime_data/*/report/memory_used/neuron_runtime_used_bytes/host",
    "devices": "neuron_hardware_info/neuron_device_count",
    "cores_per_device": "neuron_hardware_info/neuroncore_per_device_count",
}
_PARTS = frozenset(
    {"neuron_runtime_data", "system_data", "instance_info", "neuron_hardware_info", "neuron_k8s_info"}
)  # of a report


class NotAProfile(ValueError):
    """The file is not what the tool writes: what was expected, what came."""


@dataclass(frozen=True)
class ProfileSummary:
    """What a tool said: numbers under our names, the largest where there are several; None where there is none."""

    tool: str | None  # which, and its version
    numbers: dict[str, float | None]
    missing: tuple[str, ...]  # their names of the numbers that are not there
    unknown: tuple[str, ...]  # names of theirs that are not known here
    records: int = 1  # profiles or reports in the file
    malformed: int = 0  # lines of it that are no report
    device: str | None = None
    errors: tuple[str, ...] = ()  # what the tool itself complains of

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{name} {value:.6g}" for name, value in self.numbers.items() if value is not None]
        notes = {"not there": self.missing, "not known": self.unknown, "errors": self.errors}
        found = [f"{self.tool or 'a tool of unknown version'}, {self.records} records, {self.malformed} malformed"]
        return found + said + [f"{what}: {', '.join(names)}" for what, names in notes.items() if names]


def explorer(path: Path, tool: str | None = None) -> ProfileSummary:
    """The summary of a profile, by `neuron-explorer view --output-format summary-json`."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotAProfile(f"{path}: expected neuron-explorer's summary-json, got no JSON: {error}") from error
    rows = list(_rows(whole))
    if not rows:
        raise NotAProfile(
            f"{path}: expected neuron-explorer's summary-json with fields such as total_time and hbm_read_bytes, got "
            f"{_said(whole)}; see which fields this version has: neuron-explorer --show-profile-schema"
        )
    numbers = {ours: _largest(row.get(theirs) for row in rows) for ours, theirs in SUMMARY.items()}
    names = {name for row in rows for name in row}
    return _read(tool, numbers, SUMMARY, names - set(SUMMARY.values()), records=len(rows))


def monitor(path: Path, tool: str | None = None) -> ProfileSummary:
    """The reports of neuron-monitor, one a line."""
    reports, malformed = [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            report = None
        if isinstance(report, dict) and _PARTS & report.keys():
            reports.append(report)
        else:
            malformed += 1  # the last line of a tool that was stopped
    if not reports:
        raise NotAProfile(
            f"{path}: expected neuron-monitor's reports, one JSON object a line with neuron_runtime_data or "
            f"neuron_hardware_info, got {malformed} lines that are none"
        )
    numbers = {ours: _largest(x for one in reports for x in _at(one, path_)) for ours, path_ in MONITOR.items()}
    unknown = {name for report in reports for name in report} - _PARTS
    kinds = [kind for one in reports for kind in _at(one, "neuron_hardware_info/neuron_device_type")]
    errors = {str(x) for one in reports for path_ in _ERRORS for x in _at(one, path_) if x}
    return _read(
        tool, numbers, MONITOR, unknown, records=len(reports), malformed=malformed,
        device=str(kinds[-1]) if kinds else None, errors=tuple(sorted(errors)),
    )  # fmt: skip


_ERRORS = ("neuron_runtime_data/*/error", "neuron_runtime_data/*/report/*/error", "neuron_hardware_info/error")


def _read(
    tool: str | None, numbers: dict[str, float | None], known: dict[str, str], unknown: set[str], **more: Any
) -> ProfileSummary:
    missing = tuple(known[ours] for ours, value in numbers.items() if value is None)
    return ProfileSummary(tool, numbers, missing, tuple(sorted(unknown)), **more)


def _rows(value: Any, depth: int = 4) -> Iterator[dict[str, Any]]:
    """The objects that are a summary, wherever the tool has put them: alone, in a list, or each under its name."""
    if isinstance(value, dict) and value.keys() & set(SUMMARY.values()):
        yield value
    elif depth and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _rows(inner, depth - 1)


def _at(value: Any, path: str) -> Iterator[Any]:
    """What is at a path of names."""
    name, _, rest = path.partition("/")
    inner: list[Any] = []
    if name == "*":
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    elif isinstance(value, dict) and name in value:
        inner = [value[name]]
    for one in inner:
        if rest:
            yield from _at(one, rest)
        else:
            yield one


def _largest(values: Iterator[Any]) -> float | None:
    numbers = [float(x) for x in values if isinstance(x, int | float) and not isinstance(x, bool)]
    return max(numbers, default=None)


def _said(value: Any) -> str:
    return f"the names {sorted(value)[:8]}" if isinstance(value, dict) else f"a {type(value).__name__}"
