"""What accelerators' makers state of them: peaks, bandwidths and sizes, each JAX device by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """One device of a generation. Peaks are of dense products; a float32 product is six bfloat16 ones (see `flops`)."""

    name: str
    bf16_flops_per_s: float
    hbm_bytes_per_s: float
    hbm_bytes: int
    macs_per_cycle: int | None  # of the matrix units together; None where no source and no tool agrees
    source: str

    def flops_per_s(self, dtype: str) -> float | None:
        """The peak in a dtype; None where none is stated.

        XLA:TPU computes a float32 product at the precision "highest" as six bfloat16 products (BF16_BF16_F32_X6).
        """
        return {"bfloat16": self.bf16_flops_per_s, "float32": self.bf16_flops_per_s / 6}.get(dtype)

    @property
    def clock_hz(self) -> float | None:
        """The clock that the peak implies: FLOP/s = 2 * MACs per cycle * clock. Google publishes none."""
        return None if self.macs_per_cycle is None else self.bf16_flops_per_s / (2 * self.macs_per_cycle)


_DOCS = "Google Cloud TPU documentation, system architecture"
_GIB = 2**30

# v4 as one megacore of two TensorCores; of v7x a device is one of the chip's two TensorCores, and so half a chip.
TPUS = {
    chip.name: chip
    for chip in (
        Chip("v4", 275e12, 1228e9, 32 * _GIB, 8 * 128 * 128, f"{_DOCS}, v4: 275 TFLOP/s, 32 GiB, 1228 GB/s, 8 MXUs"),
        Chip("v5e", 197e12, 819e9, 16 * _GIB, 4 * 128 * 128, f"{_DOCS}, v5e: 197 TFLOP/s, 16 GB, 819 GB/s, 4 MXUs"),
        Chip("v5p", 459e12, 2765e9, 95 * _GIB, 8 * 128 * 128, f"{_DOCS}, v5p: 459 TFLOP/s, 95 GB, 2765 GB/s, 8 MXUs"),
        # Documented are two 256 x 256 MXUs. XLA's own simulation issues more per cycle than two could (185k to 235k
        # multiply-adds, where two make 131k), so four are assumed for the clock.
        Chip("v6e", 918e12, 1638e9, 32 * _GIB, 4 * 256 * 256, f"{_DOCS}, v6e: 918 TFLOP/s, 32 GB, 1638 GB/s"),
        # The two models of the compiler imply 211k and 498k multiply-adds a cycle: no one clock fits, so none is given.
        Chip("v7x", 1153.5e12, 3690e9, 96 * _GIB, None, f"{_DOCS}, TPU7x: 2307 TFLOP/s, 192 GiB, 7380 GB/s a chip"),
    )
}
