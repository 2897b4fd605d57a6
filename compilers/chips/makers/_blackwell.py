"""NVIDIA's GPUs of Blackwell and Blackwell Ultra. Of most figures NVIDIA itself publishes two: both are kept."""

from __future__ import annotations

from oneblock.compilers.chips.chip import Figure, Gpu, Source
from oneblock.compilers.chips.figures import halved
from oneblock.compilers.chips.makers import _nvidia as nvidia

_B200, _B300 = nvidia.openxla("b200", "300ec95a"), nvidia.openxla("b300")
_GB200, _GB300 = nvidia.openxla("gb200", "300ec95a"), nvidia.openxla("gb300")
_B200_YAML, _B300_YAML = nvidia.aiconfigurator("b200_sxm"), nvidia.aiconfigurator("b300_sxm")
_VERDA = Source("Verda, GB300 NVL72 architecture, figures of one GPU without sparsity", nvidia.READ)
_LOCKED = Source("measurements of F2FP on a B300 SXM6 AC: the highest clock of its driver is 2032 MHz", "2026-04-14")
_COURSE = Source("a course's report on a B300: its driver has 7680 bits at 3996 MHz, both edges", "2026-09-11")
_TOMS = Source("Tom's Hardware on NVIDIA's Hot Chips presentation of Blackwell Ultra", nvidia.READ)
_EIGHT, _FOUR = Figure(8, nvidia.EXEMPLAR), Figure(4, Source(f"{nvidia.MLCOMMONS} GB200 NVL72", "inference v6.1"))
_LINK = Figure(1800e9, nvidia.EXEMPLAR)  # NVLink 5, both directions
_NO_PINS = {
    "memory_bus_bits": "no document read states it; what OpenXLA's bandwidth and clock imply is no stack's width"
}
_PINS = Figure(
    2 * 3996e6, Source("OpenXLA, model_str of its target configuration: 3996 MHz, both edges", "commit 300ec95a")
)


def _both(exemplar: float, pages: float) -> Figure[float]:
    return Figure(exemplar, nvidia.EXEMPLAR).against(Figure(pages, nvidia.ENGINEERING))


_SERVER = Source(
    "NVIDIA's data sheet of the RTX PRO 6000 Server Edition of December 2025, page 3, as `GPU hardware evidence for "
    "the next Ouro Jacobian fit` quotes it",
    "2026-09-07",
)
_STUDY = Source(
    "NVIDIA's page of the RTX PRO 6000 Server Edition, as a study of Qwen3.8-27B on it quotes it", "2026-09-19"
)
_QUERY = Source("what the driver of a public RTX PRO 6000 Server Edition reports: 512 bits at 12481 MHz", nvidia.READ)
_OPENXLA_PRO = nvidia.openxla("rtx6000pro")
_G7E = Source("takech9203, aws-news-summary, EC2 G7e in the Tokyo region", "2026-02-19")
_AZURE = Source("MicrosoftDocs/azure-compute-docs, NC_RTXPRO6000BSE_v6", "2025-12-08")
_PRO_YAML = nvidia.aiconfigurator("rtx_pro_6000_server")

