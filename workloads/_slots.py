"""The block as a decoder calls it: its caches have slots for tokens that are still to come, and are given back.

It is the text of `block`, and no workload that a cell can be of: nothing is timed or judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from oneblock.workloads import block
from oneblock.workloads._workload import Case, Outputs, Phase, Spec, Workload
from oneblock.workloads.models import Config
from oneblock.workloads.ops.definitions import Array, Ops

OPS_SET = "plain"  # the one that can be told which slots a query sees


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C), and in both phases the caches (B, S, K, D) with the tokens read."""
    return block.program(ops, case, a, by_slots=True)


def specs(case: Case) -> dict[str, Spec]:
    """Those of the block; in decode also "slots" (S,), and tables (1, R/2) that change from token to token."""
    found = block.specs(case)
    if case.phase is Phase.PREFILL:
        return found
    tables = {name: replace(spec, is_input=True, table=None) for name, spec in found.items() if spec.table is not None}
    return found | tables | {"slots": Spec((case.S,), is_input=True)}


def outputs(case: Case) -> dict[str, tuple[int, ...]]:
    """y (B, T, C) and both caches (B, S, K, D)."""
    cache = (case.B, case.S, case.config.kv_heads, case.config.head_width)
    return {"y": (case.B, case.T, case.config.width), "k_cache": cache, "v_cache": cache}


def slots(config: Config, S: int, position: int, dtype: np.dtype) -> np.ndarray:
    """What a token at a position, from 0, may do with each of S slots, (S,): 0 its own, 1 seen, 2 not seen.

    Numbers that every dtype holds exactly. Of a window it sees the last W, its own among them.
    """
    number = np.arange(S)
    hidden = (number > position) | (number <= position - (config.window or S))
    return np.where(number == position, 0, 1 + hidden).astype(dtype)


def tables(
    case: Case, dtype: np.dtype, position: int | None = None, tokens: int | None = None
) -> dict[str, np.ndarray]:
    """The rotary tables: (1, R/2) at a position, or (T, R/2) of the first so many tokens, and zero behind them.

    As transformers does, a rotation that depends on how many positions there are is that of those read so far.
    """
    found = {}
    for name, spec in block.specs(case).items():
        if spec.table is None:
            continue
        if position is not None:
            found[name] = spec.table(case.config, 1, position + 1).astype(dtype)
            continue
        read = spec.table(case.config, tokens or case.T, tokens or case.T)
        found[name] = np.zeros(spec.shape, dtype)
        found[name][: len(read)] = read
    return found


WORKLOAD = Workload("block", program, specs, block.costs, outputs, "x")
