"""The static model that ranks configurations of kernels where there is no clock, held against reported products.

It is `compilers/chips/launch_model.py`, with a configuration for each tile of the trial's: a program a tile, whose
operands are asked for once a program, and two steps of 64 ahead. It has no share that was fitted, so what it says is a
bound of its own kind; a rank is what it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.stats import spearmanr

from oneblock.bench.silicon.operators.product import TILES, Products
from oneblock.bench.silicon.trial import Tried
from oneblock.compilers.chips import launch_model
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.chips.launch_model import Demand

_AHEAD, _STEP = 2, 64  # steps of the inner axis that a program asks ahead for, and how long one is
_ACCUMULATORS = 128  # of a thread, as backends let a product have: a tile's residents follow from its registers
_ROWS = 500  # of a file: a loop in Python
_SEED = 0


@dataclass(frozen=True)
class Ranked:
    """How the static model did on some of a chip's rows."""

    median_log: float  #: of |log(reported / modelled)|
    rank: float  #: Spearman's correlation of modelled with reported times


def ranked(one: Tried, gpu: Gpu) -> Ranked | None:
    """Of a product's rows; None of another operator's, or where float16's peak is not the one that computes it."""
    if one.rows.launches.operator != Products.operator or one.rows.dtype != "bfloat16":
        return None
    launches = cast(Any, one.rows.launches)  # Products, by its operator
    which = np.random.default_rng(_SEED).choice(len(one.rows), min(_ROWS, len(one.rows)), replace=False)
    reported = one.rows.seconds[which]
    modelled = np.array([_best(gpu, *(int(axis[n]) for axis in (launches.M, launches.N, launches.K))) for n in which])
    away = float(np.median(np.abs(np.log(reported / modelled))))
    return Ranked(away, float(spearmanr(modelled, reported).statistic))


def _best(gpu: Gpu, M: int, N: int, K: int) -> float:
    """Seconds of the configuration that it likes best."""
    return min(
        launch_model.seconds(_demand(M, N, K, a, b), _resident(gpu, a, b), gpu, matrix_units=True) for a, b in TILES
    )


def _demand(M: int, N: int, K: int, a: int, b: int) -> Demand:
    programs = -(-M // a) * -(-N // b)
    return Demand(
        programs, flops=2.0 * programs * a * b * K, compulsory_bytes=2.0 * (M * K + K * N + M * N),
        asked_bytes=2.0 * (programs * (a + b) * K + M * N), in_flight_bytes=2.0 * (a + b) * _STEP * _AHEAD,
    )  # fmt: skip


def _resident(gpu: Gpu, a: int, b: int) -> int:
    """Programs of a tile on one multiprocessor: by shared memory for its steps, and by threads for its accumulators."""
    shared = 2 * (a + b) * _STEP * (_AHEAD + 1)
    threads = max(128, a * b // _ACCUMULATORS)
    of = gpu.multiprocessor
    return max(1, min(of.shared_bytes // shared, of.threads // threads, of.blocks))
