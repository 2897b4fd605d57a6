"""The right answer where a router chooses: of tokens whose choice rounding may turn, none is the only right one.

A token takes the k experts of the largest logits. Where the k-th and the next lie nearer than what a backend may err
by in their difference, both choices are right, and the answers to them have nothing in common: such tokens are left out
of the check. So it is with the groups that a token's experts are of, each as large as its largest expert.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oneblock.workloads._workload import Arrays, Case, Workload
from oneblock.workloads.answers.verdict import BUDGET
from oneblock.workloads.ops.definitions import Array, Routing
from oneblock.workloads.ops.numpy_ops import NumpyOps


class Routers(NumpyOps):
    """NumPy operations that remember each router's logits (M, E), and how it chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.logits: list[tuple[np.ndarray, Routing]] = []

    def route(self, logits: Array, routing: Routing) -> Array:
        """As defined."""
        self.logits.append((logits.astype(np.float64), routing))
        return super().route(logits, routing)


@dataclass(frozen=True)
class Answer:
    """What a program gives in NumPy, and the logits by which it chose."""

    outputs: dict[str, np.ndarray]
    logits: list[tuple[np.ndarray, Routing]]

    def decided(self, case: Case, within: float) -> dict[str, np.ndarray]:
        """The outputs, with NaN in y (B, T, C) for each token whose choice a difference of `within` may turn."""
        near = np.zeros(case.B * case.T, bool)
        for logits, routing in self.logits:
            near |= _turned(logits, routing, within)
        if not near.any():
            return self.outputs
        tokens = near.reshape(case.B, case.T)[:, :, None]
        of_tokens = (case.B, case.T, case.config.width)
        return {name: np.where(tokens, np.nan, y) if y.shape == of_tokens else y for name, y in self.outputs.items()}


def _turned(logits: np.ndarray, routing: Routing, within: float) -> np.ndarray:
    """logits (M, E) -> (M,): True for the tokens whose choice a difference of `within` may turn."""
    (M, E), G = logits.shape, routing.groups
    best = logits.reshape(M, G, E // G).max(axis=-1)
    near = _near(best, routing.groups_taken, within)
    least = -np.sort(-best, axis=-1)[:, routing.groups_taken - 1, None]
    near |= _near(np.where(np.repeat(best >= least, E // G, axis=-1), logits, -np.inf), routing.k, within)
    return near


def _near(sizes: np.ndarray, k: int, within: float) -> np.ndarray:
    """sizes (M, n) -> (M,): True where the k-th largest and the next lie so near."""
    if k == sizes.shape[-1]:
        return np.zeros(len(sizes), bool)
    ordered = -np.sort(-sizes, axis=-1)
    return np.asarray(ordered[:, k - 1] - ordered[:, k] <= within)


def answered(workload: Workload, case: Case, arrays: Arrays) -> Answer:
    """What the program gives of these arrays, in their dtype."""
    ops = Routers()
    outputs = workload.program(ops, case, arrays)
    return Answer(outputs, ops.logits)


def nearest(exact: Answer, eager: Answer) -> float:
    """How near two logits may lie and still be told apart: their difference may err by more than in eager NumPy."""
    errors = [a - b for (a, _), (b, _) in zip(exact.logits, eager.logits, strict=True)]
    return BUDGET * max((float(np.ptp(error, axis=-1).max()) for error in errors), default=0.0)
