"""NVIDIA's GPUs, by what sets one product apart. Peaks are dense, and accumulated in float32."""

from __future__ import annotations

from oneblock.compilers.chips.chip import Figure, Gpu, Source
from oneblock.compilers.chips.makers import _nvidia as nvidia
from oneblock.compilers.chips.makers._blackwell import BLACKWELL

_T4 = Source("NVIDIA's announcement of the Tesla T4, as geektopia.es tells it", "2018-09-13")
_T4_SMI = Source("nvidia-smi of Tesla T4s, in public outputs", nvidia.READ)
_T4_QUERY = Source("deviceQuery of a Tesla T4, chiemon.github.io: 256 bits at 5001 MHz", "2024-12-25")
_A100 = nvidia.openxla("a100_sxm_80")
_A100_QUERY = Source("deviceQuery of an A100-SXM4-80GB, a gist of gengwg: 5120 bits at 1593 MHz", "2023-03-29")
_L40S_QUERY = Source("deviceQuery of a public L40S, CUDA 12.4: 384 bits at 9001 MHz", nvidia.READ)
_L40S_SHEET = Source("NVIDIA's data sheet of the L40S, as mullet.se lists it beside the L40's", nvidia.READ)
_L40S_SHOP = Source("a reseller's page of the L40S", nvidia.READ)
_L40S_YAML = nvidia.aiconfigurator("l40s")
_H100, _H100_PCIE, _H200 = nvidia.openxla("h100_sxm", "0774019d"), nvidia.openxla("h100_pcie"), nvidia.openxla("h200")
_GH100 = Source("NVIDIA's white paper of the GH100, dense, as glennklockwood.com lists it", nvidia.READ)
_GH100_PCIE = Source("NVIDIA's white paper of the GH100, table 1, as qoofyk/LLM_Sizing_Guide#3 quotes it", "2025-05-22")
_BRIEF = Source("NVIDIA, H100 PCIe product brief, PB-11133-001_v02", "November 2022")
_EIGHT_H200 = Source(f"{nvidia.MLCOMMONS} NVIDIA's H200-SXM-141GB x 8", "inference v4.1")
_NO_BUS = {"memory_bus_bits": "no document read states it"}


def _hopper_pins(mhz: float, file: Source) -> Figure[float]:
    return Figure(2 * mhz * 1e6, Source(f"{file.title}, model_str: {mhz:.0f} MHz, both edges", file.as_of))


