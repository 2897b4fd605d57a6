"""Wrong answers that a workload's check must reject; a workload whose check accepts one proves nothing and is refused.

Two sorts: wrong programs (an operation replaced by one that makes a classic mistake, run in float64 and rounded to the
dtype, so that the mistake is all that is wrong) and spoilt answers (the right answer, changed afterwards).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import ml_dtypes
import numpy as np

from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.answers.verdict import Allowance, check
from oneblock.workloads.ops.definitions import Array, Routing, Scores
from oneblock.workloads.ops.dtypes import dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps


class _Wrong(NumpyOps):
    """NumPy operations with one mistake; `made` tells whether the program gave an occasion for it."""

    def __init__(self) -> None:
        super().__init__()
        self.made = False


class MaskForgotten(_Wrong):
    """Every query sees every key."""

    def visible(self, T: int, S: int, like: Array, window: int | None = None) -> Array:
        """All True; the same as causal where there is one query, and then no mistake."""
        self.made = True
        return np.ones((T, S), dtype=bool)


class MaskLate(_Wrong):
    """Each query misses its own key (the first, which has no other, keeps it)."""

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        """As defined; a lone query is denied the last key, several are by the mask."""
        T, S = q.shape[1], k.shape[1]
        self.made = S > 1
        keys = S - 1 if T == 1 and S > 1 else S
        return super().attention(q, k[:, :keys], v[:, :keys], scores)

    def visible(self, T: int, S: int, like: Array, window: int | None = None) -> Array:
        """Key s for query t if s < t + S - T."""
        own = np.arange(S)[None, :] == np.arange(T)[:, None] + (S - T)
        mask = super().visible(T, S, like, window) & ~own
        mask[~mask.any(axis=1), 0] = True
        return mask


class MaskEarly(_Wrong):
    """Each query sees one key of the future."""

    def visible(self, T: int, S: int, like: Array, window: int | None = None) -> Array:
        """Key s for query t if s <= t + S - T + 1."""
        self.made = True
        next_key = np.arange(S)[None, :] == np.arange(T)[:, None] + (S - T + 1)
        return np.asarray(super().visible(T, S, like, window) | next_key)


class WindowForgotten(_Wrong):
    """Every query sees all keys before it, too."""

    def visible(self, T: int, S: int, like: Array, window: int | None = None) -> Array:
        """Without the window; of a few keys more than it holds nobody would hear."""
        self.made = window is not None and 2 * window <= S
        return super().visible(T, S, like)


class RopeHalvesSwapped(_Wrong):
    """The two halves of a head change places before they are rotated."""

    def rope(self, x: Array, cos: Array, sin: Array) -> Array:
        """As defined, of the swapped halves."""
        self.made = True
        half = x.shape[-1] // 2
        return super().rope(np.concatenate([x[..., half:], x[..., :half]], axis=-1), cos, sin)


class AttentionUnscaled(_Wrong):
    """Scores are not scaled."""

    def attention(self, q: Array, k: Array, v: Array, scores: Scores) -> Array:
        """As defined, with a scale of 1."""
        self.made = k.shape[1] > 1 and scores.scale != 1.0
        return super().attention(q, k, v, replace(scores, scale=1.0))


class LatentUnnormed(_Wrong):
    """Latents are projected up as they were projected down."""

    within = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """As defined, remembered."""
        before, self.within = self.within, name
        yield
        self.within = before

    def rms_norm(self, x: Array, weight: Array, eps: float) -> Array:
        """As defined, but nothing of latents."""
        if self.within != "latent":
            return super().rms_norm(x, weight, eps)
        self.made = True
        return x


class ExpertsUnscaled(_Wrong):
    """The weights of experts are not scaled."""

    def route(self, logits: Array, routing: Routing) -> Array:
        """As defined, with a scale of 1."""
        self.made = routing.scale != 1.0
        return super().route(logits, replace(routing, scale=1.0))


WRONG_PROGRAMS: dict[str, type[_Wrong]] = {
    "mask forgotten": MaskForgotten,
    "mask off by one: own key missing": MaskLate,
    "mask off by one: a key of the future": MaskEarly,
    "window forgotten": WindowForgotten,
    "RoPE halves swapped": RopeHalvesSwapped,
    "attention without its scale": AttentionUnscaled,
    "latents without their norm": LatentUnnormed,
    "experts without their scale": ExpertsUnscaled,
}


def _spoil_one(spoil: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], np.ndarray]:
    """Change the middle element of the last position that is judged: in a cache, the row that was just written."""

    def spoilt(right: np.ndarray) -> np.ndarray:
        wrong = right.copy()
        wrong.flat[_middle(right)] = spoil(wrong)
        return wrong

    return spoilt


def _middle(y: np.ndarray) -> int:
    judged = np.flatnonzero(~np.isnan(y))
    return int(judged[-1 - y.shape[-1] // 2]) if judged.size else -1


def _rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(y**2)))


SPOILT_ANSWERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zeros": np.zeros_like,
    "constant": lambda y: np.full_like(y, np.nanmean(y)),
    "one wrong element": _spoil_one(lambda y: float(y.flat[_middle(y)]) + _rms(y)),
    "one NaN": _spoil_one(lambda _: math.nan),
    "wrong scale": lambda y: y * 1.0625,
    "float8-rounded": lambda y: y.astype(ml_dtypes.float8_e4m3fn).astype(np.float64),
}


def wrong_answers(
    workload: Workload, case: Case, arrays: Arrays, right: Arrays, stale: Arrays
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(mistake, the answer it gives, such as y (B, T, C)) in float64; `stale` answers an earlier input."""
    for mistake, ops_class in WRONG_PROGRAMS.items():
        ops = ops_class()
        answer = workload.program(ops, case, arrays)
        if ops.made:
            yield mistake, answer
    for mistake, spoil in SPOILT_ANSWERS.items():
        for name in right:
            yield f"{mistake} ({name})", {**right, name: spoil(right[name])}
    for name in right:  # x for y, and the old cache for the new
        source = name if name in arrays else workload.main_input
        yield f"copy of the input ({name})", {**right, name: arrays[source]}
        yield f"stale output of an earlier run ({name})", {**right, name: stale[name]}


def accepted(
    answers: Iterator[tuple[str, dict[str, np.ndarray]]],
    reference: Arrays,
    allowances: Mapping[str, Allowance],
    dtype: str,
) -> tuple[list[str], list[str]]:
    """(mistakes tried, those that the check lets pass) of answers such as y (B, T, C): the second must be empty."""
    tried, passed = [], []
    for mistake, answer in answers:
        rounded = {
            name: np.where(np.isnan(reference[name]), 0.0, value).astype(dtype_of(dtype))
            for name, value in answer.items()
        }
        tried.append(mistake)
        if check(rounded, reference, allowances, dtype).passed:
            passed.append(mistake)
    return tried, passed
