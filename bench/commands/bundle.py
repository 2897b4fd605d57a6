"""`oneblock bundle`: records and their stages as one file, for a machine that is in no cluster with this one."""

from __future__ import annotations

from pathlib import Path

import click

from oneblock.bench.commands._command import answer, command, json_option, records_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.format.units import size
from oneblock.bench.records.bundle import take
from oneblock.bench.records.pack import pack
from oneblock.bench.terminal.going import going_on


@command(
    "bundle",
    "oneblock bundle pack here.tar.gz -o records",
    "oneblock bundle unpack there.tar.gz -o records",
)
@click.argument("action", type=click.Choice(["pack", "unpack"]))
@click.argument("bundles", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@records_option
@json_option
def COMMAND(action: str, bundles: tuple[Path, ...], directory: Path, as_json: bool) -> None:
    """Move records between machines: `pack` writes those of -o to FILE, `unpack` takes those of each FILE into -o.

    With the records go the texts of their stages and the certificates, each with its SHA-256; the same records are the
    same file. A bundle may come from anybody: what is no record, or no text of its hash, is named and left out. A
    record that is here already is not taken twice, and none is written over. `oneblock report` joins the machines.
    Exit status: 0 if all was taken, 1 if anything was left out.
    """
    left_out = _pack(bundles, directory, as_json) if action == "pack" else _unpack(bundles, directory, as_json)
    for why in left_out if not as_json else ():
        note(f"oneblock: left out: {why}")
    raise SystemExit(1 if left_out else 0)


def _pack(bundles: tuple[Path, ...], directory: Path, as_json: bool) -> list[str]:
    if len(bundles) != 1:
        raise Refused(f"bundle pack: expected one file to write, got {len(bundles)}")
    with going_on("packing", quiet=as_json):
        made = pack(directory, bundles[0])
    if as_json:
        answer(made)
    else:
        say(
            f"{made.path}: {made.records} records, {made.texts} texts of stages, {made.certificates} certificates, "
            f"{size(made.nbytes)}, SHA-256 {made.sha256}"
        )
    return [*made.left_out]


def _unpack(bundles: tuple[Path, ...], directory: Path, as_json: bool) -> list[str]:
    taken = {}
    for bundle in bundles:
        with going_on(f"unpacking {bundle}", quiet=as_json):
            taken[str(bundle)] = made = take(bundle, directory)
        if not as_json:
            say(
                f"{bundle}: {made.records} records, {made.texts} texts of stages and {made.certificates} certificates "
                f"taken into {directory}; {made.here_already} were here already"
            )
    if as_json:
        answer(taken)
    return [why for made in taken.values() for why in made.left_out]
