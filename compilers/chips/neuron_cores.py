"""Generations of the NeuronCore as a kernel meets them: what fits, how fast it goes, and where that is written.

Sources, pages of AWS's Neuron documentation at SDK 2.32: the architecture guides of Trainium/Inferentia2, Trainium2 and
Trainium3 (sizes, clocks, rules of access, costs), `nki.isa.nc_matmul` (limits of a product), and "Guideline to Avoid
Under-Utilizing DMA Bandwidth" (bytes per second, latency).
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
PARTITIONS = 128
PSUM_BYTES = 16 * KIB  # of a partition
PSUM_BANK_BYTES = 2 * KIB
PSUM_BANKS = PSUM_BYTES // PSUM_BANK_BYTES
STATIONARY_FREE = 128
BN_STATS_FREE = 512
FREE_DIMENSIONS = 4  # of an engine's access pattern
DMA_LATENCY_S = 1300e-9  # from the request until the first byte lies there


@dataclass(frozen=True)
class Generation:
    """One generation. Clocks by engine; the DMA figure is of all 16 engines of a core."""

    name: str  # "v2"
    number: int
    products: tuple[str, ...]  # the instances that have it
    sbuf_bytes: int  # of a partition
    clock_hz: dict[str, float]
    dma_bytes_per_s: float
    moving_free: dict[str, int]  # the widest moving operand, by the dtype of the product

    @property
    def flops_per_s(self) -> float:
        """Of bfloat16 products: 128 x 128 multiply-adds a cycle of TensorE."""
        return 2.0 * PARTITIONS * STATIONARY_FREE * self.clock_hz["tensor"]


def _clocks(tensor: float, vector: float, scalar: float) -> dict[str, float]:
    return {"tensor": tensor, "vector": vector, "scalar": scalar, "gpsimd": scalar}


GENERATIONS = {
    "v2": Generation(
        "v2", 2, ("inf2", "trn1"), 192 * KIB, _clocks(2.8e9, 1.12e9, 1.4e9), 272e9, {"float32": 512}
    ),
    "v3": Generation("v3", 3, ("trn2",), 224 * KIB, _clocks(2.4e9, 0.96e9, 1.2e9), 368e9, {"float32": 512}),
    "v4": Generation(
        "v4", 4, ("trn3",), 256 * KIB, _clocks(2.4e9, 1.2e9, 1.2e9), 528e9, {"float32": 4096, "bfloat16": 8192}
    ),
}  # fmt: skip


def generation(name: str) -> Generation:
    """By its own name ("v2"), a product's ("trn1") or the vendor's variable's ("gen2"); LookupError lists them."""
    for one in GENERATIONS.values():
        if name in (one.name, f"gen{one.number}", *one.products):
            return one
    known = [name for one in GENERATIONS.values() for name in (one.name, *one.products)]
    raise LookupError(f"generation {name!r}: expected one of {', '.join(known)}; there is no default")
