"""XLA:TPU through libtpu, which compiles for every generation on any machine; nothing runs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax

from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.chips.topology import Topology
from oneblock.compilers.hlo import counts as _hlo_facts
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.xla import dump as _dump_job
from oneblock.compilers.xla import errors as _xla_errors
from oneblock.compilers.xla import estimates as _estimates
from oneblock.compilers.xla import lowering as xla


def devices(topology: Topology) -> list[Any]:
    """The devices of a topology, to compile for; RuntimeError if libtpu does not load."""
    from jax.experimental import topologies

    return list(topologies.get_topology_desc(**topology.query()).devices)


def compile_and_capture(
    lowered: jax.stages.Lowered, graph: Artifact, topology: Topology, steps: Sequence[str]
) -> Capture:
    """Compile now for the devices that a program was lowered for; its stages and facts are made when asked for.

    `graph` is the program as its own framework writes it. OutOfMemory says what does not fit and where.
    """
    before = xla.inputs(lowered)
    with _xla_errors.typed(before[1].text):
        compiled = lowered.compile()
    single = len(jax.tree.leaves(compiled.input_shardings)[0].device_set) == 1
    program = _Program(
        stages=(graph, *before),
        stablehlo=before[0].text if single else None,
        hlo=compiled.as_text() or "",
        costs=compiled.cost_analysis(),
        memory=compiled.memory_analysis(),
    )
    return program.capture(topology, steps)


def simulate_kernel(lowered: jax.stages.Lowered, topology: Topology) -> Estimate:
    """The estimate "llo" of the one kernel of one's own in a program, whatever else is around it.

    Its bytes are those that it declares: of a small program XLA keeps arrays in VMEM that lie in HBM in a large one.
    """
    with _xla_errors.typed():
        module = _hlo.parse(lowered.compile().as_text() or "")
    (kernel,) = (
        i for i in module.entry.instructions if "tpu_custom_call" in i.attributes.get("custom_call_target", "")
    )
    counts = _hlo_facts.count(module, ())
    dumped = _dump_job.dump_tpu(xla.inputs(lowered)[0].text, topology, counts, everything=False)
    cycles = next((one.cycles for one in dumped.kernels if one.name == kernel.name), None)
    return _estimates.llo(cycles, kernel.declared["bytes_accessed"], topology.chip, dumped.why)


def capture_stablehlo(text: str, graph: Sequence[Artifact], topology: Topology, steps: Sequence[str]) -> Capture:
    """The same from StableHLO of any origin, for one device of the topology."""
    with _xla_errors.typed():
        made = xla.compile_stablehlo(text, devices(topology)[0])
    program = _Program(
        stages=(*graph, Artifact(Stage.LOWERED, "stablehlo", text)),
        stablehlo=text,
        hlo=made.hlo_modules()[0].to_string(),
        costs=made.cost_analysis(),
        memory=made.get_compiled_memory_stats(),
    )
    return program.capture(topology, steps)


class _Program:
    """A compiled program by what its compilation left; `stablehlo` is None if it is for several devices."""

    def __init__(self, stages: tuple[Artifact, ...], stablehlo: str | None, hlo: str, costs: Any, memory: Any) -> None:
        self.stages, self.stablehlo, self.hlo, self.costs, self.memory = stages, stablehlo, hlo, costs, memory

    def capture(self, topology: Topology, steps: Sequence[str]) -> Capture:
        chip = topology.chip

        def capture(detail: Detail) -> Lowering:
            counts = _hlo_facts.count(_hlo.parse(self.hlo), steps)
            dumped = self._dump(counts, topology, detail)
            found = xla.facts(counts, self.costs, self.memory, dumped.caveats)
            estimates = (
                _estimates.xla(xla.own_costs(self.costs).get("optimal_seconds")),
                _estimates.hlo(counts.cycles, chip),
                _estimates.llo(dumped.cycles, counts.hbm_bytes, chip, dumped.why),
            )
            final = Artifact(Stage.OPTIMIZED, "hlo", self.hlo)
            stages = (*self.stages, *dumped.passes, final, *dumped.machine)
            return Lowering(stages, replace(found, calls=dumped.kernels, estimates=estimates))

        return capture

    def _dump(self, counts: _hlo_facts.Counts, topology: Topology, detail: Detail) -> _dump_job.XlaDump:
        if detail is Detail.BRIEF:
            return _dump_job.XlaDump(why="not simulated: that takes --stages default")
        if self.stablehlo is None:
            return _dump_job.XlaDump(why="not simulated: the simulation is of one device")
        return _dump_job.dump_tpu(self.stablehlo, topology, counts, everything=detail is Detail.ALL)
