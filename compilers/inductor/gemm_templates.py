"""Which of Inductor's GEMM templates a product gets where nothing can be timed: the static model's choice.

On a device Inductor times some twenty configurations of a template for each product and takes the fastest. Here the
model that ranks our own kernels' configurations ranks those, before any of them is compiled.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf, prod
from typing import Any

from oneblock.compilers.chips import launch_model as _gpu_model
from oneblock.compilers.chips.chip import Gpu

Pick = Callable[[Sequence[Any]], list[Any]]

_REGISTERS = 65536  # of a multiprocessor
_MOST_ACCUMULATORS = 128  # registers of one thread, of 255; more leave too few for the addresses, and spill
_OTHER_REGISTERS = 48  # of one thread, beside its accumulators


@dataclass(frozen=True)
class Tiling:
    """A product (batch, M, K) x (batch, K, N), and how a configuration cuts it."""

    batch: int
    M: int
    N: int
    K: int
    itemsize: int
    tile: tuple[int, int, int]
    warps: int
    stages: int

    @property
    def programs(self) -> int:
        """Tiles of the result."""
        return self.batch * ceil(self.M / self.tile[0]) * ceil(self.N / self.tile[1])

    @property
    def iterations(self) -> int:
        """How many small products all programs do together."""
        return self.programs * ceil(self.K / self.tile[2])

    def seconds(self, gpu: Gpu) -> float:
        """By the static model; infinite where a block would not fit."""
        (rows, columns, depth), size = self.tile, self.itemsize
        unit = gpu.multiprocessor
        tile_bytes = (rows + columns) * depth * size
        shared = tile_bytes * max(self.stages, 1)
        accumulators = rows * columns // (32 * self.warps)
        if shared > unit.shared_bytes_of_block or accumulators > _MOST_ACCUMULATORS:
            return inf
        by_shared = unit.shared_bytes // (shared + unit.reserved_bytes_of_block)
        by_registers = _REGISTERS // (32 * self.warps * (accumulators + _OTHER_REGISTERS))
        resident = max(1, min(by_shared, by_registers, unit.threads // (32 * self.warps)))
        demand = _gpu_model.Demand(
            self.programs,
            flops=2.0 * self.iterations * rows * columns * depth,
            compulsory_bytes=float(size * self.batch * (self.M * self.K + self.K * self.N + self.M * self.N)),
            asked_bytes=float(self.iterations * tile_bytes + size * self.batch * self.M * self.N),
            in_flight_bytes=float(tile_bytes * max(self.stages - 1, 1)),
        )
        return _gpu_model.seconds(demand, resident, gpu, matrix_units=size < 4)


def modelled(gpu: Gpu) -> Pick:
    """The configuration that the static model thinks fastest."""
    return lambda choices: _least(choices, lambda tiling: (tiling.seconds(gpu), tiling.iterations))


def fewest(choices: Sequence[Any]) -> list[Any]:
    """The configuration in which an interpreter has the least to do."""
    return _least(choices, lambda tiling: tiling.iterations)


def _least(choices: Sequence[Any], cost: Callable[[Tiling], Any]) -> list[Any]:
    from torch._inductor.select_algorithm import TritonTemplateCaller

    ours = [choice for choice in choices if isinstance(choice, TritonTemplateCaller)]
    return [min(ours, key=lambda choice: cost(_tiling(choice)))] if ours else list(choices[:1])


def _tiling(choice: Any) -> Tiling:
    *batch, M, N = (int(n) for n in choice.layout.size)
    K = int(choice.input_nodes[-2].get_size()[-1])
    said = choice.log_info["tile_shape"]  # "(64, 64, 32)"
    rows, columns, depth = ast.literal_eval(said) if isinstance(said, str) else said
    how = choice.bmreq.num_warps, choice.bmreq.num_stages
    return Tiling(prod(batch), M, N, K, choice.layout.dtype.itemsize, (rows, columns, depth), *how)
