"""AMD's GPUs: the compute unit of an architecture, and its products."""

from __future__ import annotations

from oneblock.compilers.chips.chip import Figure, Gpu, Multiprocessor, Source

# The granule in which registers are allotted is LLVM's, "User Guide for AMDGPU Backend".
_ISA = Source('AMD, "AMD Instinct MI300 Instruction Set Architecture" (CDNA3)')
_MI300X = Source("AMD's data sheet of the Instinct MI300X")

_CDNA3 = Multiprocessor(
    source=_ISA, lanes=64, schedulers=4, warps_of_scheduler=8, registers_of_lane=512, register_granule=8,
    deals_evenly=True, blocks=32, shared_bytes=64 * 2**10, shared_bytes_of_block=64 * 2**10,
    reserved_bytes_of_block=0, shared_granule=512, float32_units=128,
)  # fmt: skip

CHIPS = (
    Gpu(
        target="rocm:gfx942", name="AMD Instinct MI300X", multiprocessor=_CDNA3,
        sms=Figure(304, _MI300X), clock_hz=Figure(2.1e9, _MI300X),
        peaks={dtype: Figure(1307.4e12, _MI300X) for dtype in ("float16", "bfloat16")},  # accumulated in float32
        memory_bytes=Figure(192 * 2**30, _MI300X), memory_bytes_per_s=Figure(5.3e12, _MI300X),
    ),
)  # fmt: skip
