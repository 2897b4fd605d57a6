"""Each instruction of the NKI interpreter against NumPy, stated from AWS's documentation, over random shapes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneblock.compilers.nki import isa, operands
from tests.helpers import nki_here
from tests.helpers.nki_numpy import (
    BINARY,
    BITS,
    DTYPES,
    FUNCTIONS,
    INTEGERS,
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
    kinds,
    matrices,
    operand,
    run,
    same,
    seeds,
    tiles,
    valid,
    wide,
)

nki_here.load()

from tests.helpers import nki_kernels as kernels  # noqa: E402
from tests.helpers import nki_kernels_across as across  # noqa: E402

FEW = settings(few, max_examples=6)  # for each operator


def test_every_instruction_is_asked() -> None:
    known = {name for name in isa.__all__ if inspect.isfunction(getattr(isa, name))}
    text = inspect.getsource(kernels) + inspect.getsource(across)
    assert {name for name in known if f"nisa.{name}(" not in text} == set()


def test_a_comparison_notices_one_wrong_element(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = drawn(0, (5, 7)), drawn(1, (5, 7))
    monkeypatch.setitem(operands.ARITHMETIC, "subtract", lambda x, y: np.where(x == x.max(), x + y, x - y))
    got, want = run(kernels.two_tiles, x, y, "subtract", "float32", "unknown", 0), x - y
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 35"):
        same(got, want)
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 35"):
        close(got, want.astype(float))


# ---------------------------------------------------------------- moving


@few
@given(seeds, tiles, any_dtype, st.lists(any_dtype, max_size=2))
def test_dma_copy_converts_through_float32(seed: int, shape: tuple[int, ...], dtype: str, dtypes: list[str]) -> None:
    x = want = drawn(seed, shape, dtype)
    for before, to in zip([dtype, *dtypes], dtypes, strict=False):
        want = want if to == before else cast(want.astype(np.float32), to)
    same(run(kernels.dma_copied, x, tuple(dtypes)), want)


@pytest.mark.parametrize("engine", ["unknown", "vector", "gpsimd", "scalar"])
@FEW
@given(seeds, tiles, any_dtype, any_dtype, st.booleans())
def test_tensor_copy_is_of_bits_where_dtypes_agree(
    engine: str, seed: int, shape: tuple[int, ...], dtype: str, to: str, psum: bool
) -> None:
    x, psum = drawn(seed, shape, dtype), psum and engine != "gpsimd"
    same(run(kernels.tensor_copied, x, dtype, engine, psum), x)
    same(run(kernels.tensor_copied, x, to, engine, psum), x if dtype == to else cast(x.astype(np.float32), to))


@few
@given(tiles, st.integers(-100, 100), any_dtype, st.sampled_from(["unknown", "vector", "gpsimd"]))
def test_memset_fills(shape: tuple[int, ...], value: int, dtype: str, engine: str) -> None:
    value = abs(value) if dtype.startswith("u") else value
    same(run(kernels.filled, shape, value, dtype, engine), np.full(shape, value).astype(DTYPES[dtype]))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 33), (128, 128), (2, 3, 4), (5, 1, 9), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_dma_transpose_exchanges_the_first_and_the_last(shape: tuple[int, ...], dtype: str) -> None:
    x = drawn(0, shape, dtype)
    same(run(kernels.dma_transposed, x), x.swapaxes(0, -1))


@few
@given(seeds, st.integers(1, 4), st.integers(1, 32), any_dtype, st.data())
def test_stream_shuffle_moves_within_each_32_partitions(
    seed: int, quadrants: int, rest: int, dtype: str, data: st.DataObject
) -> None:
    p, entries = 32 * (quadrants - 1) + rest, st.one_of(st.just(255), st.integers(0, rest - 1))
    mask = tuple(data.draw(st.lists(entries, min_size=32, max_size=32)))
    before, x = drawn(seed, (p, 7), dtype), drawn(seed + 1, (p, 7), dtype)
    want = before.copy()
    for i in range(p):
        if mask[i % 32] != 255:
            want[i] = x[i - i % 32 + mask[i % 32]]
    same(run(kernels.shuffled, before, x, mask), want)
    same(run(kernels.shuffled, drawn(seed, (32, 7)), drawn(seed, (1, 7)), (0,) * 32), drawn(seed, (1, 7)).repeat(32, 0))


@few
@given(seeds, st.integers(1, 32), st.sampled_from([0, 32, 64, 96]))
def test_a_copy_may_change_the_quadrant(seed: int, p: int, start: int) -> None:
    x, want = drawn(seed, (p, 5)), np.zeros((128, 5), np.float32)
    want[start : start + p] = x
    same(run(kernels.moved_over_partitions, x, start), want)


# ---------------------------------------------------------------- element by element


@pytest.mark.parametrize("op", BINARY)
@FEW
@given(seeds, tiles, floats, any_dtype, any_dtype, st.integers(0, 2))
def test_tensor_tensor_computes_in_float32(
    op: str, seed: int, shape: tuple[int, ...], left: str, right: str, to: str, psum: int
) -> None:
    x, y = drawn(seed, shape, left), drawn(seed + 1, shape, right)
    want = cast(combined(op, x.astype(np.float32), y.astype(np.float32)), to)
    same(run(kernels.two_tiles, x, y, op, to, "unknown", psum, on=V4), want)


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "maximum", "less"])
@pytest.mark.parametrize("dtype", ["int32", "uint32"])
@FEW
@given(seeds, tiles)
def test_of_32_bit_integers_it_is_exact_unless_vector_is_asked(
    op: str, dtype: str, seed: int, shape: tuple[int, ...]
) -> None:
    x, y = (drawn(seed + i, shape, dtype) >> 2 for i in range(2))
    exact = np.asarray(BINARY[op](x.astype(object), y.astype(object)), object)
    same(run(kernels.two_tiles, x, y, op, dtype, "unknown", 0), (exact % 2**32).astype("uint32").view(dtype))
    rounded = cast(combined(op, x.astype(np.float32), y.astype(np.float32)), dtype)
    for engine, psum in (("vector", 0), ("unknown", 1)):  # GpSimd has no way to PSUM
        same(run(kernels.two_tiles, x, y, op, dtype, engine, psum), rounded)


@pytest.mark.parametrize("op", BITS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_bit_operators_take_bits(op: str, dtype: str) -> None:
    """Shifts are logical: the table of operators has no arithmetic one."""
    x, y = drawn(0, (3, 50), dtype), drawn(1, (3, 50), dtype)
    bits = 8 * x.itemsize
    words = f"uint{bits}"
    if op.endswith("shift"):
        y = (y.view(words) % bits).astype(dtype)
    pairs = zip(x.view(words).ravel().tolist(), y.view(words).ravel().tolist(), strict=True)
    want = np.array([BITS[op](a, b, bits) for a, b in pairs], words).view(dtype).reshape(x.shape)
    same(run(kernels.two_tiles, x, y, op, dtype, "unknown", 0), want)


@few
@given(seeds, matrices, floats)
def test_power_is_of_gpsimd(seed: int, shape: tuple[int, ...], dtype: str) -> None:
    x, y = abs(drawn(seed, shape, dtype)) + DTYPES[dtype].type(0.5), drawn(seed + 1, shape, dtype) / 2
    y = y.astype(DTYPES[dtype])
    want = x.astype(float) ** y.astype(float)
    close(run(kernels.two_tiles, x, y, "power", "float32", "unknown", 0), want)


@pytest.mark.parametrize("op0", [*BINARY, *UNARY])
@FEW
@given(
    seeds, tiles, any_dtype, any_dtype, st.sampled_from([None, *BINARY, *UNARY]), kinds, kinds,
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_tensor_scalar_applies_one_operator_or_two(
    op0: str, seed: int, shape: tuple[int, ...], dtype: str, to: str, op1: str | None, kind0: str, kind1: str,
    reverse0: bool, reverse1: bool,
) -> None:  # fmt: skip
    x, p = drawn(seed, shape, dtype), shape[0]
    first = None if op0 in UNARY else operand(kind0, seed + 1, p)
    second = None if op1 is None or op1 in UNARY else operand(kind1, seed + 2, p)
    want = combined(op0, wide(x), first, reverse=reverse0)
    if op1 is not None:
        want = combined(op1, want, second, reverse=reverse1)
    args = (x, op0, first, reverse0, op1, second, reverse1, to)
    same(run(kernels.scaled, *args, "unknown", on=V4), cast(want, to))


@pytest.mark.parametrize(("op0", "op1"), [("multiply", "add"), ("multiply", None), ("add", None)])
@FEW
@given(seeds, tiles, any_dtype, floats, kinds, kinds)
def test_scalar_has_three_pairs_of_tensor_scalar(
    op0: str, op1: str | None, seed: int, shape: tuple[int, ...], dtype: str, to: str, kind0: str, kind1: str
) -> None:
    x, first = drawn(seed, shape, dtype), operand(kind0, seed + 1, shape[0])
    second = None if op1 is None else operand(kind1, seed + 2, shape[0])
    want = combined(op0, wide(x), first)
    want = want if op1 is None else combined(op1, want, second)
    same(run(kernels.scaled, x, op0, first, False, op1, second, False, to, "scalar"), cast(want, to))


@few
@given(seeds, matrices)
def test_rsqrt_of_tensor_scalar_is_of_gpsimd(seed: int, shape: tuple[int, ...]) -> None:
    x = abs(drawn(seed, shape)) + np.float32(0.01)
    got = run(kernels.scaled, x, "rsqrt", 0.0, False, None, None, False, "float32", "gpsimd")
    close(got, x.astype(float) ** -0.5)


@pytest.mark.parametrize("op0", BINARY)
@FEW
@given(
    seeds, tiles, floats, any_dtype, any_dtype, st.sampled_from([*BINARY]), kinds, st.booleans(), st.booleans()
)  # fmt: skip
def test_scalar_tensor_tensor_is_both_in_turn(
    op0: str, seed: int, shape: tuple[int, ...], left: str, right: str, to: str, op1: str, kind: str,
    reverse0: bool, reverse1: bool,
) -> None:  # fmt: skip
    x, y, value = drawn(seed, shape, left), drawn(seed + 1, shape, right), operand(kind, seed + 2, shape[0])
    want = combined(op1, combined(op0, wide(x), value, reverse=reverse0), wide(y), reverse=reverse1)
    same(run(kernels.scaled_and_two_tiles, x, y, op0, value, reverse0, op1, reverse1, to, on=V4), cast(want, to))


@few
@given(seeds, tiles, any_dtype, floats)
def test_reciprocal(seed: int, shape: tuple[int, ...], dtype: str, to: str) -> None:
    x = drawn(seed, shape, dtype)
    with np.errstate(divide="ignore"):
        same(run(kernels.inverted, x, to), cast(np.float32(1) / x.astype(np.float32), to))


@pytest.mark.parametrize("op0", BINARY)
@FEW
@given(seeds, matrices, st.sampled_from([*BINARY]), kinds, st.booleans(), st.booleans())
def test_tensor_tensor_scan_goes_column_by_column(
    op0: str, seed: int, shape: tuple[int, int], op1: str, kind: str, reverse0: bool, reverse1: bool
) -> None:
    x, y = drawn(seed, shape), drawn(seed + 1, shape)
    before = initial = operand(kind, seed + 2, shape[0])
    want = np.empty_like(x)
    with np.errstate(all="ignore"):
        for i in range(shape[1]):
            at = slice(i, i + 1)
            before = combined(op1, combined(op0, x[:, at], before, reverse=reverse0), y[:, at], reverse=reverse1)
            want[:, at] = before
    same(run(kernels.scanned, x, y, initial, op0, op1, reverse0, reverse1, "float32", on=V4), want)


@pytest.mark.parametrize("op", FUNCTIONS)
@FEW
@given(seeds, tiles, floats, floats)
def test_activation_is_of_what_was_scaled_and_shifted(
    op: str, seed: int, shape: tuple[int, ...], dtype: str, to: str
) -> None:
    x, p = drawn(seed, shape, dtype), shape[0]
    narrow = valid(op, x)
    close(run(kernels.activated, narrow, op, None, 1.0, to, on=V2), FUNCTIONS[op](narrow.astype(np.float64)), to)
    if narrow is x:  # every argument is valid
        scale, bias = drawn(seed + 1, (p, 1)) / 8, drawn(seed + 2, (p, 1), dtype)
        shifted = x.astype(np.float64).reshape(p, -1) * scale + bias.astype(np.float64)
        close(run(kernels.activated, x, op, bias, scale, to, on=V2), FUNCTIONS[op](shifted), to, scale=10)
        close(run(kernels.activated, x, op, 0.5, -0.25, to), FUNCTIONS[op](wide(x) * -0.25 + 0.5), to, scale=2)


@pytest.mark.parametrize("op", [*BINARY, *BITS, "abs", "square", "exp", "relu", "copy"])
def test_operators_of_nl_are_called(op: str) -> None:
    if op in BITS:
        x, y = drawn(0, (9, 40), "int32"), drawn(1, (9, 40), "int32") & 31
        return same(run(kernels.called, x, y, op, None), run(kernels.two_tiles, x, y, op, "int32", "unknown", 0))
    x, y = drawn(0, (9, 40)), drawn(1, (9, 40))
    if op in BINARY:
        same(run(kernels.called, x, y, op, None, on=V4), combined(op, x, y))
        return same(
            run(kernels.called, x, 1.5, op, "bfloat16", on=V4), cast(combined(op, x, np.float32(1.5)), "bfloat16")
        )
    return close(run(kernels.called, x, None, op, None), FUNCTIONS[op](x.astype(np.float64)))


def test_other_generations_compute_the_same() -> None:
    x = drawn(3, (40, 30))
    for on in (V2, V3, V4):
        same(run(kernels.scaled, x, "multiply", 3.0, False, "add", 0.5, False, "float32", "vector", on=on), x * 3 + 0.5)
