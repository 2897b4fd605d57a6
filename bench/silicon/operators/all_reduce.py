"""Sums over GPUs of what each of them has, by NCCL's kernels and by those of serving engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from oneblock.bench.silicon.formats import Format
from oneblock.bench.silicon.launches import Array, Axes, Limits, Sizes, Table
from oneblock.bench.silicon.links import Exchange


@dataclass(frozen=True)
class AllReduces(Sizes):
    """Sums of so many elements over so many GPUs, which all have the result."""

    operator: ClassVar[str] = "all_reduce"
    tables: ClassVar[tuple[Table, ...]] = (
        Table(
            "nccl_perf.parquet", ("nccl_dtype",), {"bfloat16": "half"}, {"op_name": "all_reduce"}, ("kernel_source",)
        ),
        Table("custom_allreduce_perf.parquet", ("allreduce_dtype",), apart=("kernel_source",)),
    )
    axes: ClassVar[tuple[str, ...]] = ("num_gpus", "message_size")
    form: ClassVar[str] = "GxE"
    model: ClassVar[type[Exchange]] = Exchange
    gpus: Array
    elements: Array

    @classmethod
    def at(cls, axes: Axes, of: Format) -> AllReduces:
        """As of any launches; the tables count elements: of two bytes each takes as long as twice as many of one."""
        return cls(of, axes["num_gpus"], axes["message_size"])

    @property
    def group(self) -> Array:
        """(1, rows): sums of one size tell of each other, over however many GPUs."""
        return self.elements[None]

    @property
    def nbytes(self) -> Array:
        """(rows,): of what one GPU has."""
        return np.asarray(self.format.out_bytes * self.elements)

    def floor_s(self, limits: Limits) -> Array:
        """(rows,): each GPU sends and receives 2 (GPUs - 1) / GPUs of it; 0 where no link is stated."""
        if limits.link_bytes_per_s is None:
            return np.zeros_like(self.gpus)
        return np.asarray(2 * (self.gpus - 1) / self.gpus * self.nbytes / limits.link_bytes_per_s)


LAUNCHES = AllReduces
