"""A launch of a kernel on a GPU, and how many blocks of it live on one multiprocessor at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from oneblock.compilers.api.call import Call, Column, listed
from oneblock.compilers.api.kind import STRICT, Kind

_MATRIX = ("mma.sync", "wgmma", "tcgen05.mma", "mfma")  # classes of instructions that tensor (matrix) cores carry out


@dataclass(frozen=True)
class Occupancy:
    """How many blocks of a kernel live on one multiprocessor at once, by the maker's rules of allocation."""

    __pydantic_config__: ClassVar[Any] = STRICT
    blocks: int
    warps: int
    share: float  #: of the warps that it has room for
    limited_by: str  #: "registers", "shared memory", "warps" or "blocks"
    kind: Kind = Kind.MODELLED


@dataclass(frozen=True, kw_only=True)
class GpuKernel(Call):
    """One launch. Instructions are as written, each once; FLOPs and bytes are what the kernel itself declares."""

    says: ClassVar[Mapping[str, str]] = {
        "config": "how it was built: block sizes, warps, stages; or what wrote it",
        "grid": "how many blocks it is launched with, along each axis",
        "launches": "how many kernels a call starts, those of libraries among them",
        "threads": "of a block",
        "registers": "of a thread; of a program the most that a kernel needs",
        "spills": "bytes of a thread's registers that are kept in memory; of a program the most",
        "stack": "bytes of a thread's local memory",
        "shared": "shared memory of a block; of a program the most that a kernel needs",
        "instructions by class": "as written in the kernel, each once, whatever its loops do",
        "occupancy": "the share of a multiprocessor's warps that its blocks fill, how many blocks, and what limits "
        "them (registers, shared memory, warps); of a program the least, and its kernel",
        "matrix": "the instructions of tensor (matrix) cores that its kernels use",
        "static": "the time by the formula that ranks our kernels' configurations, and by what PyTorch's own launches "
        "move",
    }

    tag: Literal["gpu"] = "gpu"
    kind: str  #: "triton gemm", "triton", "loop", "input"; "library __cublas$lt$matmul"; "Copy"
    entry: str | None = None  #: None: not compiled here
    grid: tuple[int, ...] | None = None
    threads: int | None = None
    shared_bytes: int | None = None
    instructions: dict[str, int] = field(default_factory=dict)
    config: str | None = None  #: how it was built: "BM=128 BN=128 BK=64, 8 warps, 3 stages"
    dynamic_shared_bytes: int | None = None  #: of `shared_bytes`, what is given at the launch
    stack_bytes: int | None = None  #: of one thread
    machine_instructions: int | None = None  #: in the disassembly
    occupancy: Occupancy | None = None

    @property
    def on_chip_bytes(self) -> int | None:
        return self.shared_bytes

    @property
    def matrix(self) -> list[str]:
        """The classes of matrix instructions that it holds: ["wgmma"]."""
        found = dict.fromkeys(name.partition(" ")[0] for name in self.instructions)
        return [name for name in found if name in _MATRIX]

    def names(self, number: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.name, self.name.replace(".", "_"), self.entry or self.name)))

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("config", self.config or self.kind),
            Column("grid", None if self.grid is None else "x".join(map(str, self.grid))),
            Column("threads", self.threads),
            Column("registers", self.registers),
            Column("spills", self.spill_bytes, "B"),
            Column("stack", self.stack_bytes, "B"),
            Column("shared", self.shared_bytes, "B"),
            Column("instructions by class", listed(self.instructions)),
            _occupancy(self),
            *self.times(),
        )

    @classmethod
    def program(cls, calls: Sequence[Self]) -> tuple[Column, ...]:
        own = [call for call in calls if call.occupancy is not None]
        if not own:
            return ()
        least = min(own, key=lambda call: call.occupancy.share if call.occupancy else 0.0)
        static = [call.modelled_s["static"] for call in calls if "static" in call.modelled_s]
        return (
            Column("launches", len(calls)),
            Column("registers", max(call.registers or 0 for call in own)),
            Column("spills", max(call.spill_bytes or 0 for call in own), "B"),
            Column("shared", max(call.shared_bytes or 0 for call in own), "B"),
            _occupancy(least, f" ({least.name})"),
            Column("matrix", ", ".join(dict.fromkeys(name for call in own for name in call.matrix)) or "none"),
            Column("static", sum(static) if len(static) == len(calls) else None, "s", Kind.MODELLED),
        )


def _occupancy(kernel: GpuKernel, of: str = "") -> Column:
    found = kernel.occupancy
    if found is None:
        return Column("occupancy", None, "%", Kind.MODELLED)
    return Column("occupancy", found.share, "%", Kind.MODELLED, f"{found.blocks} by {found.limited_by}{of}")
