"""What one record says of itself beside its row, in lines."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from oneblock.backends.api.evidence import DeviceState, Energy
from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.doubts import timers_apart
from oneblock.bench.records.record import Launch, Record
from oneblock.bench.terminal import programs
from oneblock.bench.terminal import stages as shown


def details(record: Record) -> Iterator[str]:
    """Its inputs, its check, each process, its costs, its programs, its stages and its log."""
    if record.cell.inputs is not None:
        yield (
            f"inputs: {record.cell.inputs.path}, SHA-256 {record.cell.inputs.sha256[:16]}...: checked, and timed warm; "
            "each cold and fresh call is of others, made of these by a factor of its own for each number"
        )
    for own in record.cell.replaced:
        yield f"replaced: {own}, SHA-256 {own.sha256[:16]}...: a kernel of somebody's own, and not ours"
    if record.check is not None:
        rejected = (
            f"; it rejected {record.wrong_answers_rejected} wrong answers" if record.wrong_answers_rejected else ""
        )
        yield f"check: error budget 3x eager NumPy in {record.cell.dtype}, against float64{rejected}"
        for output in record.check.outputs:
            if output.relative_l2 is None:
                yield f"  {output.name}: {output.why}"
                continue
            yield (
                f"  {output.name}: relative L2 {output.relative_l2:.2e}, p99.9 {output.p999_ulps:.1f} ulps, worst at "
                f"{list(output.worst_index or ())}: expected {output.worst_expected:.6g}, got {output.worst_got:.6g}"
            )
    for launch in record.launches:
        made = "cold" if launch.cold_compile else "warm"
        yield (
            f"process {launch.index}: import {seconds(launch.import_s)}, compile {seconds(launch.compile_s)} "
            f"({made}), samples: cold {len(launch.cold_s)}, warm {len(launch.warm_s)} x {launch.calls_per_sample}, "
            f"fresh {len(launch.fresh_s)}, peak {size(launch.peak_rss_bytes)} resident, "
            f"load {launch.load_before}, timer {launch.timer}"
        )
        yield from _device_lines(launch)
    yield f"costs (modelled): {record.costs.flops:.4g} FLOPs, {size(record.costs.compulsory_bytes)} compulsory"
    for step in record.costs.steps:
        yield f"  {step.step:<10} {step.flops:>14,} FLOPs {step.bytes:>14,} bytes"
    yield from programs.details(record)
    yield from shown.listed_stages(record)
    for line in record.log_tail:
        yield f"log: {line}"


def _device_lines(launch: Launch) -> Iterator[str]:
    """What the device told of itself, and what it did not, with the reason."""
    if launch.device_s:
        peak = "" if launch.device_peak_bytes is None else f", peak {size(launch.device_peak_bytes)}"
        yield f"  device: cold caches {seconds(median(launch.device_s))} of {len(launch.device_s)} samples{peak}"
    evidence = launch.evidence
    if not evidence:
        return
    for timer in evidence.timers:
        took = f"none: {timer.note}" if timer.seconds is None else seconds(timer.seconds)
        yield f"  device: warm caches by {timer.name}: {took}"
    apart = timers_apart(evidence)
    yield "  device: " + ("one timer, without a cross-check" if apart is None else f"the timers differ by {apart:.1%}")
    for when, state in (("before", evidence.before), ("after", evidence.after)):
        yield f"  device {when} the series: {_state(state)}"
    yield f"  device energy: {'not asked for by the tier' if evidence.energy is None else _energy(evidence.energy)}"


def _state(state: DeviceState) -> str:
    """The sensors' values; "?" is one that did not answer, and why comes last."""

    def known(value: float | None, unit: str) -> str:
        return f"? {unit}" if value is None else f"{value:.4g} {unit}"

    if state.throttled_by is None:
        throttled = "throttling not known"
    else:
        throttled = f"throttled by {', '.join(state.throttled_by)}" if state.throttled_by else "not throttled"
    values = (
        f"SM {known(state.sm_mhz, 'MHz')} of {known(state.sm_max_mhz, 'MHz')}",
        f"memory {known(state.memory_mhz, 'MHz')}",
        known(state.temperature_c, "°C"),
        known(state.power_w, "W"),
        throttled,
    )
    return ", ".join(values) + "".join(f"; {note}" for note in state.notes)


def _energy(energy: Energy) -> str:
    each, above = energy.joules_per_call, energy.joules_per_call_above_idle
    if each is None or energy.seconds is None:
        return f"none: {energy.note}"
    idle = "idle power not known" if above is None else f"{above:.4g} J above {energy.idle_w:.4g} W idle"
    return f"{each:.4g} J a call ({idle}), of {energy.calls} calls in {energy.seconds:.4g} s"