BLACKWELL = (
    Gpu(
        target="cuda:sm_100", name="NVIDIA B200", multiprocessor=nvidia.BLACKWELL,
        sms=Figure(148, _B200), clock_hz=Figure(1.965e9, _B200), matrix_clock_hz=Figure(1.8353101e9, _B200),
        peaks=nvidia.peaks(
            Figure(2250e12, nvidia.EXEMPLAR), Figure(4500e12, nvidia.EXEMPLAR),
            float4_e2m1fn=_both(9000e12, 10000e12), int8=Figure(4500e12, nvidia.ENGINEERING),
        ),
        memory_bytes=Figure(191_514_411_008, _B200).against(Figure(180 * 10**9, nvidia.EXEMPLAR)),
        memory_bytes_per_s=Figure(8000e9, nvidia.ENGINEERING).against(
            Figure(7700e9, nvidia.EXEMPLAR), Figure(7_672_320_000_000.0, _B200), Figure(7700e9, _B200_YAML)
        ),
        on_chip_bytes=Figure(132_644_864, _B200), link_bytes_per_s=_LINK, tdp_w=Figure(1000.0, nvidia.EXEMPLAR),
        chips_per_instance=_EIGHT, memory_pin_bits_per_s=_PINS, absent=_NO_PINS,
    ),
    Gpu(
        target="cuda:sm_100:gb200", name="NVIDIA GB200", multiprocessor=nvidia.BLACKWELL,
        sms=Figure(152, _GB200), clock_hz=Figure(2.062e9, _GB200), matrix_clock_hz=Figure(1.9259081e9, _GB200),
        peaks=nvidia.peaks(_both(2450e12, 2500e12), _both(4900e12, 5000e12), float4_e2m1fn=_both(9800e12, 10000e12)),
        memory_bytes=Figure(197_897_748_480, _GB200).against(
            Figure(186 * 10**9, nvidia.EXEMPLAR), Figure(198_674_743_296, nvidia.aiconfigurator("gb200"))
        ),
        memory_bytes_per_s=Figure(8000e9, nvidia.EXEMPLAR).against(Figure(7_928_064_000_000.0, _GB200)),
        on_chip_bytes=Figure(135_528_448, _GB200), link_bytes_per_s=_LINK, tdp_w=Figure(1200.0, nvidia.ENGINEERING),
        chips_per_instance=_FOUR, memory_pin_bits_per_s=_PINS,
        absent=_NO_PINS | {"int8": "no document read states one"},
    ),
    Gpu(
        target="cuda:sm_103", name="NVIDIA B300 SXM6 AC", multiprocessor=nvidia.BLACKWELL,
        sms=Figure(148, nvidia.SURVEY).against(Figure(158, _B300)),
        clock_hz=Figure(1.965e9, _B300).against(Figure(2.032e9, _LOCKED)), matrix_clock_hz=Figure(1.8353101e9, _B300),
        peaks=nvidia.peaks(
            Figure(2250e12, nvidia.EXEMPLAR), Figure(4500e12, nvidia.EXEMPLAR),
            float4_e2m1fn=Figure(13500e12, nvidia.EXEMPLAR).against(
                Figure(12600e12, nvidia.ENGINEERING), Figure(14000e12, _B300_YAML)
            ),
            int8=Figure(150e12, _VERDA).against(Figure(4500e12, nvidia.ENGINEERING), Figure(153.5e12, _B300_YAML)),
        ),
        memory_bytes=Figure(297_021_865_984, _B300).against(
            Figure(270 * 10**9, nvidia.EXEMPLAR), Figure(288 * 10**9, nvidia.ENGINEERING),
            Figure(288_400_343_040, _B300_YAML),
        ),
        memory_bytes_per_s=Figure(8000e9, nvidia.ENGINEERING).against(
            Figure(7700e9, nvidia.EXEMPLAR), Figure(7936e9, _B300), Figure(7750e9, _B300_YAML)
        ),
        on_chip_bytes=Figure(135_528_448, _B300), link_bytes_per_s=_LINK,
        tdp_w=Figure(1100.0, nvidia.EXEMPLAR).against(Figure(1000.0, nvidia.ENGINEERING), Figure(1400.0, _TOMS)),
        chips_per_instance=_EIGHT, memory_bus_bits=Figure(7680, _COURSE),
        memory_pin_bits_per_s=Figure(2 * 3996e6, _COURSE),
    ),
    Gpu(
        target="cuda:sm_103:gb300", name="NVIDIA GB300", multiprocessor=nvidia.BLACKWELL,
        sms=Figure(152, _GB300), clock_hz=Figure(2.07e9, _GB300), matrix_clock_hz=Figure(1.93338e9, _GB300),
        peaks=nvidia.peaks(
            _both(2450e12, 2500e12), _both(4900e12, 5000e12), float4_e2m1fn=_both(14700e12, 15000e12),
            int8=Figure(165e12, _VERDA).against(Figure(5000e12, nvidia.ENGINEERING)),
        ),
        memory_bytes=Figure(297_021_079_552, _GB300).against(
            Figure(279 * 10**9, nvidia.EXEMPLAR), Figure(298_013_687_808, nvidia.aiconfigurator("gb300"))
        ),
        memory_bytes_per_s=Figure(8000e9, nvidia.EXEMPLAR).against(Figure(7_928_064_000_000.0, _GB300)),
        on_chip_bytes=Figure(135_528_448, _GB300), link_bytes_per_s=_LINK, tdp_w=Figure(1400.0, nvidia.EXEMPLAR),
        chips_per_instance=Figure(4, nvidia.ENGINEERING), memory_pin_bits_per_s=_PINS, absent=_NO_PINS,
    ),
    Gpu(
        target="cuda:sm_120", name="NVIDIA RTX PRO 6000 Blackwell Server Edition", multiprocessor=nvidia.BLACKWELL_RTX,
        sms=Figure(188, _QUERY), clock_hz=Figure(2.43e9, _QUERY).against(Figure(2.6e9, _OPENXLA_PRO)),
        peaks=nvidia.peaks(
            halved(1000e12, _STUDY).against(Figure(467.8e12, _PRO_YAML)),
            halved(2000e12, _STUDY).against(Figure(935.6e12, _PRO_YAML)),
            float4_e2m1fn=halved(4000e12, _STUDY).against(Figure(1871.2e12, _PRO_YAML)),
        ),
        memory_bytes=Figure(97249 * nvidia.MIB, _QUERY).against(
            Figure(102_641_958_912, _PRO_YAML), Figure(103_079_215_104, _OPENXLA_PRO)
        ),
        memory_bytes_per_s=Figure(1597e9, _SERVER).against(Figure(1792e9, _OPENXLA_PRO), Figure(1792e9, _PRO_YAML)),
        on_chip_bytes=Figure(128 * nvidia.MIB, _QUERY), tdp_w=Figure(600.0, _SERVER),
        chips_per_instance=Figure(8, _G7E).against(Figure(2, _AZURE)), memory_bus_bits=Figure(512, _QUERY),
        memory_pin_bits_per_s=Figure(2 * 12481e6, _QUERY),
        absent={"link_bytes_per_s": "it has none: its cards meet over PCIe", "int8": "no document read states one"},
    ),
)  # fmt: skip
