"""Compiling once more in a child process, for what is dumped only by flags that are read once a process.

The child may die: an unknown flag ends it, and libtpu's simulation aborts on some programs (a check in its model of
DMA). Then it is asked again without the simulation, and the estimate is None with the reason.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oneblock.compilers.api.calls import TpuKernel
from oneblock.compilers.api.process import run_module
from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.chips.topology import Topology
from oneblock.compilers.hlo.counts import Counts
from oneblock.compilers.xla import llo as _llo
from oneblock.compilers.xla.tpu_env import compile_only_environment

_KEPT = 3  # kernels whose bundles are kept unless all is asked for: each is a megabyte or so of text


@dataclass(frozen=True)
class XlaDump:
    """What came of it; `why` says why there are no cycles."""

    passes: tuple[Artifact, ...] = ()
    machine: tuple[Artifact, ...] = ()
    kernels: tuple[TpuKernel, ...] = ()
    cycles: float | None = None
    why: str = ""
    caveats: tuple[str, ...] = ()


def dump_tpu(stablehlo: str, topology: Topology, counts: Counts, *, everything: bool) -> XlaDump:
    """Bundles, slot use and simulated cycles from libtpu, and with `everything` each pass; without room, the reason."""
    try:
        return _dump_tpu(stablehlo, topology, counts, everything=everything)
    except OSError as error:
        return XlaDump(why=_no_room(error), caveats=(f"no bundles: {_no_room(error)}",))


def _no_room(error: OSError) -> str:
    return f"the folder for dumps, in {tempfile.gettempdir()}, cannot be used: {error.strerror}; set TMPDIR to another"


def _dump_tpu(stablehlo: str, topology: Topology, counts: Counts, *, everything: bool) -> XlaDump:
    target = ("tpu", topology.chip.architecture, "x".join(map(str, topology.shape)))
    with tempfile.TemporaryDirectory(prefix="oneblock-xla-dump-") as scratch:
        hlo, llo = Path(scratch, "hlo"), Path(scratch, "llo")
        passes = _pass_flags(hlo) if everything else {}
        ended = _child(stablehlo, target, hlo, llo, passes, _llo.flags(llo, everything=everything, simulate=True))
        simulated = _llo.simulation(llo)
        why = ""
        if ended:
            simulated, why = {}, f"the static simulation ended the compiler: {ended}"
            ended = _child(stablehlo, target, hlo, llo, passes, _llo.flags(llo, everything=everything, simulate=False))
        elif simulated and not any(one.cycles for one in simulated.values()):
            simulated, why = {}, f"the static simulation counts no cycles for TPU {topology.chip.architecture}"
        caveats = (f"no bundles: the compiler that dumps them ended: {ended}",) if ended else ()
        kernels = _llo.kernels(llo, counts.step_of, simulated, counts.cycles_of)
        names = [kernel.name for kernel in (kernels if everything else kernels[:_KEPT])]
        texts = _llo.texts(llo, names, everything=everything)
        machine = tuple(Artifact(Stage.MACHINE, title, text) for title, text in texts)
        return XlaDump(tuple(_passes(hlo)), machine, kernels, _cycles(simulated, counts), why, caveats)


def dump_cpu(stablehlo: str, *, everything: bool) -> XlaDump:
    """LLVM IR and assembly of each kernel from XLA:CPU, and with `everything` each pass; without room, the reason."""
    try:
        return _dump_cpu(stablehlo, everything=everything)
    except OSError as error:
        return XlaDump(caveats=(f"no LLVM IR: {_no_room(error)}",))


def _dump_cpu(stablehlo: str, *, everything: bool) -> XlaDump:
    with tempfile.TemporaryDirectory(prefix="oneblock-xla-dump-") as scratch:
        hlo = Path(scratch, "hlo")
        passes = _pass_flags(hlo) if everything else {"xla_dump_to": str(hlo)}
        ended = _child(stablehlo, ("cpu",), hlo, Path(scratch, "llo"), passes | {"xla_dump_emitter_re": ".*"}, {})
        if ended:
            return XlaDump(caveats=(f"no LLVM IR: the compiler that dumps it ended: {ended}",))
        kernels = [
            Artifact(Stage.KERNEL, f"llvm:{_kernel(path)}", path.read_text(encoding="utf-8"))
            for path in sorted(hlo.glob("*.ir-with-opt.ll"))
        ]
        objects, objdump = sorted(hlo.glob("*.obj-file.*.o")), shutil.which("objdump")
        if objects and objdump is None:
            return XlaDump(
                tuple(_passes(hlo)), tuple(kernels), caveats=("no assembly: objdump (binutils) is not here",)
            )
        machine = [Artifact(Stage.MACHINE, f"asm:{_kernel(path)}", _disassemble(path)) for path in objects]
        return XlaDump(tuple(_passes(hlo)), (*kernels, *machine))


def _disassemble(path: Path) -> str:
    command = ["objdump", "--disassemble", "--no-show-raw-insn", "-Mintel", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout or done.stderr


def _kernel(path: Path) -> str:
    """`module_0000.jit_f.obj-file.multiply_fusion_kernel_module.o` -> "multiply_fusion"."""
    words = path.name.removesuffix(".o").removesuffix(".ir-with-opt.ll").split(".", 2)[-1]
    return words.removeprefix("obj-file.").removesuffix("_kernel_module")


def _pass_flags(folder: Path) -> dict[str, str]:
    return {"xla_dump_to": str(folder), "xla_dump_hlo_as_text": "true", "xla_dump_hlo_pass_re": ".*"}


def _child(
    stablehlo: str, target: tuple[str, ...], hlo: Path, llo: Path, xla: Mapping[str, str], libtpu: Mapping[str, str]
) -> str:
    """Run one into empty folders; how it ended if badly, in the compiler's own words."""
    for folder in (hlo, llo):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    program = hlo.with_name("program.mlir")
    program.write_text(stablehlo, encoding="utf-8")
    words = ["oneblock.compilers.xla.dump_child", str(program), *target]
    return run_module(words, compile_only_environment(libtpu, xla))


def _cycles(simulated: dict[str, _llo.SimulatedOperation], counts: Counts) -> float | None:
    """The cycles of all operations one after the other, each as often as it runs; None if that is unknown."""
    if not simulated or None in counts.trips_of.values():
        return None
    return sum(s.cycles * s.equivalents * (counts.trips_of.get(name) or 1) for name, s in simulated.items())


def _passes(folder: Path) -> Iterator[Artifact]:
    """The module after each pass, in order, of files `module_0001.jit_block.0012.PIPELINE.after_PASS...txt`.

    libtpu has the number of its build, "cl_933746096.", before that of the pass: no part of what the text is.
    """
    for path in sorted(folder.glob("*.after_*.txt")):
        title = re.sub(r"^cl_\d+\.", "", path.name.split(".", 2)[-1].removesuffix(".txt"))
        yield Artifact(Stage.OPTIMIZED, f"hlo:{title}", path.read_text(encoding="utf-8"))
