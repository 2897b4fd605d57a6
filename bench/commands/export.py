"""`oneblock export`: programs for other compilers and runtimes, which need not be here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.export import Exporter, ModuleTaker, TrnEmitter
from oneblock.backends.api.target import Target, known_targets
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._options import (
    LAYER,
    BackendOption,
    TargetOption,
    bounds,
    bounds_options,
    capable,
    cases_options,
)
from oneblock.bench.commands._trn_page import LABEL, write
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.runs.export import export_program, parts, result, scripts
from oneblock.bench.runs.probes import exporting
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.events import Event, Phase
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.trn_job import TrnJob
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.export import Form

_TAKES = "has a compiler that takes modules of others"


@command(
    "export",
    "oneblock export block --preset tiny --form stablehlo -o export",
    "oneblock export block --preset tiny --target neuron:trn2 -o export",
)
@cases_options
@LAYER
@click.option(
    "--form",
    type=click.Choice([one.value for one in Form]),
    default="neuron",
    show_default=True,
    callback=lambda *of: Form(of[-1]),
    help="What is written: an HLO module for AWS's neuronx-cc, portable StableHLO, PyTorch's .pt2, or ONNX.",
)
@click.option("--target", "targets", cls=TargetOption, platform="neuron", multiple=True)
@click.option(
    "--backend", "writer", cls=BackendOption, having=Exporter, help="Writes the programs; the first by default."
)
@click.option("--for", "taker", cls=BackendOption, having=ModuleTaker, help="Its compiler takes them; likewise.")
@click.option(
    "--tvm-trn",
    is_flag=True,
    help="Instead, a page to be read: what TVM's trn target emits for one matrix product. It is not runnable.",
)
@click.option(
    "-o", "--to", "directory", type=click.Path(path_type=Path), default=Path("export"), show_default=True,
    help="The folder to write to.",
)  # fmt: skip
@bounds_options
@json_option
def COMMAND(
    workload: tuple[str, ...], targets: tuple[str, ...], writer: str | None, taker: str | None, tvm_trn: bool,
    directory: Path, as_json: bool, threads: int | None, timeout_s: float, memory_gib: float | None, form: Form,
    **wanted: Any,
) -> None:  # fmt: skip
    """Write programs in a form that other compilers and runtimes read, each once its answers are known to be right.

    WORKLOAD is block, attention, mlp or norm [default: block]. Choices may be given more than once. What was written is
    read back, run on the CPU and checked; only what is right is handed over. Beside StableHLO, .pt2 and ONNX lie the
    arguments and the exact answers (.safetensors), and a .json with the order of both and what a result may err by.

    For neuronx-cc there is the command that compiles a module for each target, and the module's opcodes are looked up
    in the list of `neuronx-cc list-operators`, or where that is not installed in the list published in 2022: a name in
    it is no promise, a missing one no verdict.

    Exit status: 0 if all were handed over, 1 if any was not, 2 for a mistake, 130 if interrupted.
    """
    within = bounds(threads, timeout_s, memory_gib)
    try:
        if tvm_trn:
            others = (
                workload,
                targets,
                writer,
                taker,
                *(wanted[name] for name in ("presets", "models", "phases", "dtypes")),
            )
            if any(others) or form is not Form.NEURON:
                raise Refused("--tvm-trn writes one page of its own: give no workload, backend, target or size with it")
            good = _page(directory, within, as_json)
        elif form is Form.NEURON:
            cells = _cells(workload, _neuron(targets), writer, form, **wanted)
            good = _programs(cells, form, _taker(taker), directory, within, as_json)
        else:
            if targets or taker:
                raise Refused(f"--form {form} is for no target of ours: leave out {'--target' if targets else '--for'}")
            cells = _cells(workload, ("cpu",), writer, form, **wanted)
            good = _programs(cells, form, None, directory, within, as_json)
    except KeyboardInterrupt:
        raise Refused("interrupted: what was handed over before is whole", 130) from None
    raise SystemExit(0 if good else 1)


def _make(directory: Path) -> None:
    """The folder, or a sentence why nothing can be written there, before anything is started."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise Refused(f"{directory}: cannot be written: {error.strerror}; give another folder with -o") from error


def _taker(name: str | None) -> ModuleTaker:
    """Who takes the modules, which answers in this process: a third party's is imported here as it is asked for."""
    try:
        taker = backends.load(capable(ModuleTaker, _TAKES, name))
    except Unavailable as error:
        raise Refused(f"{error}; {error.hint}") from error
    assert isinstance(taker, ModuleTaker)  # it has said so
    return taker


def _programs(
    cells: Sequence[Cell], form: Form, taker: ModuleTaker | None, directory: Path, within: Bounds, as_json: bool
) -> bool:
    try:
        listed = None if taker is None else taker.operators()
    except Unavailable as error:
        raise Refused(f"{error}; {error.hint}") from error
    _make(directory)
    by_subject: dict[str, list[Cell]] = {}
    for cell in cells:
        by_subject.setdefault(cell.subject, []).append(cell)
    handed, out = [], console()
    with going_on("starting", quiet=as_json) as tell:

        def listen(event: Event) -> None:
            if isinstance(event, Phase):
                tell(f"{several[0].subject}  {event.name}")

        for several in by_subject.values():
            exported = export_program(several[0], form, directory, within, listen)
            handed.append(exported if taker is None else scripts(exported, several, taker))
            for part in () if as_json else parts(handed[-1], listed):
                out.print(part)
    if as_json:
        answer(result(handed, listed))
    elif listed is not None:
        out.print(f"{listed.title}: {listed.source}. Whether a module is taken, only the compiler itself says.")
    return all(one.good for one in handed)


def _page(directory: Path, within: Bounds, as_json: bool) -> bool:
    _make(directory)
    outcome = launch(TrnJob(capable(TrnEmitter, "emits source for Trainium")), within)
    path = None if outcome.result is None else write(outcome.result, directory)
    if as_json:
        where = None if path is None else str(path)
        answer({"label": LABEL, "page": where, **outcome.named("trn")})
    elif outcome.result is None:
        hint = f"; {outcome.hint}" if outcome.hint else ""
        note(f"oneblock: no page was written: {outcome.reason}{hint}")
    else:
        say(f"{path}: {LABEL}; emitted by TVM {outcome.result.tvm}")
    return path is not None


def _neuron(targets: tuple[str, ...]) -> tuple[str, ...]:
    there_are = known_targets("neuron")
    if not targets:
        raise Refused(
            f"--target is missing: expected one or more of {', '.join(there_are)}; or another --form, which needs none"
        )
    for text in targets:
        if Target.parse(text) not in there_are:
            raise Refused(f"--target {text}: expected one or more of {', '.join(there_are)}")
    return targets


def _cells(
    workload: tuple[str, ...], targets: tuple[str, ...], writer: str | None, form: Form, **wanted: Any
) -> list[Cell]:
    """The cells that are meant, all of them in plain operations."""
    wanted["presets"] = wanted["presets"] or (() if wanted["models"] else ("gpt2",))
    wanted["dtypes"] = wanted["dtypes"] or ("float32",)
    name = capable(Exporter, f"writes --form {form}", writer, exporting(form))
    query = CellQuery(
        workloads=workload or ("block",), backends=(name,), ops_sets=("plain",), targets=targets, **wanted
    )
    return query.cells([PlatformProbe(name, "", None, None, None, None)])
