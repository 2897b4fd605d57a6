"""Records with stages, written as a run would: a block in HLO whose steps are known, and what is planted in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store, read_record
from oneblock.compilers import Artifact, Stage
from oneblock.compilers.api.facts import Facts, StepFacts
from tests.bench.report.test_report import record

ANSI = "\x1b[31m"
HLO = """HloModule jit_block, is_scheduled=true

%fused (p.5: f32[4]) -> f32[4] {
  %p.5 = f32[4]{0} parameter(0)
  ROOT %e.6 = f32[4]{0} exponential(%p.5), metadata={op_name="jit(block)/attention/exp"}
}

ENTRY %main (x.1: f32[4]) -> f32[4] {
  %x.1 = f32[4]{0} parameter(0)
  %m.2 = f32[4]{0} multiply(%x.1, %x.1), metadata={op_name="jit(block)/norm1/mul"}
  %fusion.3 = f32[4]{0} fusion(%m.2), kind=kLoop, calls=%fused, metadata={op_name="jit(block)/attention/exp"}
  ROOT %a.4 = f32[4]{0} add(%fusion.3, %x.1), metadata={op_name="jit(block)/proj/add"}
}
"""
RENUMBERED = HLO.replace("m.2", "m.12").replace("fusion.3", "fusion.31").replace("a.4", "a.77").replace("e.6", "e.9")
PLANTED = HLO.replace("add(", "subtract(")  # of proj alone
OWN_KERNEL = HLO.replace(
    "fusion(%m.2), kind=kLoop, calls=%fused", 'custom-call(%m.2), custom_call_target="tpu_custom_call"'
)


def facts(**changes: Any) -> Facts:
    """Of the block above."""
    steps = (StepFacts("norm1", 1, 4.0, 32.0, 10.0), StepFacts("attention", 1, 4.0, 134e6, 50.0))
    found = Facts(
        flops=12.0, compiler_flops=None, hbm_bytes=134e6, scratch_bytes=64, argument_bytes=16, output_bytes=16,
        code_bytes=None, operations={"fusion": 1, "multiply": 1, "add": 1}, fusions={"kLoop": 1}, custom_calls={},
        attributed=1.0, attributed_by_name=1.0, steps=(*steps, StepFacts("proj", 1, 4.0, 48.0, 5.0)),
    )  # fmt: skip
    return replace(found, **changes)


def store(folder: Path, made: Record | None = None, **texts: str) -> Path:
    """A record whose stages are these texts by dialect ("hlo_before" is "hlo-before"); gives its file."""
    records, made = Store(folder), made or record("jax_xla")
    stages = {"jaxpr": Stage.GRAPH, "stablehlo": Stage.LOWERED, "hlo": Stage.OPTIMIZED}
    refs = [
        records.add_artifact(Artifact(stages.get(dialect, Stage.MACHINE), dialect.replace("_", "-"), text))
        for dialect, text in texts.items()
    ]
    return records.add(replace(made, artifacts=tuple(refs)))


def released(folder: Path, version: str, hlo: str, **counts: Any) -> Record:
    """A record of that cell with a release of libtpu, in a folder of them."""
    made = record("jax_xla")
    made = replace(made, cell=replace(made.cell, toolchain=f"libtpu-{version}"), facts=facts(**counts))
    return read_record(store(folder, made, hlo=hlo))


def run(command: click.Command, *words: object) -> tuple[int, str]:
    """(exit status, what was printed, a mistake's sentence included), as `oneblock` would end."""
    done = CliRunner().invoke(command, [str(word) for word in words])
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.exit_code, done.output
    return 2, f"{done.output}{type(done.exception).__name__}: {done.exception.args[0]}"
