"""`oneblock show`: one record, or one stage of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneblock.bench._cli import Refused, answer, json_option, records_option

if TYPE_CHECKING:
    from oneblock.bench._record import Record
    from oneblock.bench._store import Store


@click.command("show")
@click.argument("record", required=False)
@click.option("--stage", help="Print this lowering stage's text: a stage or a dialect, e.g. hlo.")
@records_option
@json_option
def COMMAND(record: str | None, stage: str | None, directory: Path, as_json: bool) -> None:
    """Show a record, one lowering stage of it, or without RECORD the table of all.

    RECORD is a file, or words that its file name contains: "llama-1b decode bfloat16 jax_xla-native".
    """
    from oneblock.bench._find import find, load, newest
    from oneblock.bench._store import Store
    from oneblock.bench._tables import console, remarks, results

    store = Store(directory)
    if record is None:
        records = [found for _, found in newest(load(store))]
        if as_json:
            answer(records)
            return
        for part in (*results(records), *remarks(records)):
            console().print(part)
        return
    path, found = find(record, directory)
    if stage is not None:
        click.echo(_stage_text(found, stage, Store(path.parent)))
    elif as_json:
        answer(found)
    else:
        console().print(f"[bold]{path}[/bold]", highlight=False)
        for part in (*results([found]), *remarks([found])):
            console().print(part)
        for line in _details(found):
            click.echo(line)


def _stage_text(record: Record, stage: str, store: Store) -> str:
    from oneblock.workloads._config import unknown

    for ref in record.artifacts:
        if stage in (ref.stage, ref.dialect):
            path = store.artifact_path(ref.sha256)
            if not path.exists():
                raise Refused(f"{path}: the stage's text is gone; `oneblock run --again` writes it anew")
            return path.read_text(encoding="utf-8")
    known = [name for ref in record.artifacts for name in (ref.stage.value, ref.dialect)]
    if not known:
        raise Refused(f"{record.cell.name} has no lowering stages: {record.cell.backend} compiles nothing")
    raise LookupError(unknown("stage", stage, known))


def _details(record: Record) -> Iterator[str]:
    from oneblock.bench._compiled_tables import details
    from oneblock.bench._tables import seconds, size

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
    yield f"costs (modelled): {record.costs.flops:.4g} FLOPs, {size(record.costs.compulsory_bytes)} compulsory"
    for step in record.costs.steps:
        yield f"  {step.step:<10} {step.flops:>14,} FLOPs {step.bytes:>14,} bytes"
    yield from details(record)
    for ref in record.artifacts:
        yield f"stage {ref.stage}: {ref.dialect}, {size(ref.bytes)} (oneblock show ... --stage {ref.dialect})"
    for line in record.log_tail:
        yield f"log: {line}"
