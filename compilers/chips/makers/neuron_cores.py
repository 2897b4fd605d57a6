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


def _core(instance: str, generation: Generation, chip: str, memory_gib: int, cores: int) -> NeuronCore:
    """One of a chip's cores, with its share of the chip's memory, which it reaches by its own DMA engines.

    TensorE does 128 x 128 multiply-adds of bfloat16 a cycle, and a quarter as many of float32.
    """
    source = generation.source
    flops_per_s = 2.0 * PARTITIONS * STATIONARY_FREE * generation.clock_hz["tensor"]
    return NeuronCore(
        target=f"neuron:{instance}", name=f"{instance} (NeuronCore-{generation.name})", generation=generation,
        peaks={"bfloat16": Figure(flops_per_s, source), "float32": Figure(flops_per_s / 4, source)},
        memory_bytes=Figure(memory_gib * 2**30 // cores, Source(f"AWS's hardware page of {chip}", _READ)),
        memory_bytes_per_s=Figure(generation.dma_bytes_per_s, source),
        on_chip_bytes=Figure(PARTITIONS * generation.sbuf_bytes, source),
    )  # fmt: skip


CHIPS = (
    _core("inf2", _V2, "Inferentia2", 32, 2),
    _core("trn1", _V2, "Trainium", 32, 2),
    _core("trn2", _V3, "Trainium2", 96, 8),
    _core("trn3", _V4, "Trainium3", 144, 8),
)
