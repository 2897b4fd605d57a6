"""NVIDIA's GPUs: limits of an architecture, and what sets one product apart."""

from __future__ import annotations

from oneblock.compilers.chips.chip import Figure, Gpu, Multiprocessor, Source

_KIB, _MIB = 2**10, 2**20
_GUIDE = Source('CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"')
# What a driver reports, and what data sheets leave out: bytes of memory and of L2; B200's clock and multiprocessors.
_OPENXLA = Source("the target configurations that OpenXLA publishes")


def _multiprocessor(
    warps_of_scheduler: int, blocks: int, float32_units: int, shared_kib: int, reserved_kib: int, shared_granule: int
) -> Multiprocessor:
    """An SM: 65536 registers in four parts, given to a warp in pieces of 256; a block may ask for all but what is kept.

    The granules are of CUDA's occupancy calculator.
    """
    return Multiprocessor(
        source=_GUIDE, lanes=32, schedulers=4, warps_of_scheduler=warps_of_scheduler,
        registers_of_lane=65536 // 4 // 32, register_granule=256 // 32, deals_evenly=False, blocks=blocks,
        shared_bytes=shared_kib * _KIB, shared_bytes_of_block=(shared_kib - reserved_kib) * _KIB,
        reserved_bytes_of_block=reserved_kib * _KIB, shared_granule=shared_granule, float32_units=float32_units,
    )  # fmt: skip


_TURING = _multiprocessor(8, 16, 64, 64, 0, 256)
_AMPERE = _multiprocessor(16, 32, 64, 164, 1, 128)
_HOPPER = _multiprocessor(16, 32, 128, 228, 1, 128)
_BLACKWELL = _multiprocessor(16, 32, 128, 228, 1, 128)

_T4 = Source("NVIDIA's data sheet and white paper of the T4")
_A100 = Source("NVIDIA's data sheet and white paper of the A100 80GB SXM")
_H100 = Source("NVIDIA's data sheet and white paper of the H100 SXM")
_H200 = Source("NVIDIA's data sheet and white paper of the H200 SXM")
_B200 = Source("NVIDIA's data sheet and white paper of the HGX B200")


def _halves(flops_per_s: float, source: Source) -> dict[str, Figure[float]]:
    """Dense products on tensor cores, accumulated in float32. Of float32 ones a sheet states two peaks, with TF32."""
    return {dtype: Figure(flops_per_s, source) for dtype in ("float16", "bfloat16")}


CHIPS = (
    Gpu(
        target="cuda:sm_75", name="Tesla T4", multiprocessor=_TURING,
        sms=Figure(40, _T4), clock_hz=Figure(1.59e9, _T4), peaks={"float16": Figure(65e12, _T4)},  # it has no bfloat16
        memory_bytes=Figure(15360 * _MIB, _OPENXLA), memory_bytes_per_s=Figure(320e9, _T4),
        on_chip_bytes=Figure(4 * _MIB, _OPENXLA),
    ),
    Gpu(
        target="cuda:sm_80", name="NVIDIA A100-SXM4-80GB", multiprocessor=_AMPERE,
        sms=Figure(108, _A100), clock_hz=Figure(1.41e9, _A100), peaks=_halves(312e12, _A100),
        memory_bytes=Figure(85_100_068_864, _OPENXLA), memory_bytes_per_s=Figure(2039e9, _A100),
        on_chip_bytes=Figure(40 * _MIB, _OPENXLA),
    ),
    Gpu(
        target="cuda:sm_90", name="NVIDIA H100 80GB HBM3", multiprocessor=_HOPPER,
        sms=Figure(132, _H100), clock_hz=Figure(1.98e9, _H100), peaks=_halves(989.4e12, _H100),
        memory_bytes=Figure(84_942_979_072, _OPENXLA), memory_bytes_per_s=Figure(3350e9, _H100),
        on_chip_bytes=Figure(50 * _MIB, _OPENXLA),
    ),
    Gpu(
        target="cuda:sm_90:h200", name="NVIDIA H200", multiprocessor=_HOPPER,
        sms=Figure(132, _H200), clock_hz=Figure(1.98e9, _H200), peaks=_halves(989.4e12, _H200),
        memory_bytes=Figure(151_397_597_184, _OPENXLA), memory_bytes_per_s=Figure(4800e9, _H200),
        on_chip_bytes=Figure(50 * _MIB, _OPENXLA),
    ),
    Gpu(
        target="cuda:sm_100", name="NVIDIA B200", multiprocessor=_BLACKWELL,
        sms=Figure(148, _OPENXLA), clock_hz=Figure(1.965e9, _OPENXLA), peaks=_halves(2250e12, _B200),
        memory_bytes=Figure(191_514_411_008, _OPENXLA), memory_bytes_per_s=Figure(8000e9, _B200),
        on_chip_bytes=Figure(132_644_864, _OPENXLA),
    ),
)  # fmt: skip
