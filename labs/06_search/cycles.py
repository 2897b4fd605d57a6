"""The schedules of a product that TVM chooses from, as counts; and what one costs, by a model that everybody can check.

y (M, N) = a (M, K) @ b (K, N) in float32, tiled as TVM's SSRSRS: i0 j0 i1 j1 k0 i2 j2 k1 i3 j3, innermost last.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cache

LANES = 8  # of a vector of float32
REGISTERS = 12  # of 16 vectors: those that are left for sums
L1 = 32 * 1024
UNROLL = (0, 16, 64, 512)
MOST_INNERMOST = 64
SKETCHES = 3  # sums kept apart and written behind j1 or j0; or none kept apart
AXES = ("i2", "i3", "j2", "j3", "k1", "unroll", "apart")


def cycles(M: int, N: int, K: int, tile: Mapping[str, int]) -> float:
    """Of the whole product. `tile` has AXES; `apart` is 1 where sums are kept apart and written once."""
    vectors = -(-tile["j3"] // LANES)
    steps = M * N * K / (tile["i3"] * tile["j3"])  # of k, for a tile (i3, j3) of sums
    products = steps * tile["i3"] * vectors
    loads = steps * (tile["i3"] + vectors)
    if tile["i3"] * vectors > REGISTERS:
        loads += 2 * products  # sums are loaded and stored each time
    rows, columns = tile["i2"] * tile["i3"], tile["j2"] * tile["j3"]
    fits = 4 * (tile["k1"] * (rows + columns) + rows * columns) <= L1
    code = tile["i3"] * tile["k1"]
    jumps = 2.0 if tile["unroll"] == 0 else 0.0 if code <= tile["unroll"] else 1.0
    written = 2 * M * N / LANES * (1 if tile["apart"] else K / tile["k1"])
    return products / 2 + loads * (0.5 if fits else 2.0) + steps * jumps + written


@cache
def tilings(extent: int, many: int) -> tuple[tuple[int, ...], ...]:
    """Every way to write an extent as so many factors, the last of which is no larger than 64."""
    return tuple(way for way in factors(extent, many) if way[-1] <= MOST_INNERMOST)


def factors(extent: int, many: int) -> Iterator[tuple[int, ...]]:
    """Every way to write an extent as so many factors."""
    if many == 1:
        yield (extent,)
        return
    for first in (n for n in range(1, extent + 1) if extent % n == 0):
        for rest in factors(extent // first, many - 1):
            yield (first, *rest)


def axes(M: int, N: int, K: int) -> dict[str, list[tuple[int, ...]]]:
    """What may be chosen, apart from each other: (i2, i3), (j2, j3), k1, unroll, and whether sums are kept apart."""
    return {
        "i": sorted({way[2:] for way in tilings(M, 4)}), "j": sorted({way[2:] for way in tilings(N, 4)}),
        "k": sorted({way[1:] for way in tilings(K, 2)}), "unroll": [(n,) for n in UNROLL], "apart": [(0,), (1,)],
    }  # fmt: skip


def tile_of(chosen: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """A choice of each axis as `cycles` takes it."""
    return dict(zip(AXES, itertools.chain(*(chosen[axis] for axis in ("i", "j", "k", "unroll", "apart"))), strict=True))


@cache
def least(M: int, N: int, K: int) -> float:
    """Of all schedules, by trying all; the worst ways to unroll, and sums that are not apart, are never the best."""
    of = axes(M, N, K)
    return min(
        cycles(M, N, K, tile_of({"i": i, "j": j, "k": k, "unroll": (512,), "apart": (1,)}))
        for i, j, k in itertools.product(of["i"], of["j"], of["k"])
    )
