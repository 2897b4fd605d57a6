"""The NKI interpreter's reductions, choices and products against NumPy, stated from AWS's documentation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import nki_here
from tests.helpers.nki_numpy import (
    BINARY,
    DTYPES,
    FUNCTIONS,
    REDUCTIONS,
    UNARY,
    V2,
    V3,
    V4,
    any_dtype,
    cast,
    close,
    combined,
    drawn,
    few,
    floats,
    folded,
    kinds,
    matrices,
    operand,
    partitions,
    run,
    same,
    seeds,
    tiles,
    wide,
)

nki_here.load()

from tests.helpers import nki_kernels_across as kernels  # noqa: E402

FP32_MIN = np.finfo(np.float32).min
FEW = settings(few, max_examples=6)  # for each operator
COMPARISONS = ("equal", "less", "less_equal", "greater", "greater_equal")


# ---------------------------------------------------------------- reducing


@pytest.mark.parametrize("op", REDUCTIONS)
@FEW
@given(seeds, tiles, any_dtype, st.booleans(), st.booleans(), st.data())
def test_tensor_reduce_folds_the_last_dimensions(
    op: str, seed: int, shape: tuple[int, ...], dtype: str, negate: bool, keepdims: bool, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(shape) - 1))
    axes, left = tuple(range(first, len(shape))), shape[:first]
    x = drawn(seed, shape, dtype) if op != "multiply" else (1 + drawn(seed, shape) / 64).astype(DTYPES["float32"])
    rows = x.reshape(math.prod(left), -1).astype(np.float32)
    want = folded(op, rows) * (-1 if negate else 1)
    axis = data.draw(st.sampled_from([axes, tuple(one - len(shape) for one in axes)]))
    to = (*left, *([1] * len(axes) if keepdims else [])) if keepdims or len(left) > 1 else (*left, 1)
    got = run(kernels.reduced, x, op, axis[0] if len(axis) == 1 else axis, negate, keepdims, to, "float32")
    assert got.shape == to
    close(got, want.reshape(to), scale=float(abs(rows).max()) * rows.shape[1])


@pytest.mark.parametrize("reduce_op", ["add", "multiply", "maximum", "minimum"])
@FEW
@given(seeds, st.tuples(partitions, st.integers(2, 40)), st.sampled_from([*BINARY, *UNARY]), kinds,
       st.sampled_from([None, "number", "tile"]), st.booleans(), st.sampled_from([0, -99, 99]))  # fmt: skip
def test_tensor_scalar_reduce_goes_on_in_its_registers(
    reduce_op: str, seed: int, shape: tuple[int, int], op: str, kind: str, initial: str | None, negate: bool, low: int
) -> None:
    x = drawn(seed, shape) / 8 if reduce_op == "multiply" else drawn(seed, shape) + np.float32(low)
    value = None if op in UNARY else operand(kind, seed + 1, shape[0])
    start = None if initial is None else operand(initial, seed + 2, shape[0])
    want = combined(op, x, value)
    made, found = run(kernels.scaled_and_reduced, x, op, value, reduce_op, start, negate, on=V4)
    same(made, want)
    total = folded(reduce_op, want)
    if start is not None:
        total = np.asarray(BINARY[reduce_op](np.float64(start), total))
    scale = 2000.0 * shape[1] if reduce_op == "add" else 1.0
    close(found, -total if negate else total, scale=scale)


@pytest.mark.parametrize("op", ["add", "maximum"])
@FEW
@given(seeds, tiles, any_dtype)
def test_tensor_partition_reduce_goes_down_the_partitions(
    op: str, seed: int, shape: tuple[int, ...], dtype: str
) -> None:
    x = drawn(seed, shape, dtype)
    rows = wide(x).T
    got = run(kernels.reduced_over_partitions, x, op)
    close(got, folded(op, rows).reshape(got.shape), scale=float(abs(rows).max()) * shape[0])


@few
@given(seeds, partitions, st.one_of(st.integers(1, 1100), st.sampled_from([1, 2, 511, 512, 513, 1024])), floats)
def test_bn_stats_are_of_even_and_odd_elements_and_bn_aggr_of_all(seed: int, p: int, free: int, dtype: str) -> None:
    x = drawn(seed, (p, free), dtype)
    stats, found = run(kernels.mean_and_variance, x)
    wanted = []
    for start in range(0, free, 512):
        for first in (0, 1):
            half = x[:, start : start + 512].astype(np.float64)[:, first::2]
            n = half.shape[1]
            mean, spread = (half.mean(1), half.var(1) * n) if n else (np.zeros(p), np.zeros(p))
            wanted += [np.full(p, n, float), mean, spread]
    close(stats, np.stack(wanted, 1).reshape(stats.shape), scale=1000)
    close(found, np.stack([x.astype(np.float64).mean(1), x.astype(np.float64).var(1)], 1), scale=20)


COMMANDS = st.sampled_from(["idle", "reset", "reduce", "reset_reduce"])


@few
@given(
    seeds, partitions, st.lists(st.tuples(COMMANDS, st.integers(1, 9)), max_size=5), st.sampled_from(["copy", "tanh"])
)
def test_activation_reduces_into_registers_as_commanded(
    seed: int, p: int, then: list[tuple[str, int]], op: str
) -> None:
    turns = [("reset_reduce", 3), *then]
    x = drawn(seed, (p, sum(n for _, n in turns)))
    want, registers, sums, start = FUNCTIONS[op](x.astype(np.float64)), np.zeros(p), [], 0
    for command, n in turns:
        if command in ("reset", "reset_reduce"):
            registers = np.zeros(p)
        if command in ("reduce", "reset_reduce"):
            registers = registers + want[:, start : start + n].sum(1)
        sums.append(registers)
        start += n
    made, found = run(kernels.activated_in_turn, x, op, *zip(*turns, strict=True))
    close(made, want)
    close(found, np.stack(sums, 1), scale=100)


@few
@given(seeds, tiles, floats, floats, kinds)
def test_activation_reduce_is_the_sum_before_rounding(
    seed: int, shape: tuple[int, ...], dtype: str, to: str, kind: str
) -> None:
    x, scale, bias = drawn(seed, shape, dtype), operand(kind, seed + 1, shape[0]), drawn(seed + 2, (shape[0], 1))
    want = np.tanh(wide(x).astype(np.float64) * scale + bias)
    made, found = run(kernels.activated_and_summed, x, "tanh", bias, scale, to, on=V2)
    close(made, want, to, scale=10)
    close(found, want.sum(1, keepdims=True), scale=10.0 * want.shape[1])


# ---------------------------------------------------------------- choosing

patterns = st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 4)), min_size=1, max_size=4).map(tuple)
small = st.integers(-50, 50)


def affine(p: int, pattern: tuple[tuple[int, int], ...], offset: int, multiplier: int) -> np.ndarray:
    """The pseudo code of iota and affine_select, padded to four dimensions."""
    (step_w, num_w), (step_z, num_z), (step_y, num_y), (step_x, num_x) = [(0, 1)] * (4 - len(pattern)) + [*pattern]
    found = []
    for channel_id in range(p):
        for w in range(num_w):
            for z in range(num_z):
                for y in range(num_y):
                    for x in range(num_x):
                        value = offset + (channel_id * multiplier)
                        found.append(value + (w * step_w) + (z * step_z) + (y * step_y) + (x * step_x))
    return np.array(found).reshape(p, -1)


@few
@given(st.integers(1, 40), patterns, small, small, st.sampled_from(["int32", "float32", "bfloat16", "int16"]))
def test_iota_counts_as_its_pseudo_code(
    p: int, pattern: tuple[tuple[int, int], ...], offset: int, multiplier: int, dtype: str
) -> None:
    want = affine(p, pattern, offset, multiplier)
    got = run(kernels.counted, (p, want.shape[1]), pattern, offset, multiplier, dtype)
    same(got, want.astype(np.float32).astype(DTYPES[dtype]))


@pytest.mark.parametrize("op", [*COMPARISONS, "not_equal", None])
@FEW
@given(seeds, st.integers(1, 40), patterns, small, small, any_dtype, any_dtype)
def test_affine_select_chooses_as_its_pseudo_code(
    op: str | None, seed: int, p: int, pattern: tuple[tuple[int, int], ...], offset: int, multiplier: int, dtype: str,
    to: str,
) -> None:  # fmt: skip
    values = affine(p, pattern, offset, multiplier)
    true = BINARY[op or "equal"](values, 0)
    for one in (dtype, to):
        x = drawn(seed, values.shape, one)
        kept = x if one == to else cast(x.astype(np.float32), to)  # of one dtype, bit by bit
        want = np.where(true, kept, cast(np.float32([-9984.0]), to))
        same(run(kernels.chosen_by_position, x, pattern, offset, multiplier, -9984.0, op, to), want)


@pytest.mark.parametrize("op0", COMPARISONS)
@FEW
@given(seeds, matrices, st.sampled_from(COMPARISONS), st.integers(0, 100), floats, floats, st.booleans())
def test_range_select_is_its_numpy_equivalent(
    op0: str, seed: int, shape: tuple[int, int], op1: str, start: int, dtype: str, to: str, again: bool
) -> None:
    x, rng = drawn(seed, shape, dtype), np.random.default_rng(seed)
    low, high = (rng.integers(start - 2, start + shape[1] + 2, (shape[0], 1)).astype(np.float32) for _ in range(2))
    most = np.full((shape[0], 1), -np.inf)
    for turn in range(1 + again):  # whose second starts one later, and goes on with the same registers
        indices = np.zeros_like(x, dtype=np.float32)
        indices[:] = start + turn + np.arange(x[0].size)
        mask = BINARY[op0](indices, low) & BINARY[op1](indices, high)
        want = np.where(mask, x.astype(np.float32), FP32_MIN)
        most = np.maximum(most, want.max(axis=1, keepdims=True))
    commands = ("reset_reduce", "reduce")[: 1 + again]
    for on in (V3, V4):
        made, found = run(kernels.chosen_by_range, x, low, high, op0, op1, start, commands, to, on=on)
        same(made, cast(want, to))
        same(found, most.astype(np.float32))


@few
@given(seeds, tiles, any_dtype, st.sampled_from(["uint8", "uint16", "uint32"]), st.booleans(), st.booleans())
def test_tensor_copy_predicated_leaves_the_others(
    seed: int, shape: tuple[int, ...], dtype: str, of: str, number: bool, reverse: bool
) -> None:
    before, x = drawn(seed, shape, dtype), 3 if number else drawn(seed + 1, shape, dtype)
    predicate = np.random.default_rng(seed).integers(0, 3, shape).astype(of)
    want = np.where((predicate == 0) if reverse else (predicate != 0), x, before).astype(before.dtype)
    same(run(kernels.copied_where, before, x, predicate, reverse), want)


@few
@given(seeds, matrices, floats, floats, st.sampled_from(["int8", "uint8", "int16", "uint16"]), kinds, st.booleans())
def test_select_reduce_chooses_and_keeps_the_maximum(
    seed: int, shape: tuple[int, int], dtype: str, to: str, of: str, kind: str, reverse: bool
) -> None:
    x, otherwise = drawn(seed, shape, dtype), operand(kind, seed + 1, shape[0])
    predicate = np.random.default_rng(seed).integers(0, 3, shape).astype(of)
    true, other = x.astype(np.float32), np.broadcast_to(np.float32(otherwise), shape)
    want = np.where((predicate == 0) if reverse else (predicate != 0), true, other)
    back = np.where((predicate != 0) if reverse else (predicate == 0), true, other)
    made, again, first, both = run(kernels.chosen_by_predicate, x, otherwise, predicate, reverse, to)
    same(made, cast(want, to))
    same(again, cast(back, to))
    same(first, want.max(1, keepdims=True))
    same(both, np.maximum(want, back).max(1, keepdims=True))


# ---------------------------------------------------------------- products

sizes = st.tuples(st.integers(1, 300), st.integers(1, 128), st.integers(1, 512))


@pytest.mark.parametrize("accumulate", ["inferred", "explicit", "never"])
@FEW
@given(seeds, sizes, floats, floats, st.sampled_from([V2, V3, V4]))
def test_products_accumulate_in_float32(
    accumulate: str, seed: int, size: tuple[int, int, int], left: str, right: str, on: object
) -> None:
    (K, M, N), right = size, right if (left == "float32") == (right == "float32") else left
    x, y = drawn(seed, (K, M), left), drawn(seed + 1, (K, N), right)
    kept = slice((K - 1) // 128 * 128 if accumulate == "never" else 0, K)  # without it only the last tile stays
    want = x[kept].astype(np.float64).T @ y[kept].astype(np.float64)
    close(run(kernels.product, x, y, accumulate, "float32", on=on), want, scale=100)


@few
@given(seeds, st.integers(1, 128), st.integers(1, 128), st.integers(1, 2000))
def test_products_of_v4_are_wider_and_may_be_rounded_each_time(seed: int, K: int, M: int, N: int) -> None:
    x, y = drawn(seed, (2 * K, M), "bfloat16"), drawn(seed + 1, (2 * K, N), "bfloat16")
    close(run(kernels.product, x, y, "inferred", "float32", on=V4), x.astype(float).T @ y.astype(float), scale=100)
    x, y = x[:K], y[:K]
    close(run(kernels.product, x, y, "inferred", "bfloat16", on=V4), x.astype(float).T @ y.astype(float), "bfloat16")


@pytest.mark.parametrize(("engine", "most"), [("tensor", 128), ("vector", 32), ("unknown", 32)])
@few
@given(seeds, st.data(), any_dtype)
def test_nc_transpose_flattens_and_turns(engine: str, most: int, seed: int, data: st.DataObject, dtype: str) -> None:
    shape = data.draw(st.tuples(st.integers(1, most), st.integers(1, 4), st.integers(1, most // 4)))
    x = drawn(seed, shape, dtype)
    if engine != "tensor" and dtype in ("float32", "bfloat16"):
        x.flat[0] = np.nan
    want = x.reshape(shape[0], -1).T
    for psum in [True] if engine == "tensor" else [False, True]:
        same(run(kernels.transposed, x, engine, psum, on=V3), want)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
@pytest.mark.parametrize("n", [1, 40, 128])
def test_the_identity(n: int, dtype: str) -> None:
    same(run(kernels.identity, n, dtype), np.eye(n).astype(DTYPES[dtype]))


def test_a_lane_has_its_own_register() -> None:
    """Rows 0 to 31 and 32 to 63 reduce side by side, and neither adds to the other."""
    x = np.arange(64 * 4, dtype=np.float32).reshape(64, 4)
    sums = run(kernels.sums_of_halves, x)
    assert np.array_equal(sums, x.sum(axis=1, keepdims=True))
