"""Google's TPUs, each JAX device by itself: v4 as one "megacore" of two TensorCores, of v7x one of a chip's two."""

from __future__ import annotations

from typing import Any

from oneblock.compilers.chips.chip import Figure, Source, Tpu

_GIB, _MIB = 2**30, 2**20
_JAX = Source("JAX, jax._src.pallas.mosaic.tpu_info", "0.10.2")
_ENGINEERING = Source("stas00/ml-engineering, accelerators, from Google's pages", "744d01e of 2026-08-22")
_ABSENT = {
    "memory_bus_bits": "Google publishes none", "memory_pin_bits_per_s": "Google publishes none",
}  # fmt: skip
_NO_TDP = {"tdp_w": "Google publishes no power of it"}


def _docs(what: str, page: str = "") -> Source:
    return Source(f"Google Cloud TPU documentation, {what}{page}", "read on 2026-11-30")


def _tpu(
    name: str, source: Source, bf16_flops_per_s: float, memory_bytes: Figure[int], memory_bytes_per_s: Figure[float],
    macs_per_cycle: int | None, peaks: dict[str, Figure[float]], absent: dict[str, str] = _NO_TDP, **more: Any,
) -> Tpu:  # fmt: skip
    """One generation; a float32 product at the precision "highest" is six bfloat16 ones (BF16_BF16_F32_X6)."""
    return Tpu(
        target=f"tpu:{name}", name=f"TPU {name}", memory_bytes=memory_bytes, memory_bytes_per_s=memory_bytes_per_s,
        peaks={
            "bfloat16": Figure(bf16_flops_per_s, source), "float32": Figure(bf16_flops_per_s / 6, source), **peaks,
        },
        macs_per_cycle=None if macs_per_cycle is None else Figure(macs_per_cycle, source), absent=_ABSENT | absent,
        **more,
    )  # fmt: skip


_V4, _V5E, _V5P, _V6E, _V7X = _docs("v4"), _docs("v5e"), _docs("v5p"), _docs("v6e"), _docs("TPU7x")
_OTHER = "; an older page of it"

CHIPS = (
    _tpu(
        "v4", _V4, 275e12, Figure(32 * _GIB, _V4).against(Figure(34_400_000_000, _JAX)),
        Figure(1228e9, Source("Google Cloud TPU documentation, pages of v4 beside its own")).against(
            Figure(1200e9, _V4), Figure(1230e9, _JAX)
        ),
        8 * 128 * 128, {"int8": Figure(275e12, _V4)},
        absent={
            "link_bytes_per_s": "its page states none", "chips_per_instance": "its page states none in what was read",
        },
        device_kinds=("TPU v4",), prefix="v4", axes=3, host=(2, 2, 1), devices_per_chip=1,
        tdp_w=Figure(192.0, _docs("v4, the largest that was measured")),
        options=(("chip_config_name", "megacore"),), on_chip_bytes=Figure(2 * 16 * _MIB, _JAX),
    ),
    _tpu(
        "v5e", _V5E, 197e12,
        Figure(16 * _GIB, _V5E).against(Figure(16 * 10**9, _docs("v5e", _OTHER)), Figure(17_200_000_000, _JAX)),
        Figure(819e9, _V5E).against(Figure(800.0 * _GIB, _docs("v5e", _OTHER)), Figure(820e9, _JAX)), 4 * 128 * 128,
        {"int8": Figure(393e12, _V5E).against(Figure(394e12, _JAX)), "int4": Figure(788e12, _JAX)},
        device_kinds=("TPU v5 lite", "TPU v5e"), prefix="v5e", axes=2, host=(2, 2), devices_per_chip=1,
        on_chip_bytes=Figure(128 * _MIB, _JAX),
        link_bytes_per_s=Figure(400e9, _V5E).against(Figure(200e9, _docs("v5e", _OTHER + ", 1600 Gbps"))),
        chips_per_instance=Figure(8, _V5E),
    ),
    _tpu(
        "v5p", _V5P, 459e12, Figure(95 * _GIB, _V5P).against(Figure(103_000_000_000, _JAX)),
        Figure(2765e9, _V5P).against(Figure(2460e9, _JAX)), 8 * 128 * 128,
        {
            "float8_e4m3fn": Figure(459e12, _V5P), "int8": Figure(918e12, _ENGINEERING).against(Figure(918e12, _JAX)),
            "int4": Figure(1840e12, _JAX),
        },
        device_kinds=("TPU v5", "TPU v5p"), prefix="v5p", axes=3, host=(2, 2, 1), devices_per_chip=1,
        on_chip_bytes=Figure(2 * 64 * _MIB, _JAX),
        link_bytes_per_s=Figure(1200e9, _V5P).against(Figure(600e9, _docs("v5p", _OTHER + ", 4800 Gbps"))),
        chips_per_instance=Figure(4, _V5P),
    ),
    # Documented are two 256 x 256 MXUs. XLA's own simulation issues more per cycle than two could (185k to 235k
    # multiply-adds, where two make 131k), so four are assumed for the clock.
    _tpu(
        "v6e", _V6E, 918e12, Figure(32 * _GIB, _V7X).against(Figure(32 * 10**9, _V6E), Figure(34_400_000_000, _JAX)),
        Figure(1638e9, _V6E).against(Figure(1640e9, _JAX)), 4 * 256 * 256,
        {
            "float8_e4m3fn": Figure(918e12, _V7X).against(Figure(920e12, _JAX)),
            "int8": Figure(1836e12, _V6E).against(Figure(1840e12, _JAX)), "int4": Figure(3680e12, _JAX),
        },
        device_kinds=("TPU v6 lite", "TPU v6e"), prefix="v6e", axes=2, host=(2, 2), devices_per_chip=1,
        on_chip_bytes=Figure(128 * _MIB, _JAX), link_bytes_per_s=Figure(800e9, _V6E),
        chips_per_instance=Figure(8, _V6E),
    ),
    # The two models of the compiler imply 211k and 498k multiply-adds a cycle: no one clock fits, so none is given.
    _tpu(
        "v7x", _docs("TPU7x: 2307 TFLOP/s, 192 GiB, 7380 GB/s a chip"), 1153.5e12,
        Figure(96 * _GIB, _V7X).against(Figure(103_000_000_000, _JAX)),
        Figure(3690e9, _V7X).against(Figure(3700e9, _JAX)),
        None, {"float8_e4m3fn": Figure(2307e12, _V7X).against(Figure(2300e12, _JAX))},
        absent=_NO_TDP | {"int8": "neither Google's page nor JAX states one"},
        device_kinds=("TPU7x", "TPU v7x"), prefix="tpu7x", axes=3, host=(2, 2, 1), devices_per_chip=2,
        on_chip_bytes=Figure(64 * _MIB, _JAX), chips_per_instance=Figure(4, _V7X),
        link_bytes_per_s=Figure(600e9, _docs("TPU7x: 1200 GB/s a chip, both directions; half of them a device's")),
    ),
)  # fmt: skip
