"""The command that makes a record's cell anew."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from oneblock.bench.cells.cell import Cell, overrides
from oneblock.bench.cells.toolchain import versions_of
from oneblock.bench.records.record import Record
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Config


def run_command(record: Record) -> str:
    """`oneblock run` with all that fixes the cell and has an option, to be pasted into a shell."""
    cell, case = record.cell, record.cell.case
    words = ["oneblock", "run", case.workload, *_config(cell), "--phase", case.phase.value, "-B", str(case.B)]
    words += ["-T", str(case.T)] if case.phase is Phase.PREFILL else ["-S", str(case.S)]
    words += ["--dtype", cell.dtype, "--backend", cell.backend, "--ops", cell.ops_set, "--target", cell.target]
    words += ["--tier", record.tier]
    if cell.weights is not None:
        words += ["--weights", cell.weights.path, "--layer", str(cell.weights.layer)]
    words += [] if cell.weight_seed == 0 else ["--seed", str(cell.weight_seed)]
    words += [] if cell.input_seed == 1 else ["--input-seed", str(cell.input_seed)]
    words += [] if cell.inputs is None else ["--inputs", cell.inputs.path]
    words += [word for one in cell.replaced for word in ("--replace", str(one))]
    words += [word for one in versions_of(cell.toolchain).items() for word in ("--toolchain", "=".join(one))]
    words += [] if record.order_seed == 0 else ["--order-seed", str(record.order_seed)]
    return " ".join(map(_quoted, [*words, "--again"]))


def _quoted(word: str) -> str:
    """A word as a shell takes it; of a stranger's record it may hold what a terminal would obey as it is pasted."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = (
        c if c.isprintable() and c not in "'\\" else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in word
    )
    return f"$'{''.join(escaped)}'"


def not_said(cell: Cell) -> list[str]:
    """What fixes a cell and has no option, so that `run_command` leaves it out: ["norm_eps=1e-06"].

    A preset may have changed since, and one that is not here may differ in anything.
    """
    config = cell.case.config
    found = {} if cell.model is not None else overrides(config)
    found = {key: value for key, value in found.items() if key not in Config.settable()}
    found |= {"variant": cell.variant, "sharding": cell.sharding}
    found |= {} if versions_of(cell.toolchain) else {"toolchain": cell.toolchain}
    return [f"{key}={value}" for key, value in found.items() if value is not None]


def _config(cell: Cell) -> Iterator[str]:
    """The preset, and what was set otherwise: a configuration keeps the name of the preset it was made from."""
    config = cell.case.config
    if cell.model is not None:
        yield from ("--model", cell.model)
        return
    yield from ("--preset", config.name)
    for key, value in overrides(config).items():
        if key in Config.settable():
            yield from ("--set", f"{key}={Config.as_text(value)}")
