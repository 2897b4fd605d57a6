"""What was measured of a record, as figures for two to stand side by side: times, errors, memory."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from oneblock.bench.judge.figures import Figure, Figures
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.record import WRONG, Record, Status
from oneblock.compilers.api.kind import Kind

ERRORS = ("relative L2", "error budget")  # against float64


def measured(record: Record) -> dict[str, Figures]:
    """Its figures by "times", "errors" and "memory"; of a cell that is wrong, or has no number, only what it has."""
    groups = {"times": _times(record), "errors": _errors(record), "memory": _memory(record)}
    return {name: {one.name: one for one in figures} for name, figures in groups.items()}


def _times(record: Record) -> Iterator[Figure]:
    if record.status is Status.PASSED and record.kind is Kind.MEASURED:
        for series in ("cold", "warm"):
            if all(samples := record.samples(series)):
                yield Figure(series, centre(samples), "", "s", Kind.MEASURED)
    if (took := compiled_in(record)) is not None:
        yield Figure("compile", took, "", "s", Kind.MEASURED)


def compiled_in(record: Record) -> float | None:
    """Seconds of its compilation with empty caches; None where nothing was compiled."""
    cold = [launch.compile_s for launch in record.launches if launch.cold_compile]
    if cold:
        return median(cold) if record.artifacts else None  # without stages, nothing was
    return record.compile_s


def _errors(record: Record) -> Iterator[Figure]:
    check = record.check
    if check is None or record.status in WRONG:
        return
    kind = record.kind or Kind.MEASURED
    yield Figure(ERRORS[0], max(output.relative_l2 or 0.0 for output in check.outputs), "", "error", kind)
    if check.budget_used is not None:
        yield Figure(ERRORS[1], check.budget_used, "", "%", kind)


def _memory(record: Record) -> Iterator[Figure]:
    if record.launches:
        yield Figure("peak resident", max(one.peak_rss_bytes for one in record.launches), "", "B", Kind.MEASURED)
    device = [one.device_peak_bytes for one in record.launches if one.device_peak_bytes is not None]
    if device:
        yield Figure("peak of the device", max(device), "", "B", Kind.MEASURED)
