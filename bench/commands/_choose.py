"""The record that a person means: a terminal is asked where several may be, a pipe is refused with the choices."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from oneblock.bench.format.out import note
from oneblock.bench.records.find import Several, find
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import read_record


def one(text: str, directory: Path, *, indexed: bool, ask: bool = True) -> tuple[Path, Record]:
    """As `find`; a pipe, and an answer in JSON (`ask` is False), are never asked."""
    try:
        return find(text, directory, indexed=indexed)
    except Several as several:
        if not (ask and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))):
            raise
        for number, (path, record) in enumerate(several.candidates, 1):
            note(f"{number:>3}  {record.cell.name}  ({record.where}, {path.name.rsplit('.', 3)[-3]})")
        within = click.IntRange(1, len(several.candidates))
        path, _ = several.candidates[click.prompt(f"{text!r}: which?", type=within, err=True) - 1]
        return path, read_record(path)


def meant(text: str, directory: Path, *, indexed: bool) -> list[tuple[Path, Record]]:
    """Every record that `text` may mean, in the order of names; Refused where there is none."""
    try:
        return [find(text, directory, indexed=indexed)]
    except Several as several:
        return several.candidates