CHIPS = (
    Gpu(
        target="cuda:sm_75", name="Tesla T4", multiprocessor=nvidia.TURING,
        sms=Figure(40, _T4_QUERY), clock_hz=Figure(1.59e9, _T4_QUERY),
        peaks={"float16": Figure(65e12, _T4), "int8": Figure(130e12, _T4)},
        memory_bytes=Figure(15360 * nvidia.MIB, _T4_SMI).against(
            Figure(15_843_721_216, _T4_QUERY)
        ),
        memory_bytes_per_s=Figure(320e9, Source("sysrqmts.com, NVIDIA Tesla T4", nvidia.READ)),
        on_chip_bytes=Figure(4 * nvidia.MIB, _T4_QUERY),
        tdp_w=Figure(70.0, Source("sysrqmts.com, NVIDIA Tesla T4", nvidia.READ)).against(Figure(75.0, _T4)),
        memory_bus_bits=Figure(256, _T4_QUERY), memory_pin_bits_per_s=Figure(2 * 5001e6, _T4_QUERY),
        absent={
            "bfloat16": "Turing's tensor cores have none", "link_bytes_per_s": "it has none: its cards meet over PCIe",
            "chips_per_instance": nvidia.NO_INSTANCE,
        },
    ),
    Gpu(
        target="cuda:sm_80", name="NVIDIA A100-SXM4-80GB", multiprocessor=nvidia.AMPERE,
        sms=Figure(108, _A100), clock_hz=Figure(1.41e9, _A100),
        peaks=nvidia.peaks(Figure(312e12, nvidia.ENGINEERING), int8=Figure(624e12, nvidia.ENGINEERING)),
        memory_bytes=Figure(85_100_068_864, _A100).against(Figure(85_198_045_184, _A100_QUERY)),
        memory_bytes_per_s=Figure(2039e9, _A100).against(Figure(2000e9, nvidia.ENGINEERING)),
        on_chip_bytes=Figure(40 * nvidia.MIB, _A100), link_bytes_per_s=Figure(600e9, nvidia.NETWORK),
        tdp_w=Figure(400.0, nvidia.ENGINEERING), memory_bus_bits=Figure(5120, _A100_QUERY),
        memory_pin_bits_per_s=Figure(2 * 1593e6, _A100_QUERY),
        absent={"float8_e4m3fn": "Ampere's tensor cores have none", "chips_per_instance": nvidia.NO_INSTANCE},
    ),
    Gpu(
        target="cuda:sm_89", name="NVIDIA L40S", multiprocessor=nvidia.ADA,
        sms=Figure(142, _L40S_QUERY), clock_hz=Figure(2.52e9, _L40S_QUERY),
        peaks=nvidia.peaks(
            Figure(362.05e12, _L40S_SHEET).against(Figure(362e12, nvidia.ENGINEERING), Figure(362.05e12, _L40S_YAML)),
            Figure(733e12, _L40S_SHEET).against(Figure(733e12, nvidia.ENGINEERING), Figure(733e12, _L40S_YAML)),
            int8=Figure(733e12, nvidia.ENGINEERING),
        ),
        memory_bytes=Figure(47_803_596_800, _L40S_QUERY).against(Figure(48_305_799_168, _L40S_YAML)),
        memory_bytes_per_s=Figure(864e9, _L40S_SHEET).against(Figure(860e9, nvidia.ENGINEERING)),
        on_chip_bytes=Figure(96 * nvidia.MIB, _L40S_QUERY).against(Figure(48 * nvidia.MIB, _L40S_SHOP)),
        tdp_w=Figure(350.0, _L40S_SHEET).against(Figure(300.0, Source("itcreations.com, NVIDIA L40S", nvidia.READ))),
        chips_per_instance=Figure(4, Source("a public workshop on AWS's g6e.12xlarge", nvidia.READ)),
        memory_bus_bits=Figure(384, _L40S_QUERY), memory_pin_bits_per_s=Figure(2 * 9001e6, _L40S_QUERY),
        absent={"link_bytes_per_s": "it has none: its cards meet over PCIe"},
    ),
    Gpu(
        target="cuda:sm_90", name="NVIDIA H100 80GB HBM3", multiprocessor=nvidia.HOPPER,
        sms=Figure(132, _H100), clock_hz=Figure(1.98e9, _H100).against(Figure(1.83e9, nvidia.ENGINEERING)),
        matrix_clock_hz=Figure(1.8295201e9, _H100),
        peaks=nvidia.peaks(
            Figure(989.4e12, _GH100).against(Figure(989e12, nvidia.EXEMPLAR)), Figure(1979e12, nvidia.EXEMPLAR),
            int8=Figure(1979e12, nvidia.ENGINEERING),
        ),
        memory_bytes=Figure(84_942_979_072, _H100),
        memory_bytes_per_s=Figure(3350e9, nvidia.ENGINEERING).against(
            Figure(3_352_320_000_000.0, _H100), Figure(3200e9, nvidia.EXEMPLAR)
        ),
        on_chip_bytes=Figure(50 * nvidia.MIB, _H100), link_bytes_per_s=Figure(900e9, nvidia.EXEMPLAR),
        tdp_w=Figure(700.0, nvidia.EXEMPLAR), chips_per_instance=Figure(8, nvidia.EXEMPLAR),
        memory_bus_bits=Figure(5120, Source("gpu.blog, NVIDIA H100 SXM", nvidia.READ)),
        memory_pin_bits_per_s=_hopper_pins(2619, _H100),
    ),
    Gpu(
        target="cuda:sm_90:h100pcie", name="NVIDIA H100 PCIe", multiprocessor=nvidia.HOPPER,
        sms=Figure(114, _H100_PCIE), clock_hz=Figure(1.755e9, _H100_PCIE),
        matrix_clock_hz=Figure(1.62162e9, _H100_PCIE),
        peaks=nvidia.peaks(
            Figure(756.5e12, _GH100_PCIE).against(Figure(756e12, nvidia.ENGINEERING)),
            Figure(1513e12, nvidia.ENGINEERING), int8=Figure(1513e12, nvidia.ENGINEERING),
        ),
        memory_bytes=Figure(84_942_979_072, _H100_PCIE),
        memory_bytes_per_s=Figure(2_039_040_000_000.0, _H100_PCIE).against(Figure(2000e9, nvidia.ENGINEERING)),
        on_chip_bytes=Figure(50 * nvidia.MIB, _H100_PCIE), tdp_w=Figure(350.0, _BRIEF),
        absent=_NO_BUS | {
            "chips_per_instance": nvidia.NO_INSTANCE,
            "memory_pin_bits_per_s": "no document read states it",
            "link_bytes_per_s": "documents read disagree whether its bridge is part of it",
        },
    ),
    Gpu(
        target="cuda:sm_90:h200", name="NVIDIA H200", multiprocessor=nvidia.HOPPER,
        sms=Figure(132, _H200), clock_hz=Figure(1.98e9, _H200).against(Figure(1.83e9, nvidia.ENGINEERING)),
        matrix_clock_hz=Figure(1.8295201e9, _H200),
        peaks=nvidia.peaks(
            Figure(989.4e12, _GH100).against(Figure(989e12, nvidia.ENGINEERING)), Figure(1979e12, nvidia.ENGINEERING),
            int8=Figure(1979e12, nvidia.ENGINEERING),
        ),
        memory_bytes=Figure(151_397_597_184, _H200), memory_bytes_per_s=Figure(4800e9, _H200),
        on_chip_bytes=Figure(50 * nvidia.MIB, _H200), link_bytes_per_s=Figure(900e9, _EIGHT_H200),
        tdp_w=Figure(700.0, nvidia.ENGINEERING), chips_per_instance=Figure(8, _EIGHT_H200),
        memory_pin_bits_per_s=_hopper_pins(3750, _H200), absent=_NO_BUS,
    ),
    *BLACKWELL,
)  # fmt: skip
