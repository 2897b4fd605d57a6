"""Whether a whole model has room on its target: its compiler is asked for what one block needs, beside the formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

from oneblock import workloads
from oneblock.bench.cells.cell import Cell
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.model_memory import BY_COMPILER, ModelMemory, kept, positions
from oneblock.bench.runs.fit import Tell, compiled, lacking
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.facts import Facts
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Config, Model
from oneblock.workloads.ops.dtypes import dtype_of


@dataclass
class ModelRoom:
    """Whether a model has room on a target, asked of its compiler for one block of each sort that the model has."""

    model: Model
    bounds: Bounds
    folder: Path  # for the stages of what is compiled, which nobody reads
    tell: Tell
    found: dict[Cell, ModelMemory] = field(default_factory=dict)
    _available: tuple[int, str] | None = None

    def fits(self, cell: Cell) -> bool | None:
        """Whether a size fits; None where a block is refused for another reason than memory."""
        held, there = kept(self.model, cell.case, cell.dtype), self.available(cell)
        found = ModelMemory(cell, len(self.model.layers), self.model.context, held, *there)
        S, learned = cell.case.S, self.model.positions
        if learned is not None and learned < S:
            found = replace(found, refused=f"the model has {learned:,} positions, and this is {S:,}")
        elif found.fits:
            blocks = self._blocks(cell)
            if blocks is None:
                return None
            if isinstance(blocks, str):
                found = replace(found, refused=blocks)
            else:
                found = replace(found, parts=held | blocks)
        self.found[cell] = found
        return found.fits

    def available(self, cell: Cell) -> tuple[int, str]:
        """The target's memory: what the compiler refuses a program that is certainly too large for, or what is stated.

        A compiler may keep some of what a maker states for its runtime.
        """
        if self._available is None:
            chip = cell.target.chip
            if chip is None:
                raise Refused(f"--fit-of model: nothing is known of the memory of {cell.target}: name a chip")
            self.tell(cell, "how much memory is there?")
            c, T = cell.case.config, 128
            rows = 2 * chip.memory_bytes.value // (T * c.width * dtype_of(cell.dtype).itemsize) + 1
            outcome = compiled(replace(cell, case=Case("norm", c, Phase.PREFILL, rows, T, T)), self.bounds)
            memory = lacking(outcome)
            if memory is not None and memory.space == "hbm" and memory.available_bytes:
                self._available = memory.available_bytes, f"as {cell.backend}'s compiler has it"
            else:
                self._available = chip.memory_bytes.value, f"as stated: {chip.memory_bytes.source}"
        return self._available

    def _blocks(self, cell: Cell) -> dict[str, int] | str | None:
        """What the compiler adds to the formulas; why it refuses a block; None where memory is not the reason."""
        scratch = padding = 0
        for config, many in Counter(self.model.layers).items():
            block = replace(cell, case=_of_layer(cell.case, config))
            self.tell(block, "what does its block need?")
            outcome = compiled(block, self.bounds, self.folder)
            if lacking(outcome) is not None:
                return f"one block alone: {outcome.reason}"
            facts = None if outcome.result is None else outcome.result.facts
            if facts is None:
                return None
            scratch = max(scratch, _told(facts, block))
            padding += many * max(0, (facts.argument_bytes or 0) - _arguments(block))
        return dict(zip(BY_COMPILER, (scratch, padding), strict=True))


def _of_layer(case: Case, config: Config) -> Case:
    """A block of that sort; in decode with the cache that its window leaves it, which gives the same answer."""
    S = positions(case, config) if case.phase is Phase.DECODE else case.S
    return replace(case, config=config, S=S)


def _arguments(cell: Cell) -> int:
    """What a block is given, by formula."""
    specs = workloads.load(cell.case.workload).specs(cell.case).values()
    return sum(prod(spec.shape) for spec in specs) * dtype_of(cell.dtype).itemsize


def _told(facts: Facts, cell: Cell) -> int:
    if facts.scratch_bytes is None:
        raise Refused(
            f"{cell.backend} does not say how much scratch its program of {cell.target} takes, without which a sum is "
            "none: --fit-of block asks it for a block alone"
        )
    return facts.scratch_bytes
