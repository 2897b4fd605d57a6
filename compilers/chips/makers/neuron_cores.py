"""AWS's NeuronCores as a kernel meets them: what fits, how fast it goes, and the instances that have them.

Pages of AWS's Neuron documentation at SDK 2.32: the architecture guides of Trainium/Inferentia2, Trainium2 and
Trainium3 (sizes, clocks, rules of access, costs), `nki.isa.nc_matmul` (limits of a product), and "Guideline to Avoid
Under-Utilizing DMA Bandwidth" (bytes per second, latency).
"""

from __future__ import annotations

from oneblock.compilers.chips.chip import Figure, Generation, NeuronCore, Source

KIB = 1024
PARTITIONS = 128
PSUM_BYTES = 16 * KIB  # of a partition
PSUM_BANK_BYTES = 2 * KIB
PSUM_BANKS = PSUM_BYTES // PSUM_BANK_BYTES
STATIONARY_FREE = 128
BN_STATS_FREE = 512
FREE_DIMENSIONS = 4  # of an engine's access pattern
DMA_LATENCY_S = 1300e-9  # from the request until the first byte lies there

_READ = "SDK 2.32.0, aws-neuron-sdk at 81ce03ae of 2026-08-21"


def _guide(generation: int) -> Source:
    return Source(f"AWS's architecture guide of NeuronCore-v{generation}", _READ)


def _clocks(tensor: float, vector: float, scalar: float) -> dict[str, float]:
    return {"tensor": tensor, "vector": vector, "scalar": scalar, "gpsimd": scalar}


_V2 = Generation(_guide(2), 2, 192 * KIB, _clocks(2.8e9, 1.12e9, 1.4e9), 272e9, {"float32": 512})
_V3 = Generation(_guide(3), 3, 224 * KIB, _clocks(2.4e9, 0.96e9, 1.2e9), 368e9, {"float32": 512})
_V4 = Generation(_guide(4), 4, 256 * KIB, _clocks(2.4e9, 1.2e9, 1.2e9), 528e9, {"float32": 4096, "bfloat16": 8192})


_HARDWARE = "AWS's hardware page of"


def _core(
    instance: str, generation: Generation, chip: str, memory_gib: int, cores: int, *, instances: Figure[int],
    bandwidth: Figure[float], link: Figure[float] | None, eights: dict[str, float], page_tflops: float,
) -> NeuronCore:  # fmt: skip
    """One of a chip's cores, with its share of what a page states of the chip.

    TensorE does 128 x 128 multiply-adds of bfloat16 a cycle, and a quarter as many of float32; memory is reached by
    the core's own DMA engines. What the pages state of a chip is more than its cores' clocks give: both are kept.
    """
    source, page = generation.source, Source(f"{_HARDWARE} {chip}, a core's share", _READ)
    flops_per_s = 2.0 * PARTITIONS * STATIONARY_FREE * generation.clock_hz["tensor"]
    halves = Figure(flops_per_s, source).against(Figure(page_tflops * 1e12 / cores, page))
    return NeuronCore(
        target=f"neuron:{instance}", name=f"{instance} (NeuronCore-{generation.name})", generation=generation,
        peaks={
            "bfloat16": halves, "float16": halves, "float32": Figure(flops_per_s / 4, source),
            **{dtype: Figure(tflops * 1e12 / cores, page) for dtype, tflops in eights.items()},
        },
        memory_bytes=Figure(memory_gib * 2**30 // cores, Source(f"{_HARDWARE} {chip}", _READ)),
        memory_bytes_per_s=Figure(generation.dma_bytes_per_s, source).against(bandwidth),
        on_chip_bytes=Figure(PARTITIONS * generation.sbuf_bytes, source),
        caches={"PSUM": Figure(PARTITIONS * PSUM_BYTES, source)}, link_bytes_per_s=link, chips_per_instance=instances,
        absent={
            "tdp_w": "no document of AWS's that was read states it", "memory_bus_bits": "AWS publishes none",
            "memory_pin_bits_per_s": "AWS publishes none",
            **({"link_bytes_per_s": "its page has a number without a heading"} if link is None else {}),
        },
    )  # fmt: skip


def _shared(value: float, cores: int, what: str) -> Figure[float]:
    return Figure(value / cores, Source(f"AWS's pages, {what}, a core's share", _READ))


_OLDER = Figure(410e9, Source("AWS's page at SDK 2.9.1, 820 GB/s a chip, a core's share", "v2.9.1"))
_V2_MEMORY = _shared(820 * 2**30, 2, "820 GiB/s a chip")
_V3_MEMORY, _V4_MEMORY = _shared(2.9e12, 8, "2.9 TB/s a chip"), _shared(4.9e12, 8, "4.9 TB/s a chip")
_FP8 = {"float8_e4m3": 1299.0, "float8_e5m2": 1299.0}  # AWS's FP8 of these generations is not e4m3fn
_MX = {"float8_e4m3fn": 2517.0, "float8_e5m2": 2517.0, "float4_e2m1fn": 2517.0}  # with a scale of a group

CHIPS = (
    _core(
        "inf2", _V2, "Inferentia2", 32, 2, bandwidth=_V2_MEMORY.against(_OLDER), eights={}, page_tflops=190,
        link=_shared(192 * 2**30, 2, "192 GiB/s a chip"),
        instances=Figure(12, Source("AWS's page of Inf2, inf2.48xlarge", _READ)),
    ),
    _core(
        "trn1", _V2, "Trainium", 32, 2, bandwidth=_V2_MEMORY.against(_OLDER), eights={}, page_tflops=190,
        link=None,
        instances=Figure(16, Source("AWS's page of Trn1, trn1.32xlarge", _READ)),
    ),
    _core(
        "trn2", _V3, "Trainium2", 96, 8, bandwidth=_V3_MEMORY, eights=_FP8, page_tflops=667,
        link=_shared(1280e9, 8, "1280 GB/s a chip"),
        instances=Figure(16, Source("AWS's page of Trn2, trn2.48xlarge", _READ)),
    ),
    _core(
        "trn3", _V4, "Trainium3", 144, 8, bandwidth=_V4_MEMORY, eights=_MX, page_tflops=671,
        link=_shared(2560e9, 8, "2560 GB/s a chip"),
        instances=Figure(4, Source("AWS's page of Trn3, a server of an UltraServer", _READ)),
    ),
)  # fmt: skip
