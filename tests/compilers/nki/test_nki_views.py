"""Views of the NKI interpreter's tensors against NumPy's, over random shapes and chains of views."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import nki_here
from tests.helpers.nki_numpy import drawn, few, run, same, seeds

nki_here.load()

from tests.helpers import nki_kernels as kernels  # noqa: E402

VIEWS: dict[str, Callable[..., np.ndarray]] = {
    "permute": lambda x, dims: x.transpose(dims),
    "expand_dim": np.expand_dims,
    "squeeze_dim": np.squeeze,
    "broadcast": lambda x, dim, size: np.broadcast_to(x, (*x.shape[:dim], size, *x.shape[dim + 1 :])),
    "slice": lambda x, dim, start, end, step: x[(*[slice(None)] * dim, slice(start, end, step))],
    "select": lambda x, dim, index: x[(*[slice(None)] * dim, index)],
    "reshape": lambda x, shape: x.reshape(shape),
    "reshape_dim": lambda x, dim, shape: x.reshape((*x.shape[:dim], *shape, *x.shape[dim + 1 :])),
    "flatten_dims": lambda x, start, end: x.reshape((*x.shape[:start], -1, *x.shape[end + 1 :])),
}


def step(data: st.DataObject, x: np.ndarray, first: int, *, written: bool) -> tuple[str, tuple[Any, ...]]:
    """A view that there is of x, whose dimensions from `first` on may change."""
    axis, size = data.draw(st.integers(first, x.ndim - 1)), 0
    size = x.shape[axis]
    start = data.draw(st.integers(0, size - 1))
    found: list[tuple[str, tuple[Any, ...]]] = [
        ("permute", ((*range(first), *data.draw(st.permutations(range(first, x.ndim)))),)),
        ("slice", (axis, start, data.draw(st.integers(start + 1, size)), data.draw(st.integers(1, 3)))),
    ]
    if x.ndim < 4:
        found += [("expand_dim", (data.draw(st.integers(first, x.ndim)),))]
    if x.ndim > 2:
        found += [("select", (axis, start))] + [("squeeze_dim", (axis,))] * (size == 1)
    if size == 1 and not written:
        found += [("broadcast", (axis, data.draw(st.integers(1, 4))))]
    if x.flags.c_contiguous:
        found += [("flatten_dims", (axis, x.ndim - 1)), ("reshape", ((*x.shape[:axis], 1, math.prod(x.shape[axis:])),))]
        found += [("reshape_dim", (axis, (2, -1)))] * (size % 2 == 0 and x.ndim < 4)
    return data.draw(st.sampled_from(found))


@settings(few, max_examples=60)
@given(seeds, st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 6)), st.booleans(), st.data())
def test_views_are_those_of_numpy(seed: int, shape: tuple[int, ...], chip: bool, data: st.DataObject) -> None:
    x = want = drawn(seed, shape)
    views = []
    for _ in range(3):
        views.append(step(data, want, int(chip), written=False))
        want = VIEWS[views[-1][0]](want, *views[-1][1])
    got = run(kernels.viewed, x, tuple(views), chip)
    assert got.shape == want.shape
    same(got, want)


@settings(few, max_examples=40)
@given(seeds, st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 6)), st.data())
def test_a_view_is_written_through(seed: int, shape: tuple[int, ...], data: st.DataObject) -> None:
    base = drawn(seed, shape)
    want = base.copy()
    seen, views = want, []
    for _ in range(3):
        views.append(step(data, seen, 1, written=True))
        seen = VIEWS[views[-1][0]](seen, *views[-1][1])
    x = drawn(seed + 1, seen.shape)
    seen[...] = x
    same(run(kernels.written_by_view, base, x, tuple(views)), want)


@few
@given(seeds, st.integers(1, 40), st.integers(4, 60), st.booleans(), st.data())
def test_an_access_pattern_is_the_documented_loop(
    seed: int, p: int, free: int, chip: bool, data: st.DataObject
) -> None:
    rows, (a, b) = data.draw(st.integers(1, p)), data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    step_a, step_b = data.draw(st.integers(0, (free - 1) // 8)), data.draw(st.integers(0, (free - 1) // 8))
    offset = data.draw(st.integers(0, free - 1 - step_a * (a - 1) - step_b * (b - 1)))
    x = drawn(seed, (p, free))
    want, flat = np.empty((rows, a, b), np.float32), x.flatten()
    for w in range(rows):
        for z in range(a):
            for y in range(b):
                want[w, z, y] = flat[offset + w * free + z * step_a + y * step_b]
    pattern = ((free, rows), (step_a, a), (step_b, b))
    same(run(kernels.viewed, x, (("ap", (pattern, offset)),), chip), want)


def test_an_access_pattern_starts_where_its_view_does() -> None:
    x = drawn(0, (4, 20))
    for offset, start in ((None, 5), (0, 5), (3, 8)):
        views = (("slice", (1, 5, 20)), ("ap", (((20, 4), (1, 6)), offset)))
        same(run(kernels.viewed, x, views, True), x[:, start : start + 6])


@pytest.mark.parametrize(
    ("which", "shape", "want"),
    [
        ("start", (4, 8), lambda x: x[:, 2:, 0]),
        ("step", (4, 3), lambda x: x[:, 1:9:3, 0]),
        ("ds", (2, 4), lambda x: x[1:3, 3:7, 0]),
        ("integer", (1, 10), lambda x: x[2, :, 0]),
        ("both", (1, 1), lambda x: x[1, 3]),
        ("ellipsis", (4, 10), lambda x: x[:, :, 0]),
        ("negative", (4, 2), lambda x: x[:, 7:9, 0]),
        ("hbm", (4,), lambda x: x[2, :4, 0]),
    ],
)
def test_indices_keep_the_partitions(which: str, shape: tuple[int, ...], want: Callable[..., Any]) -> None:
    """[P, F] on the chip stays so, whatever an integer takes away; in HBM it goes."""
    x = drawn(5, (4, 10, 1))
    flat = which in ("ellipsis",)
    got = run(kernels.indexed, x if flat else x[:, :, 0], which)
    assert got.shape == shape
    same(got, np.asarray(want(x)))
