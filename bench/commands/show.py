"""`oneblock show`: one record, its stages, or the lines of one step in them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from oneblock.bench.commands._choose import meant
from oneblock.bench.commands._choose import one as choose
from oneblock.bench.commands._command import answer, command, explain_option, index_option, json_option, records_option
from oneblock.bench.commands._completion import RECORD, STEP
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.format.text import visible
from oneblock.bench.judge.plausible import beyond_chips
from oneblock.bench.judge.troubles import by_cause
from oneblock.bench.records.certificate import Certificate, certificates, find_certificate
from oneblock.bench.records.find import load
from oneblock.bench.records.order import newest
from oneblock.bench.records.record import Record
from oneblock.bench.records.stages import check_step, named, opened, whole
from oneblock.bench.records.store import Store
from oneblock.bench.terminal import stages as shown
from oneblock.bench.terminal import traffic as _traffic
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.certificates import tell as tell_certificate
from oneblock.bench.terminal.certificates import verdict
from oneblock.bench.terminal.one_record import details
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
    --why is of all that have them. The name of a certificate of tokens begins with certify.
    """
    store, of_stages = Store(directory), stage is not None or step is not None or stats
    if record is None:
        if of_stages or by_array:
            raise Refused("--stage, --step, --stats and --bytes are of one record: name it; `oneblock show` lists them")
        tokens = [] if why or as_json else [one for _, one in certificates([directory])[0]]
        records = load(store, indexed=indexed, whole=as_json and not why) if store.files() or not tokens else []
        listed = [found for _, found in newest(records)]
        if why:
            _why(listed, as_json=as_json)
        elif as_json:
            answer(listed)
        elif listed:
            tell(listed)
        for one in tokens:
            say(f"{one.name}: {verdict(one)}")
        return
    if (certificate := find_certificate(record, directory)) is not None:
        _certificate(certificate, asked_more=why or by_array or of_stages, as_json=as_json)
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


def _certificate(found: Certificate, *, asked_more: bool, as_json: bool) -> None:
    if asked_more:
        raise Refused(f"{found.name} is a certificate of tokens: leave out --stage, --step, --stats, --bytes and --why")
    if as_json:
        answer(found)
    else:
        tell_certificate(found)


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
    for line in details(found):
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
