"""AMD GPUs as occupancy and the static model need to know them.

Sources. Sizes and limits of a compute unit: AMD, "AMD Instinct MI300 Instruction Set Architecture" (CDNA3), and LLVM's
"User Guide for AMDGPU Backend" for the granule in which registers are allotted. Product: AMD's data sheet.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ComputeUnit:
    """What all products of one architecture share, for each compute unit (CU)."""

    simds: int
    waves_of_simd: int  # resident at once
    registers: int  # vector registers of each lane of a SIMD, accumulators included
    register_granule: int
    lds_bytes: int
    lds_granule: int
    work_groups: int  # resident at once
    float32_units: int


@dataclass(frozen=True)
class AmdGpu:
    """One product. Peak and bandwidth are the maker's, of dense products."""

    name: str
    unit: ComputeUnit
    sms: int  # compute units
    clock_hz: float  # peak
    memory_bytes: int
    memory_bytes_per_s: float
    flops_per_s: float  # of float16 and bfloat16 products, accumulated in float32

    @property
    def float32_flops_per_s(self) -> float:
        """What the vector units do at the peak clock, a multiply-add being 2."""
        return 2.0 * self.sms * self.unit.float32_units * self.clock_hz


_CDNA3 = ComputeUnit(4, 8, 512, 8, 64 * 2**10, 512, 32, 128)

AMD_GPUS = {"gfx942": AmdGpu("AMD Instinct MI300X", _CDNA3, 304, 2.1e9, 192 * 2**30, 5.3e12, 1307.4e12)}
