"""The calls of each toolchain: a TPU's generated kernels, functions of TVM's tensor IR, and NKI's kernels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from oneblock.compilers.api.call import Call, Column, ToldCall, listed
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind


@dataclass(frozen=True, kw_only=True)
class TpuKernel(Call):
    """One generated kernel: a fusion's instructions for the machine, not weighted by how often its loops run."""

    complete: ClassVar[bool] = False  #: libtpu writes down those of which it has bundles, and not in their order
    says: ClassVar[Mapping[str, str]] = {
        "bundles": "VLIW instructions: what each unit of the TPU begins in one cycle",
        "slots filled": "the share of each unit's slots in the bundles that is filled, loops not weighted",
        "static cycles": "of a static simulation of the bundles",
        "estimated cycles": "of the cost model by which XLA chose",
    }

    tag: Literal["tpu"] = "tpu"
    bundles: int  #: VLIW instructions
    slots: dict[str, float]  #: share of each functional unit's slots that is filled: {"MXU": 0.97}
    cycles: float | None = None  #: of the static simulation
    estimated_cycles: float | None = None  #: of the cost model by which XLA chose

    def columns(self) -> tuple[Column, ...]:
        filled = ", ".join(f"{unit} {share:.0%}" for unit, share in self.slots.items() if share >= 0.01)
        return (
            Column("bundles", self.bundles),
            Column("slots filled", filled),
            Column("static cycles", self.cycles, kind=Kind.MODELLED),
            Column("estimated cycles", self.estimated_cycles, kind=Kind.MODELLED),
        )


@dataclass(frozen=True, kw_only=True)
class TirCall(Call):
    """One call of a function of TVM's tensor IR. FLOPs are by TVM's own count, before the function is scheduled."""

    noun: ClassVar[str] = "TIR function call"
    operation: ClassVar[str] = "TIR call"
    counted_in: ClassVar[str] = "TIR"
    says: ClassVar[Mapping[str, str]] = {
        "MFLOP": "floating-point operations by TVM's own count, before the function is scheduled, in 10^6",
        "loops": "of the scheduled function, by kind",
        "lanes": "elements of its longest vectorised loop",
        "instructions by class": "of its assembly, each once",
    }

    tag: Literal["tir"] = "tir"
    loops: dict[str, int]  #: as scheduled, by kind: {"serial": 5, "parallel": 1, "vectorized": 2, "unrolled": 3}
    vector_lanes: int | None  #: elements of the longest vectorised loop; None where there is none
    instructions: dict[str, int]  #: of the assembly, by class: {"fma 256": 96}; empty for code that is not the CPU's

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("MFLOP", self.mflop),
            Column("loops", listed(self.loops)),
            Column("lanes", self.vector_lanes),
            Column("instructions by class", listed(self.instructions)),
        )


@dataclass(frozen=True, kw_only=True)
class NeuronCall(Call):
    """One call of an NKI kernel. Counts are of an interpreter's run, bytes those of DMA; times are modelled."""

    noun: ClassVar[str] = "NKI kernel call"
    operation: ClassVar[str] = "instruction"
    counted_in: ClassVar[str] = "NKI's instructions"
    on_chip: ClassVar[str] = "SBUF"
    says: ClassVar[Mapping[str, str]] = {
        "arrays": "dtype and shape of its arguments",
        "instructions by engine": "how many each engine of a NeuronCore is issued, as the interpreter ran them",
        "instructions": "of all engines",
        "calls": "of NKI kernels",
        "MFLOP": "floating-point operations of its products and its vector instructions, in 10^6",
        "GFLOP": "the same of the program, in 10^9",
        "DMA": "bytes that its transfers between HBM and SBUF move",
        "a piece": "bytes of a contiguous piece of its transfers, on average: small ones are slow",
        "SBUF": "the most bytes of a partition that are alive at once",
        "PSUM": "the most banks, of 8, that are alive at once",
        "busiest": "the share of the timeline in which its busiest engine works, and which that is",
        "TensorE busy": "the share of the timeline in which the matrix engine works",
        "DMA busy": "the share of the timeline in which transfers run",
        "timeline": "the modelled time from the first instruction to the last result",
    }

    tag: Literal["neuron"] = "neuron"
    shapes: tuple[str, ...]  #: of its arrays: "bfloat16[128, 2048]"
    instructions: dict[str, int]  #: by engine: {"tensor": 120, "dma": 40}
    dma_runs: int  #: contiguous pieces that the transfers read or write
    sbuf_bytes: int  #: of a partition, the most that is alive at once
    sbuf_limit_bytes: int
    psum_banks: int  #: the most that are alive at once
    busy_s: dict[str, float]  #: by engine

    @property
    def operations(self) -> int | None:
        return sum(self.instructions.values())

    @property
    def on_chip_bytes(self) -> int | None:
        return self.sbuf_bytes

    @property
    def timeline_s(self) -> float:
        """From the first instruction to the last result."""
        return self.modelled_s.get("timeline", math.nan)

    def names(self, number: int) -> tuple[str, ...]:
        return self.name, f"{number:02d}-{self.name}"

    def columns(self) -> tuple[Column, ...]:
        counted, busiest = Kind.INTERPRETED, max(self.busy_s, key=self.busy_s.__getitem__, default="")
        busy = self.busy_s[busiest] / self.timeline_s if busiest and self.timeline_s else None
        dma = self.hbm_bytes or 0
        return (
            Column("arrays", ", ".join(self.shapes), kind=counted),
            Column("instructions by engine", listed(dict(Counter(self.instructions).most_common())), kind=counted),
            Column("MFLOP", self.mflop, kind=counted),
            Column("DMA", self.hbm_bytes, "B", counted),
            Column("a piece", dma / max(1, self.dma_runs), "B", counted),
            Column("SBUF", self.sbuf_bytes, "B", counted, f"of {self.sbuf_limit_bytes / 1024:.3g} KiB"),
            Column("PSUM", self.psum_banks, kind=counted),
            Column("busiest", busy, "%", Kind.MODELLED, busiest),
            *self.times(),
        )

    @classmethod
    def program(cls, calls: Sequence[Self]) -> tuple[Column, ...]:
        counted, total = Kind.INTERPRETED, sum(call.timeline_s for call in calls)
        busy = {engine: sum(call.busy_s.get(engine, 0.0) for call in calls) for engine in ("tensor", "dma")}
        return (
            Column("calls", len(calls), kind=counted),
            Column("instructions", sum(call.operations or 0 for call in calls), kind=counted),
            Column("GFLOP", sum(call.flops or 0 for call in calls) / 1e9, kind=counted),
            Column("DMA", sum(call.hbm_bytes or 0 for call in calls), "B", counted),
            Column("SBUF", max(call.sbuf_bytes for call in calls), "B", counted),
            Column("PSUM", max(call.psum_banks for call in calls), kind=counted),
            Column("TensorE busy", busy["tensor"] / total if total else None, "%", Kind.MODELLED),
            Column("DMA busy", busy["dma"] / total if total else None, "%", Kind.MODELLED),
            Column("timeline", total, "s", Kind.MODELLED),
        )


AnyCall = GpuKernel | TpuKernel | TirCall | NeuronCall | ToldCall
