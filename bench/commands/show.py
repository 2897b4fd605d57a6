"""`oneblock show`: one record, its stages, or the lines of one step in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click
from rich.text import Text

from oneblock.backends.api.evidence import DeviceState, Energy
from oneblock.bench.commands._choose import meant
from oneblock.bench.commands._choose import one as choose
from oneblock.bench.commands._command import answer, command, explain_option, index_option, json_option, records_option
from oneblock.bench.commands._completion import RECORD, STEP
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.format.text import visible
from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.doubts import timers_apart
from oneblock.bench.judge.plausible import beyond_chips
from oneblock.bench.judge.troubles import by_cause
from oneblock.bench.records.find import load
from oneblock.bench.records.order import newest
from oneblock.bench.records.record import Launch, Record
from oneblock.bench.records.stages import check_step, named, opened, whole
from oneblock.bench.records.store import Store
from oneblock.bench.terminal import stages as shown
from oneblock.bench.terminal import traffic as _traffic
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.programs import details
from oneblock.bench.terminal.records import remarks, results, tell
from oneblock.bench.terminal.screen import coloured, console, show


@command(
    "show",
    "oneblock show",
    'oneblock show "llama-1b decode jax_xla native"',
    'oneblock show "decode xla_tpu v5e" --stage hlo --step attention',
)
@click.argument("record", required=False, type=RECORD)
@click.option("--stage", help="Print this lowering stage's text: a stage or a dialect, e.g. hlo.")
@click.option(
    "--step",
    type=STEP,
    help="Print only the lines of this step of the block, e.g. attention; in all stages, or one.",
)
@click.option("--stats", is_flag=True, help="Count each stage: lines, operations by step, the share that has a step.")
@click.option("--why", is_flag=True, help="Name every cell without a number or with a doubt, by cause, and no table.")
@click.option("--bytes", "by_array", is_flag=True, help="List HBM traffic by array: read or written, by what, why.")
@click.option("--no-pager", is_flag=True, help="Print at once what a terminal would page through.")
@records_option
@index_option
@explain_option
@json_option
def COMMAND(
    record: str | None, stage: str | None, step: str | None, stats: bool, by_array: bool, why: bool, no_pager: bool,
    directory: Path, indexed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show a record, its lowering stages, the lines of one step in them, or without RECORD the table of all.

    RECORD is a file, a name, or words that one has: "llama-1b decode bfloat16 jax_xla-native". Of one cell, tier and
    machine the newest record is meant. Where several others have them, a terminal is asked which, and a pipe refused;
    --why is of all that have them.
    """
    store, of_stages = Store(directory), stage is not None or step is not None or stats
    if record is None:
        if of_stages or by_array:
            raise Refused("--stage, --step, --stats and --bytes are of one record: name it; `oneblock show` lists them")
        listed = [found for _, found in newest(load(store, indexed=indexed, whole=as_json and not why))]
        if why:
            _why(listed, as_json=as_json)
        elif as_json:
            answer(listed)
        else:
            tell(listed)
        return
    if why:
        _why(_beside(meant(record, directory, indexed=indexed), indexed=indexed), as_json=as_json)
        return
    path, found = choose(record, directory, indexed=indexed, ask=not as_json)
    if not by_array and not of_stages:
        (found,) = _beside([(path, found)], indexed=indexed)
    if by_array:
        if of_stages:
            raise Refused("--bytes is of the whole record: leave out --stage, --step and --stats")
        _bytes(found, as_json=as_json)
    elif of_stages:
        _stages(found, stage, step, Store(path.parent), stats=stats, pager=not no_pager, as_json=as_json)
    elif as_json:
        answer(found)
    else:
        _record(path, found)


def _beside(found: list[tuple[Path, Record]], *, indexed: bool) -> list[Record]:
    """The records, those of several chips with what the others of their folder tell of them."""
    records = [record for _, record in found]
    if all(record.cell.target.devices == 1 for record in records):
        return records
    beside = [one for _, one in newest(load(Store(found[0][0].parent), indexed=indexed))]
    return beyond_chips([*beside, *records])[-len(records) :]


def _why(records: list[Record], *, as_json: bool) -> None:
    """Of each cause every cell, and what was said of it."""
    if as_json:
        groups = by_cause(records, lambda record: record)
        told = {group.cause: [(one.cell.name, trouble) for one, trouble in group.found] for group in groups}
        answer(
            {cause: [{"name": n, "status": of.status, "words": of.words} for n, of in told[cause]] for cause in told}
        )
        return
    for remark in remarks(records, every=True):
        console().print(remark)


def _bytes(found: Record, *, as_json: bool) -> None:
    """Its HBM traffic by array."""
    if as_json:
        answer(_traffic.data(found))
    else:
        console().print(_traffic.table(found))


def _record(path: Path, found: Record) -> None:
    """Everything of one record but its stages' texts."""
    console().print(Text(str(path), style="bold"))
    for part in (*results([found]), *remarks([found], every=True)):
        console().print(part)
    for line in _details(found):
        say(line)
    for table in calls(found.facts) if found.facts is not None else ():
        console().print(table)


def _stages(
    record: Record, stage: str | None, step: str | None, store: Store, *, stats: bool, pager: bool, as_json: bool
) -> None:
    """The statistics of stages, the lines of a step in them, or the first one's text."""
    if step is not None:
        check_step(record, step)
    refs = named(record, stage) if stage is not None else list(record.artifacts)
    if not refs:
        raise Refused(f"{record.cell.name} has no lowering stages: {record.cell.backend} compiles nothing")
    stages = whole(refs[:1], store) if step is None and not stats else opened(record, refs, store)
    if as_json:
        answer(shown.statistics(stages) if stats else shown.chosen(stages, step))
    elif stats:
        console().print(shown.table(stages))
    elif step is not None:
        show(shown.step_lines(stages, step), pager)
    else:
        others = ", ".join(ref.dialect for ref in refs[1:])
        if others:
            note(f"oneblock: this is {refs[0].dialect}; {stage} is also {others}")
        show([coloured(refs[0].dialect, visible(stages[0].text).removesuffix("\n"))], pager)


def _details(record: Record) -> Iterator[str]:
    if record.cell.inputs is not None:
        yield (
            f"inputs: {record.cell.inputs.path}, SHA-256 {record.cell.inputs.sha256[:16]}...: checked, and timed warm; "
            "each cold and fresh call is of others, made of these by a factor of its own for each number"
        )
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
    yield from details(record)
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
