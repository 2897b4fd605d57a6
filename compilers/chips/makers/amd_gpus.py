"""AMD's GPUs: the compute unit of an architecture, and its products."""

from __future__ import annotations

from dataclasses import replace

from oneblock.compilers.chips.chip import Figure, Gpu, Multiprocessor, Source

_GIB, _MIB, _KIB = 2**30, 2**20, 2**10
_READ = "read on 2026-11-30"
# The granules in which registers and LDS are allotted are LLVM's: its User Guide, and what it compiles.
_ISA = Source('AMD, "AMD Instinct MI300 Instruction Set Architecture" (CDNA3)')
_SPECS = Source("AMD, ROCm documentation, AMD GPU specifications", "7.13.0-preview")
_ENGINEERING = Source("stas00/ml-engineering, accelerators, from AMD's product pages", "744d01e of 2026-08-22")
_XGMI = Source("stas00/ml-engineering, network, XGMI to all neighbours in one direction", "744d01e of 2026-08-22")
_COMPARED = Source("alpharomercoma/MI300X-vs-H200, METHODOLOGY.md, dense, from AMD's data sheet", "commit 6077fdc7")
_XLA_MI300, _XLA_MI350 = (
    Source(f"OpenXLA, target_config/specs/{file}.txtpb{whose}", f"commit {commit}")
    for file, whose, commit in (("mi300", "", "09e10b8f"), ("mi350", ", of an MI350X", "4926822b"))
)
_SYSTEM = Source("MLCommons, a submitted system's description, 8xMI300X", "inference v4.1")
_SYSTEM_355 = Source("MLCommons, a submitted system's description, 87xMI355X", "inference v6.0")
_BLOG = Source("gpu.blog, Instinct MI300X", _READ)

_CDNA3 = Multiprocessor(
    source=_ISA, lanes=64, schedulers=4, warps_of_scheduler=8, registers_of_lane=512, register_granule=8,
    deals_evenly=True, blocks=32, shared_bytes=64 * _KIB, shared_bytes_of_block=64 * _KIB,
    reserved_bytes_of_block=0, shared_granule=512, float32_units=128,
)  # fmt: skip
_CDNA4 = replace(
    _CDNA3, source=_XLA_MI350, shared_bytes=160 * _KIB, shared_bytes_of_block=160 * _KIB, shared_granule=1280
)
_NO_PIN = {"memory_pin_bits_per_s": "no document read states it"}
_HALVES, _FNUZ = ("float16", "bfloat16"), ("float8_e4m3fnuz", "float8_e5m2fnuz")
_TRIED = Source("stas00/ml-engineering, its own table of what was reached, spec column", "744d01e of 2026-08-22")
_CACHES = {
    "L1 vector, of a CU": Figure(32 * _KIB, _SPECS),
    "L3": Figure(256 * _MIB, _SPECS),
}

CHIPS = (
    Gpu(
        target="rocm:gfx942", name="AMD Instinct MI300X", multiprocessor=_CDNA3,
        sms=Figure(304, _XLA_MI300), clock_hz=Figure(2.1e9, _ENGINEERING),
        peaks={  # accumulated in float32
            **dict.fromkeys(_HALVES, Figure(1307.4e12, _COMPARED).against(Figure(1300e12, _ENGINEERING))),
            **dict.fromkeys(_FNUZ, Figure(2614.9e12, _COMPARED).against(Figure(2610e12, _ENGINEERING))),
            "int8": Figure(2600e12, _ENGINEERING),
        },
        memory_bytes=Figure(192 * _GIB, _SYSTEM).against(Figure(270_566_162_432, _XLA_MI300)),
        memory_bytes_per_s=Figure(5.3e12, _COMPARED).against(Figure(6.81e12, _XLA_MI300), Figure(5.2e12, _BLOG)),
        on_chip_bytes=Figure(32 * _MIB, _SPECS), caches=_CACHES,
        link_bytes_per_s=Figure(448e9, _XGMI), tdp_w=Figure(750.0, _ENGINEERING), chips_per_instance=Figure(8, _SYSTEM),
        memory_bus_bits=Figure(8192, Source("a public account of the MI300X: eight stacks of HBM3", _READ)).against(
            Figure(6144, _BLOG)
        ),
        absent=_NO_PIN,
    ),
    Gpu(
        target="rocm:gfx950", name="AMD Instinct MI355X", multiprocessor=_CDNA4,
        sms=Figure(256, _SPECS), clock_hz=Figure(2.4e9, _ENGINEERING),
        peaks={
            **dict.fromkeys(_HALVES, Figure(2500e12, _ENGINEERING).against(Figure(2300e12, _TRIED))),
            **dict.fromkeys(("float8_e4m3fn", "float8_e5m2"), Figure(5000e12, _ENGINEERING)),
            **dict.fromkeys(("float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"), Figure(10100e12, _ENGINEERING)),
            "int8": Figure(5000e12, _ENGINEERING),
        },
        memory_bytes=Figure(288 * _GIB, _SPECS).against(
            Figure(288 * 10**9, _SYSTEM_355), Figure(270_566_162_432, _XLA_MI350)
        ),
        memory_bytes_per_s=Figure(8.0e12, _ENGINEERING).against(Figure(7.782e12, _XLA_MI350)),
        on_chip_bytes=Figure(32 * _MIB, _SPECS), caches=_CACHES,
        link_bytes_per_s=Figure(535.5e9, _XGMI), tdp_w=Figure(1400.0, _ENGINEERING),
        chips_per_instance=Figure(8, _SYSTEM_355),
        memory_bus_bits=Figure(8192, Source("a public account of the MI355X's layout", _READ)), absent=_NO_PIN,
    ),
)  # fmt: skip
