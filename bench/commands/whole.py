"""`oneblock whole`: a model's decode as one program, of a few layers, and what is foreseen of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from oneblock.backends.api.target import Target
from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import BACKEND, DTYPE, OPS_SET, PRESET
from oneblock.bench.commands._options import MODEL, PRESETS, TargetOption, model_asked
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.format.units import seconds, size
from oneblock.bench.records.files import write_asked
from oneblock.bench.runs.growth import ADDED, COUNTS, Asked, Program, apart, foreseen, uneven
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.screen import console
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.models import Model

_ALLOWED = 0.005  # of a count that was foreseen


@command(
    "whole",
    "oneblock whole --preset llama-1b --backend xla_tpu --target tpu:v5e --check 8",
    "oneblock whole --model smollm2 --backend jax_xla -S 512",
)
@MODEL(name="path")
@click.option("--preset", type=PRESET, help=f"{PRESETS}.  [default: llama-1b]")
@click.option("--backend", default="jax_xla", type=BACKEND, show_default=True, help="Whose compiler is asked.")
@click.option("--target", default="cpu", cls=TargetOption, show_default=True)
@click.option("--ops", default="plain", type=OPS_SET, show_default=True, help="Ops set of the blocks.")
@click.option("--dtype", default="bfloat16", type=DTYPE, show_default=True, help="float32, bfloat16, float16.")
@click.option("-B", "--batch", "B", type=click.IntRange(1), default=1, show_default=True, help="Sequences.")
@click.option("-S", "--cache", "S", type=click.IntRange(1), default=512, show_default=True, help="Slots of a cache.")
@click.option("--check", type=int, help="Compile so many layers as well, and hold what was foreseen against it.")
@click.option("--stages", type=click.Path(path_type=Path), help="A folder to write each program's stages to.")
@json_option
def COMMAND(
    path: Path | None, preset: str | None, backend: str, target: str, ops: str, dtype: str, B: int, S: int,
    check: int | None, stages: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compile a token's whole program of 1, 2 and 3 layers, count it, and foresee the counts of all layers.

    Layers, last norm and head are one program, unrolled. Of a model whose layers are of several sorts as many are taken
    as repeat. Weights are not read. The counts of each layer are those of the operations that carry its name, in the
    last program that was compiled. HBM / min is beside weights and caches that are read once. Exit status 1: with
    --check, FLOPs, HBM or arguments are more than 0.5 % off; scratch and operations, which need not add up, are said.
    """
    asked = Asked(_model(path, preset), backend, ops, Target.parse(target), dtype, B, S)
    found = []
    for program in asked.programs(check):
        found.append(program)
        note(f"oneblock: {program.layers} layers compiled in {seconds(program.compile_s)}")
        if stages is not None:
            for one in program.stages:
                to = stages / f"{asked.model.name}-{program.layers}-layers.{one.dialect}.txt"
                write_asked(to, one.text.encode(errors="replace"), "--stages")
    N = len(asked.model.layers)
    off = {} if check is None else apart(foreseen(found, check), found[-1])
    if as_json:
        answer(_told(asked, found, N, off))
    else:
        console().print(_table(asked, found, N))
        console().print(_by_layer(found[-1]))
        for name, share in uneven(found).items():
            if check is None and share > _ALLOWED:
                say(f"{name}: the third program grew otherwise than the second, by {share:.1%}: --check more layers")
        if off:
            say(f"foreseen of {check} layers: {', '.join(f'{name} {share:.2%} off' for name, share in off.items())}")
    raise SystemExit(int(any(off.get(name, 0.0) > _ALLOWED for name in ADDED)))


def _model(path: Path | None, preset: str | None) -> Model:
    found = model_asked(path, preset)
    if found.layers[0].latent is not None:
        raise Refused(f"{found.name}: the whole program has no latent attention, whose caches are others")
    return found


def _shown(name: str, count: float | None) -> str:
    if count is None:
        return "-"
    return f"{count:,.0f}" if name in ("FLOPs", "operations") else size(count)


def _table(asked: Asked, found: list[Program], N: int) -> Table:
    title = (
        f"{asked.model.name}, a token of {asked.B} x {asked.S} slots, {asked.dtype}: {asked.backend}-{asked.ops_set}"
    )
    table = Table(title=f"{title} on {asked.target}", title_justify="left", title_style="bold", leaves=("operations",))
    for column in ("layers", "kind", *COUNTS, "HBM / min"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    rows = [(one.layers, Kind.COMPILED, one.counts()) for one in found]
    rows += [(N, Kind.MODELLED, foreseen(found, N))] if all(one.layers != N for one in found) else []
    for layers, kind, counts in rows:
        least = "-" if counts["HBM"] is None else f"{counts['HBM'] / asked.least_bytes(layers):.3f}"
        table.add_row(str(layers), str(kind), *(_shown(name, counts[name]) for name in COUNTS), least)
    return table


def _by_layer(program: Program) -> Table:
    title = f"by layer, of the program of {program.layers} ({Kind.COMPILED})"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("layer", "operations", "FLOPs", "HBM"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for one in program.facts.steps:
        table.add_row(one.step or "none", f"{one.operations:,}", f"{one.flops:,.0f}", size(one.hbm_bytes))
    return table


def _told(asked: Asked, found: list[Program], N: int, off: dict[str, float]) -> dict[str, Any]:
    each = [
        {"layers": one.layers, "kind": Kind.COMPILED, "compile_s": one.compile_s, **one.counts(),
         "least_bytes": asked.least_bytes(one.layers), "by_layer": one.facts.steps}
        for one in found
    ]  # fmt: skip
    return {
        "model": asked.model.name, "backend": asked.backend, "ops": asked.ops_set, "target": str(asked.target),
        "dtype": asked.dtype, "B": asked.B, "S": asked.S, "programs": each,
        "foreseen": {"layers": N, "kind": Kind.MODELLED, **foreseen(found, N)}, "off": off,
    }  # fmt: skip
