"""Whether a result is faster than the machine can be."""

from __future__ import annotations

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.costs import bound
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.record import Limits, Record
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.chips.amd_gpus import AMD_GPUS
from oneblock.compilers.chips.neuron_cores import GENERATIONS
from oneblock.compilers.chips.nvidia_gpus import GPUS
from oneblock.compilers.chips.tpus import TPUS
from oneblock.compilers.neuron.pins import CORES

ABOVE_LIMIT = 1.05  # a result that beats the measured limit by more is not believed


def too_fast(record: Record) -> str | None:
    """The sentence for a result that beats what the machine was seen to reach at best; None for one that does not."""
    least = bound(record.costs, record.limits)
    if record.kind is not Kind.MEASURED or not record.launches or least is None:
        return None
    took = centre(record.samples("cold"))
    if took * ABOVE_LIMIT >= least.seconds:
        return None
    best_ms = least.seconds * 1e3
    return f"took {took * 1e3:.4g} ms, and the machine's measured {least.by} limit allows {best_ms:.4g} ms at best"


def stated_limits(cell: Cell) -> Limits | None:
    """What the maker states of the cell's target; None where nothing is known of it."""
    target = Target.parse(cell.target)
    if target.platform == "cuda" and target.architecture is not None:
        card = GPUS.get((target.architecture, target.topology))
        if card is None:
            return None
        peak = None if cell.dtype == "float32" else card.flops_per_s
        return Limits(peak, f"NVIDIA's data sheet of {card.name}", card.memory_bytes_per_s, Kind.MODELLED)
    amd = AMD_GPUS.get(target.architecture or "") if target.platform == "rocm" else None
    if amd is not None:
        peak = None if cell.dtype == "float32" else amd.flops_per_s
        return Limits(peak, f"AMD's data sheet of the {amd.name}", amd.memory_bytes_per_s, Kind.MODELLED)
    core = GENERATIONS.get(CORES.get(target.architecture or "", "")) if target.platform == "neuron" else None
    if core is not None:
        peak = core.flops_per_s / (4 if cell.dtype == "float32" else 1)
        return Limits(peak, f"AWS's architecture guide of NeuronCore-{core.name}", core.dma_bytes_per_s, Kind.MODELLED)
    chip = TPUS.get(target.architecture or "") if target.platform == "tpu" else None
    if chip is None:
        return None
    return Limits(chip.flops_per_s(cell.dtype), chip.source, chip.hbm_bytes_per_s, Kind.MODELLED)
