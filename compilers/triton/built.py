"""A kernel as Triton built it for a GPU: its texts, what one block of it needs, and its machine code on request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import triton
from triton.runtime.cache import get_cache_manager

from oneblock.compilers.api.gpu_kernel import Occupancy
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.chips.occupancy import occupancy
from oneblock.compilers.dialects import amdgcn, ptx, sass
from oneblock.compilers.triton.machine_code import disassembled


@dataclass(frozen=True)
class BuiltKernel:
    """A kernel's stages by name (ttir, ttgir, llir, and ptx or amdgcn), and what one block of it needs."""

    name: str
    texts: Mapping[str, str]
    of: Gpu
    num_warps: int  # as built: warp specialisation adds some
    registers: int  # of one thread
    spill_bytes: int  # of one thread, stored and loaded
    stack_bytes: int  # of one thread
    shared_bytes: int  # of one block, in all
    dynamic_shared_bytes: int  # given at the launch
    instructions: Mapping[str, int]
    binary: str | None = None  # NVIDIA's, in base64: disassembled only if it is asked for, which many are not

    def text(self, stage: str) -> str | None:
        """One of the stages, "sass" too; None where the GPU has none of that name."""
        if stage == "sass" and self.binary is not None:
            return _disassembled(self.binary)
        return self.texts.get(stage)

    @property
    def machine_instructions(self) -> int:
        """In the machine code as text."""
        if self.binary is not None:
            return len(sass.opcodes(_disassembled(self.binary)))
        return amdgcn.total(self.texts["amdgcn"])

    @property
    def matrix_units(self) -> bool:
        """Whether tensor (matrix) cores compute its products."""
        return any(name.startswith((*ptx.TENSOR_CORES, "mfma")) for name in self.instructions)

    @property
    def occupancy(self) -> Occupancy:
        """How many of its blocks live on one multiprocessor."""
        return occupancy(self.of.multiprocessor, self.num_warps, self.registers, self.shared_bytes)


def disassemble(kernels: Iterable[BuiltKernel]) -> None:
    """Have the machine code of each at hand, made for as many at once as there are cores."""
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(_disassembled, {built.binary for built in kernels if built.binary is not None}))


def cores() -> int | None:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@lru_cache(maxsize=256)
def _disassembled(binary: str) -> str:
    """The machine code in a binary; it is kept in Triton's cache, too."""
    kept = get_cache_manager(sha256(f"{triton.__version__} {binary}".encode()).hexdigest())
    path = kept.get_file("oneblock.sass")
    if path is None:
        path = kept.put(disassembled(binary), "oneblock.sass", binary=False)
    return Path(path).read_text()
