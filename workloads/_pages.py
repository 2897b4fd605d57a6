"""The block as a decoder calls it, its caches in pages of a pool that all sequences share (Kwon et al. 2023, vLLM).

As `_slots` it is the text of `block`, and no workload that a cell can be of. Who calls it says which pages a sequence
has, as they are given out: what a page number means is the host's, and no program's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

from oneblock.workloads import _slots, block
from oneblock.workloads._workload import Case, Phase, Spec, Workload

PAGE = 16  # positions of a page, as vLLM has them by default


def specs(case: Case, pages: int) -> dict[str, Spec]:
    """Those by slots, but pools (1, P * page, K * D) for caches; whole numbers "pages" (B, S / page) and "row" (B,).

    A sequence's key s is in row s % page of page pages[b, s // page]; its new token goes to "row" of the whole pool.
    """
    if case.S % PAGE:
        raise ValueError(f"S: expected whole pages of {PAGE} positions, got {case.S}")
    found = _slots.specs(case)
    pools = {name: replace(found[name], shape=shape, split=()) for name, shape in _pools(case, pages).items()}
    numbers = {"pages": Spec((case.B, case.S // PAGE), is_input=True), "row": Spec((case.B,), is_input=True)}
    return found | pools | numbers


def outputs(case: Case, pages: int) -> dict[str, tuple[int, ...]]:
    """y (B, 1, C) and both pools (1, P * page, K * D)."""
    return _slots.outputs(case) | _pools(case, pages)


def _pools(case: Case, pages: int) -> dict[str, tuple[int, ...]]:
    shape = (1, pages * PAGE, case.config.kv_heads * case.config.head_width)
    return {"k_cache": shape, "v_cache": shape}


@cache
def workload(pages: int) -> Workload:
    """The decode over pools of P = pages; one object of each number, as programs are known by their workload."""
    return Workload(
        "block", _slots.program, partial(specs, pages=pages), block.costs, partial(outputs, pages=pages), "x",
        (Phase.DECODE,),
    )  # fmt: skip
