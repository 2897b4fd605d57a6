"""A decoder's caches, asked of every backend: by slots and by pages, each sequence at a position of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oneblock.backends.api.backend import Backend, Unsupported
from oneblock.workloads import _pages, _slots
from oneblock.workloads._workload import Case, Phase, Workload
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.conftest import target_of
from tests.contract.test_backends import must_run
from tests.helpers.cases import TINY, case

B, S = 3, 64
POSITIONS = (5, 40, 63)
POOL = B * S // _pages.PAGE + 2  # two pages are nobody's
PAGES = np.random.default_rng(3).permutation(POOL)[: B * S // _pages.PAGE].reshape(B, -1).astype(np.int32)
CASES = [case(config=replace(TINY, window=window), phase=Phase.DECODE, B=B, n=S) for window in (None, 12)]


def by_slots(c: Case) -> dict[str, np.ndarray]:
    """Seeded arrays (..., S, D) of all that a decode takes."""
    rng = np.random.default_rng(5)
    specs = _slots.specs(c).items()
    drawn = {name: rng.standard_normal(spec.shape) * (0.1 if spec.projection else 1.0) for name, spec in specs}
    return {name: a.astype(np.float32) for name, a in drawn.items()} | _slots.at(c, np.dtype("float32"), POSITIONS)


def in_pages(arrays: dict[str, np.ndarray], pages: np.ndarray = PAGES) -> dict[str, np.ndarray]:
    """The same, caches in pages, and what is nobody's full of numbers that nobody may read."""
    found = arrays | {"pages": pages}
    for name in ("k_cache", "v_cache"):
        _, K, _, D = arrays[name].shape
        pool = np.full((POOL, _pages.PAGE, K, D), 1e3, np.float32)
        pool[PAGES] = arrays[name].swapaxes(1, 2).reshape(B, -1, _pages.PAGE, K, D)
        found[name] = pool.reshape(1, -1, K * D)
    rows = [PAGES[b, n // _pages.PAGE] * _pages.PAGE + n % _pages.PAGE for b, n in enumerate(POSITIONS)]
    return found | {"row": np.asarray(rows, np.int32)}


def answered(backend: Backend, workload: Workload, c: Case, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    ops_set = "plain" if "plain" in backend.ops_sets else "kernels"
    try:
        executable = backend.compile(workload, c, arrays, ops_set, target_of(backend.name)).executable
    except Unsupported as error:
        pytest.skip(f"{backend.name} says it does not do this: {error}")
    assert executable is not None
    return executable.get(executable.call(executable.put(arrays)))


def distance(got: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(got - exact).max() / np.abs(exact).max())


@pytest.mark.few
@pytest.mark.parametrize("c", CASES, ids=["all", "window"])
def test_by_pages_is_by_slots_and_writes_one_row_of_each_sequence(backend: Backend, c: Case) -> None:
    must_run(backend)
    arrays = by_slots(c)
    exact = _slots.WORKLOAD.program(
        NumpyOps(), c, {name: a.astype(np.float64) for name, a in arrays.items()} | ints(arrays)
    )
    given = in_pages(arrays)
    found = answered(backend, _pages.workload(POOL), c, given)
    assert distance(found["y"], exact["y"]) < 1e-5
    for name in ("k_cache", "v_cache"):
        new = np.stack([exact[name][b, :, n] for b, n in enumerate(POSITIONS)]).reshape(B, -1)
        assert distance(found[name][0, given["row"]], new) < 1e-5
        others = np.delete(np.arange(POOL * _pages.PAGE), given["row"])
        assert np.array_equal(found[name][0, others], given[name][0, others])


@pytest.mark.few
@pytest.mark.parametrize("c", CASES, ids=["all", "window"])
def test_by_slots_is_numpys_and_writes_one_slot_of_each_sequence(backend: Backend, c: Case) -> None:
    must_run(backend)
    if "plain" not in backend.ops_sets:
        pytest.skip(f"{backend.name} has no plain text, which alone can be told which slots a query sees")
    arrays = by_slots(c)
    exact = _slots.WORKLOAD.program(
        NumpyOps(), c, {name: a.astype(np.float64) for name, a in arrays.items()} | ints(arrays)
    )
    found = answered(backend, _slots.WORKLOAD, c, dict(arrays))
    assert distance(found["y"], exact["y"]) < 1e-5
    for name in ("k_cache", "v_cache"):
        own = np.zeros(arrays[name].shape, bool)
        own[np.arange(B), :, POSITIONS] = True
        assert distance(found[name][own], exact[name][own]) < 1e-5
        assert np.array_equal(found[name][~own], arrays[name][~own])


@pytest.mark.parametrize("stale", [(0, 0), (1, 2), (2, 3)])
def test_a_stale_page_is_no_right_answer(stale: tuple[int, int]) -> None:
    (c, _), arrays = CASES, by_slots(CASES[0])
    pages = PAGES.copy()
    pages[stale] = PAGES[(stale[0] + 1) % B, 0]
    right, wrong = (
        _pages.workload(POOL).program(NumpyOps(), c, in_pages(arrays, each))["y"] for each in (PAGES, pages)
    )
    assert distance(wrong, right) > 1e-3
    assert np.array_equal(np.delete(wrong, stale[0], 0), np.delete(right, stale[0], 0)), "of another sequence"


def test_a_page_is_whole() -> None:
    with pytest.raises(ValueError, match="S: expected whole pages of 16 positions, got 60"):
        _pages.specs(case(phase=Phase.DECODE, n=60), 4)


def ints(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The whole numbers among them."""
    return {name: a for name, a in arrays.items() if a.dtype.kind == "i"}
