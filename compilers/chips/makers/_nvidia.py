"""NVIDIA's multiprocessors by architecture, and the documents that figures of its GPUs were read in."""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.compilers.chips.chip import Figure, Multiprocessor, Source

KIB, MIB = 2**10, 2**20
NO_INSTANCE = "it is sold in servers of many sizes, and no document read names one"
READ = "read on 2026-11-30"  # of a page without a date of its own


def openxla(file: str, commit: str = "4336d12e") -> Source:
    """What a driver reports, and data sheets leave out."""
    return Source(f"OpenXLA, target_config/specs/{file}.txtpb", f"commit {commit}")


def aiconfigurator(system: str) -> Source:
    """NVIDIA's own, but without sources: it is quoted beside others, and never alone for what others state."""
    return Source(f"aiconfigurator-core, systems/{system}.yaml, which names no source", "0.12.0")


EXEMPLAR = Source(
    "NVIDIA, exemplar-performance, peaks without sparsity and reference architectures", "e249aa3 of 2026-08-18"
)
ENGINEERING = Source("stas00/ml-engineering, accelerators, from NVIDIA's product pages", "744d01e of 2026-08-22")
NETWORK = Source("stas00/ml-engineering, network, NVLink both directions together", "744d01e of 2026-08-22")
SURVEY = Source("aburan28/crypto, SURVEY.md, as rented devices report it", "889defce of 2026-09")
MLCOMMONS = "MLCommons, a submitted system's description,"
_LIMITS = Source("NVIDIA CCCL, cuda/__device/arch_traits.h; granules of CUDA's occupancy calculator", "commit 004ad198")


def _multiprocessor(
    warps_of_scheduler: int, blocks: int, float32_units: int, shared_kib: int, reserved_kib: int, shared_granule: int
) -> Multiprocessor:
    """An SM: 65536 registers in four parts, given to a warp in pieces of 256.

    A block may ask for all shared memory but what is kept.
    """
    return Multiprocessor(
        source=_LIMITS, lanes=32, schedulers=4, warps_of_scheduler=warps_of_scheduler,
        registers_of_lane=65536 // 4 // 32, register_granule=256 // 32, deals_evenly=False, blocks=blocks,
        shared_bytes=shared_kib * KIB, shared_bytes_of_block=(shared_kib - reserved_kib) * KIB,
        reserved_bytes_of_block=reserved_kib * KIB, shared_granule=shared_granule, float32_units=float32_units,
    )  # fmt: skip


TURING = _multiprocessor(8, 16, 64, 64, 0, 256)
AMPERE = _multiprocessor(16, 32, 64, 164, 1, 128)
ADA = _multiprocessor(12, 24, 128, 100, 1, 128)
HOPPER = _multiprocessor(16, 32, 128, 228, 1, 128)
BLACKWELL = _multiprocessor(16, 32, 128, 228, 1, 128)  # sm_100, and sm_103
BLACKWELL_RTX = _multiprocessor(12, 24, 128, 100, 1, 128)  # sm_120


def peaks(half: Figure[float], fp8: Figure[float] | None = None, **more: Figure[float]) -> Mapping[str, Figure[float]]:
    """Dense products on tensor cores, accumulated in float32. Of float32 ones a sheet states two peaks, with TF32."""
    eights = {} if fp8 is None else {"float8_e4m3fn": fp8, "float8_e5m2": fp8}
    return {"float16": half, "bfloat16": half, **eights, **more}
