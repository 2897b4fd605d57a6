"""The block as a decoder calls it: its caches have slots for tokens that are still to come, and are given back.

It is the text of `block`, and no workload that a cell can be of: nothing is timed or judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from oneblock.workloads import block
from oneblock.workloads._workload import Case, Outputs, Phase, Spec, Workload
from oneblock.workloads.ops.definitions import Array, Ops

OPS_SET = "plain"  # where no other is asked for


def program(ops: Ops, case: Case, a: Mapping[str, Array]) -> Outputs:
    """x (B, T, C) -> y (B, T, C), and in both phases the caches (B, K, S, D) with the tokens read."""
    return block.program(ops, case, a, by_slots=True)


def specs(case: Case) -> dict[str, Spec]:
    """Those of the block; in decode also "position" (B,), whole numbers, and tables (B, 1, R/2) of each position."""
    found = block.specs(case)
    if case.phase is Phase.PREFILL:
        return found
    tables = {
        name: replace(spec, shape=(case.B, *spec.shape), is_input=True, table=None)
        for name, spec in found.items()
        if spec.table is not None
    }
    return found | tables | {"position": Spec((case.B,), is_input=True)}


def outputs(case: Case) -> dict[str, tuple[int, ...]]:
    """y (B, T, C) and both caches (B, K, S, D)."""
    cache = (case.B, case.config.kv_heads, case.S, case.config.head_width)
    return {"y": (case.B, case.T, case.config.width), "k_cache": cache, "v_cache": cache}


def prompt_tables(case: Case, dtype: np.dtype, tokens: int) -> dict[str, np.ndarray]:
    """The rotary tables (T, R/2) of so many tokens, and zero behind them.

    As transformers does, a rotation that depends on how many positions there are is that of those read so far.
    """
    found = {}
    for name, spec in block.specs(case).items():
        if spec.table is not None:
            read = spec.table(case.config, tokens, tokens)
            found[name] = np.zeros(spec.shape, dtype)
            found[name][: len(read)] = read
    return found


def at(case: Case, dtype: np.dtype, positions: Sequence[int]) -> dict[str, np.ndarray]:
    """What a decode is told of the positions, from 0, of its B tokens: "position" (B,), and their rotary tables."""
    found = {"position": np.asarray(positions, np.int32)}
    for name, spec in block.specs(case).items():
        if spec.table is not None:
            found[name] = np.stack([spec.table(case.config, 1, one + 1) for one in positions]).astype(dtype)
    return found


WORKLOAD = Workload("block", program, specs, block.costs, outputs, "x")
