"""Google's TPUs, each JAX device by itself: v4 as one "megacore" of two TensorCores, of v7x one of a chip's two."""

from __future__ import annotations

from typing import Any

from oneblock.compilers.chips.chip import Figure, Source, Tpu

_GIB, _MIB = 2**30, 2**20
_JAX = Source("JAX, jax._src.pallas.mosaic.tpu_info", "0.10.2")


def _docs(what: str) -> Source:
    return Source(f"Google Cloud TPU documentation, system architecture, {what}")


def _tpu(
    name: str, source: Source, bf16_flops_per_s: float, memory_bytes: int, memory_bytes_per_s: float,
    macs_per_cycle: int | None, **more: Any,
) -> Tpu:  # fmt: skip
    """One generation; a float32 product at the precision "highest" is six bfloat16 ones (BF16_BF16_F32_X6)."""
    return Tpu(
        target=f"tpu:{name}", name=f"TPU {name}",
        peaks={"bfloat16": Figure(bf16_flops_per_s, source), "float32": Figure(bf16_flops_per_s / 6, source)},
        memory_bytes=Figure(memory_bytes, source), memory_bytes_per_s=Figure(memory_bytes_per_s, source),
        macs_per_cycle=None if macs_per_cycle is None else Figure(macs_per_cycle, source), **more,
    )  # fmt: skip


_V5E = _docs("v5e: 197 TFLOP/s, 16 GB, 819 GB/s, 4 MXUs, ICI 400 GB/s")
_V5P = _docs("v5p: 459 TFLOP/s, 95 GB, 2765 GB/s, 8 MXUs, ICI 1200 GB/s")
_V6E = _docs("v6e: 918 TFLOP/s, 32 GB, 1638 GB/s, ICI 800 GB/s")

CHIPS = (
    _tpu(
        "v4", _docs("v4: 275 TFLOP/s, 32 GiB, 1228 GB/s, 8 MXUs"), 275e12, 32 * _GIB, 1228e9, 8 * 128 * 128,
        device_kinds=("TPU v4",), prefix="v4", axes=3, host=(2, 2, 1), devices_per_chip=1,
        options=(("chip_config_name", "megacore"),), on_chip_bytes=Figure(2 * 16 * _MIB, _JAX),
    ),
    _tpu(
        "v5e", _V5E, 197e12, 16 * _GIB, 819e9, 4 * 128 * 128,
        device_kinds=("TPU v5 lite", "TPU v5e"), prefix="v5e", axes=2, host=(2, 2), devices_per_chip=1,
        on_chip_bytes=Figure(128 * _MIB, _JAX), link_bytes_per_s=Figure(400e9, _V5E),
    ),
    _tpu(
        "v5p", _V5P, 459e12, 95 * _GIB, 2765e9, 8 * 128 * 128,
        device_kinds=("TPU v5", "TPU v5p"), prefix="v5p", axes=3, host=(2, 2, 1), devices_per_chip=1,
        on_chip_bytes=Figure(2 * 64 * _MIB, _JAX), link_bytes_per_s=Figure(1200e9, _V5P),
    ),
    # Documented are two 256 x 256 MXUs. XLA's own simulation issues more per cycle than two could (185k to 235k
    # multiply-adds, where two make 131k), so four are assumed for the clock.
    _tpu(
        "v6e", _V6E, 918e12, 32 * _GIB, 1638e9, 4 * 256 * 256,
        device_kinds=("TPU v6 lite", "TPU v6e"), prefix="v6e", axes=2, host=(2, 2), devices_per_chip=1,
        on_chip_bytes=Figure(128 * _MIB, _JAX), link_bytes_per_s=Figure(800e9, _V6E),
    ),
    # The two models of the compiler imply 211k and 498k multiply-adds a cycle: no one clock fits, so none is given.
    _tpu(
        "v7x", _docs("TPU7x: 2307 TFLOP/s, 192 GiB, 7380 GB/s a chip"), 1153.5e12, 96 * _GIB, 3690e9, None,
        device_kinds=("TPU7x", "TPU v7x"), prefix="tpu7x", axes=3, host=(2, 2, 1), devices_per_chip=2,
        on_chip_bytes=Figure(64 * _MIB, _JAX),
    ),
)  # fmt: skip
