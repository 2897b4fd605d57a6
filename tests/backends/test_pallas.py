"""Our Pallas kernels: interpreted against float64, wrong ones rejected, and compiled for every TPU."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Backend, Unavailable, Unsupported
from oneblock.backends.api.target import Target, architectures
from oneblock.backends.kernels.pallas import _blocks
from oneblock.compilers import Detail
from oneblock.compilers.api.kind import Kind
from oneblock.workloads import _pages
from oneblock.workloads._workload import Phase
from oneblock.workloads.ops.definitions import Routing, Scores
from oneblock.workloads.ops.dtypes import dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.conftest import REQUIRED
from tests.helpers.arrays import TOLERANCE, attention64, draw, qkv, usual, worst
from tests.helpers.cases import TINY, case

GENERATIONS = architectures("tpu")
DTYPES = ("float32", "bfloat16")


def absent(error: Unavailable | str) -> None:
    sentence = f"pallas_tpu: {error}; {getattr(error, 'hint', '')}"
    if "pallas_tpu" in REQUIRED:
        pytest.fail(f"required, and not here: {sentence}")
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def pallas() -> Backend:
    try:
        loaded = backends.load("pallas_tpu")
        loaded.compilations()  # which imports its toolchain
    except Unavailable as error:
        absent(error)
        raise
    return loaded


@pytest.fixture(scope="module")
def kernels(pallas: Backend) -> Any:
    """The modules of the kernels, by name."""
    import importlib

    class Kernels:
        flash, paged, rms, route = (
            importlib.import_module(f"oneblock.backends.kernels.pallas.{name}")
            for name in ("flash_attention", "paged_attention", "rms_matmul", "route")
        )

    return Kernels


@pytest.fixture(scope="module")
def tpu(pallas: Backend) -> Backend:
    try:
        pallas.probe(Target("tpu", "v5e"))
    except Unavailable as error:
        absent(error)
    return pallas


SHAPES = [  # B, T, N, K, D
    (1, 1, 1, 1, 16),
    (2, 37, 6, 3, 10),  # nothing divides anything
    (1, 128, 4, 2, 16),
    (1, 300, 4, 1, 64),  # three blocks, the last ragged
    (1, 384, 2, 2, 128),
    (2, 130, 8, 2, 64),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flash_attention_is_right_to_its_first_and_last_row(
    kernels: Any, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str
) -> None:
    monkeypatch.setattr(kernels.flash, "_WIDEST", 128)  # several blocks of sizes that an interpreter can do
    B, T, N, K, D = shape
    q, k, v = qkv(B, T, T, N, K, D, dtype)
    got, want = kernels.flash.flash_attention(q, k, v, usual(q), interpret=True), attention64(q, k, v)
    for rows in (slice(None), slice(0, 1), slice(T - 1, T)):
        assert worst(got[:, rows], want[:, rows]) < TOLERANCE[dtype]


def test_flash_attention_in_blocks_of_its_own_choice_is_right(kernels: Any) -> None:
    q, k, v = qkv(1, 1100, 1100, 2, 1, 16)
    assert 2 * kernels.flash.block_positions(1100, 2, 16, 4) > 1100 > kernels.flash.block_positions(1100, 2, 16, 4)
    assert (
        worst(kernels.flash.flash_attention(q, k, v, usual(q), interpret=True), attention64(q, k, v))
        < TOLERANCE["float32"]
    )


@pytest.mark.parametrize("how", [Scores(0.3, window=100), Scores(0.3, 200, 3.0), Scores(0.5, None, 4.0)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_windows_and_soft_caps_are_right_over_several_blocks(
    kernels: Any, monkeypatch: pytest.MonkeyPatch, dtype: str, how: Scores
) -> None:
    monkeypatch.setattr(kernels.flash, "_WIDEST", 128)
    q, k, v = qkv(1, 400, 400, 4, 2, 16, dtype)
    want = attention64(q, k, v, how)
    assert worst(kernels.flash.flash_attention(q, k, v, how, interpret=True), want) < TOLERANCE[dtype]
    others = [replace(how, soft_cap=None)] if how.soft_cap else []
    others += [replace(how, window=how.window - 1), replace(how, window=None)] if how.window else []
    for other in others:
        assert worst(kernels.flash.flash_attention(q, k, v, other, interpret=True), want) > 2 * TOLERANCE[dtype], other


def test_blocks_before_the_window_are_neither_read_nor_fetched(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.flash, "_WIDEST", 128)
    q, k, v = qkv(1, 384, 384, 2, 2, 16)
    how = Scores(0.25, window=100)
    want = attention64(q, k, v, how)[:, 256:]
    k[:, :128], v[:, :128] = np.nan, np.nan
    got = kernels.flash.flash_attention(q, k, v, how, interpret=True)
    assert worst(got[:, 256:], want) < TOLERANCE["float32"]


def shifted_mask(by: int) -> Callable[[Any, Callable[..., Any]], Callable[..., Any]]:
    """The scores of a kernel whose diagonal is `by` keys away from where it belongs."""

    def wrong(flash: Any, real: Callable[..., Any]) -> Callable[..., Any]:
        def shifted(q_ref: Any, k_ref: Any, rows: slice, *, group: int, scores: Any, blocks: Any) -> Any:
            if blocks is not None:
                return real(q_ref, k_ref, rows, group=group, scores=scores, blocks=blocks)
            s = flash.product_of_rows(q_ref[rows], k_ref[...])
            row = rows.start + flash.lax.broadcasted_iota(np.int32, s.shape, 0)
            key = flash.lax.broadcasted_iota(np.int32, s.shape, 1)
            return flash.jnp.where((key - by) * group <= row, s, -1e30)

        return shifted

    return wrong


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mask_that_is_off_by_a_key_or_a_block_is_rejected(
    kernels: Any, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(kernels.flash, "_WIDEST", 128)
    q, k, v = qkv(1, 300, 300, 4, 2, 16, dtype)
    want, scores = attention64(q, k, v), kernels.flash._scores

    def error(by: int) -> float:
        monkeypatch.setattr(kernels.flash, "_scores", shifted_mask(by)(kernels.flash, scores))
        return worst(kernels.flash.flash_attention(q, k, v, usual(q), interpret=True), want)

    assert error(0) < TOLERANCE[dtype]
    for by in (-1, 1, 128):
        assert error(by) > 5 * TOLERANCE[dtype], f"off by {by}"


def test_heads_that_read_another_groups_keys_are_rejected(kernels: Any) -> None:
    q, k, v = qkv(1, 40, 40, 4, 2, 16)
    got = kernels.flash.flash_attention(q, k[:, :, ::-1], v[:, :, ::-1], usual(q), interpret=True)
    assert worst(got, attention64(q, k, v)) > 0.1


def test_blocks_past_the_diagonal_are_neither_read_nor_fetched(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.flash, "_WIDEST", 128)
    q, k, v = qkv(1, 384, 384, 2, 2, 16)
    want = attention64(q, k, v)[:, :256]
    k[:, 256:], v[:, 256:] = np.nan, np.nan
    fetched: list[Any] = []
    real = kernels.flash.pl.pallas_call
    monkeypatch.setattr(
        kernels.flash.pl, "pallas_call", lambda *a, **kw: fetched.append(kw["in_specs"][1].index_map) or real(*a, **kw)
    )
    got = kernels.flash.flash_attention(q, k, v, usual(q), interpret=True)
    assert worst(got[:, :256], want) < TOLERANCE["float32"]
    (index,) = fetched
    assert [int(index(0, 0, 1, j)[2]) for j in range(3)] == [0, 1, 1], "the block it has, not one that it skips"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 2, 1, 16), (3, 37, 6, 3, 10), (2, 1000, 8, 2, 64), (1, 600, 12, 12, 64)], ids=str
)
def test_a_contiguous_cache_is_pages_in_order(
    kernels: Any, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str
) -> None:
    monkeypatch.setattr(kernels.paged, "_PAGES_BYTES", 2**19)  # several pages
    B, S, N, K, D = shape
    q, k, v = qkv(B, 1, S, N, K, D, dtype)
    got = kernels.paged.cached_attention(q, k.swapaxes(1, 2), v.swapaxes(1, 2), usual(q), interpret=True)
    assert worst(got, attention64(q, k, v)) < TOLERANCE[dtype]


def test_pages_are_read_where_the_table_says_and_to_the_sequences_length(kernels: Any) -> None:
    page, (B, N, K, D), lengths = 32, (3, 4, 2, 16), np.array([100, 32, 1], np.int32)
    q, k, v = qkv(B, 1, 128, N, K, D)
    for b, length in enumerate(lengths):  # the query belongs to the last key of its own sequence
        q[b, 0] = 2 * k[b, length - 1].repeat(N // K, axis=0)
    table = np.random.default_rng(5).permutation(12).astype(np.int32).reshape(B, 4)
    pool_k, pool_v = (np.full((1, 12 * page, K, D), np.nan, np.float32) for _ in range(2))
    want = []
    for b, length in enumerate(lengths):
        for p in range(-(-length // page)):
            at, of = slice(table[b, p] * page, (table[b, p] + 1) * page), slice(p * page, (p + 1) * page)
            pool_k[0, at], pool_v[0, at] = k[b, of], v[b, of]
        want.append(attention64(q[b : b + 1], k[b : b + 1, :length], v[b : b + 1, :length])[0, 0])

    def error(table: np.ndarray, lengths: np.ndarray) -> float:
        got = kernels.paged.paged_attention(q[:, 0], pool_k, pool_v, table, lengths, page=page, interpret=True)
        return worst(got, np.stack(want))

    assert error(table, lengths) < TOLERANCE["float32"]
    assert error(table[:, [1, 0, 2, 3]], lengths) > 0.1, "another page"
    assert error(table, lengths - np.array([1, 0, 0], np.int32)) > 0.1, "one key too few"
    assert error(table, lengths + np.array([1, 0, 0], np.int32)) > 1e-4, "one key too many"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 64, 96), (37, 40, 52), (600, 48, 700), (130, 256, 513)], ids=str)
def test_the_fused_norm_and_projection_are_right_for_rows_and_columns_of_any_number(
    kernels: Any, shape: tuple[int, ...], dtype: str
) -> None:
    M, C, O = shape  # noqa: E741
    x, weight, projection = draw(0, (M, C), dtype), draw(1, (C,), dtype), draw(2, (O, C), dtype)
    wide = x.astype(np.float64)
    normal = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5)
    want = normal * weight.astype(np.float64) @ projection.astype(np.float64).T
    got = kernels.rms.rms_matmul(x, weight, projection, 1e-5, interpret=True)
    assert worst(got, want) < TOLERANCE[dtype]
    assert worst(got[-1:, -1:], want[-1:, -1:]) < 30 * TOLERANCE[dtype]
    assert worst(got, normal @ projection.astype(np.float64).T) > 0.1, "the norm's weight left out"
    assert worst(got, wide @ projection.astype(np.float64).T) > 0.1, "not normalised"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("M", "E", "k"), [(33, 8, 2), (520, 60, 6), (1, 3, 3)])
def test_routing_is_right_and_of_equals_takes_the_first(kernels: Any, M: int, E: int, k: int, dtype: str) -> None:
    logits = draw(0, (M, E), dtype)
    logits[M // 2] = logits[M // 2, 0]  # all alike
    for renormalised in (False, True):
        want = NumpyOps().route(logits.astype(np.float64), Routing(k, renormalised))
        got = np.asarray(kernels.route.route(logits, k, renormalised, interpret=True))
        assert ((got != 0) == (want != 0)).all()
        assert worst(got, want) < TOLERANCE[dtype]
        if k < E:
            other = kernels.route.route(logits, k, not renormalised, interpret=True)
            assert worst(other, want) > TOLERANCE[dtype], "their sum taken for another"
            assert worst(kernels.route.route(logits, k + 1, renormalised, interpret=True), want) > TOLERANCE[dtype]


def test_blocks_are_evenly_filled_and_no_larger_than_allowed() -> None:
    assert _blocks.fitting(2048, 1024, 128) == 1024
    assert _blocks.fitting(1100, 1024, 128) == 640  # and not 1024 twice
    assert _blocks.fitting(37, 1024, 128) == 128
    assert _blocks.fitting(300, 5, 16) == 16  # never less than the hardware's own


def arguments(kernels: Any, name: str) -> tuple[Callable[..., Any], list[tuple[int, ...]]]:
    """A kernel and the shapes to compile it for: widths of whole registers, so that XLA has nothing to lay out anew."""
    if name in ("flash", "window"):
        how = Scores(0.1) if name == "flash" else Scores(0.1, window=100, soft_cap=30.0)
        return partial(kernels.flash.attend_by_group, scores=how), [
            (1, 2, 640, 128),
            (1, 2, 320, 128),
            (1, 2, 320, 128),
        ]
    if name == "paged":
        return partial(kernels.paged.cached_attention, scores=Scores(0.1)), [
            (2, 1, 16, 128),
            (2, 8, 304, 128),  # positions in whole registers, too
            (2, 8, 304, 128),
        ]
    if name == "route":
        return partial(kernels.route.route, k=6, renormalised=True), [(40, 128)]
    return (lambda x, weight, p: kernels.rms.rms_matmul(x, weight, p, 1e-5)), [(40, 256), (256,), (512, 256)]


def compile_kernel(kernels: Any, name: str, generation: str, dtype: str) -> Any:
    import jax

    from oneblock.compilers.chips.topology import topology
    from oneblock.compilers.xla import tpu as compiler

    function, shapes = arguments(kernels, name)
    device = compiler.devices(topology(generation, None))[0]
    where = jax.sharding.SingleDeviceSharding(device)
    return jax.jit(function).lower(*(jax.ShapeDtypeStruct(s, dtype, sharding=where) for s in shapes)).compile()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["flash", "window", "paged", "rms", "route"])
def test_each_kernel_compiles_for_each_generation_without_scratch(
    tpu: Backend, kernels: Any, name: str, dtype: str, generation: str
) -> None:
    compiled = compile_kernel(kernels, name, generation, dtype)
    assert compiled.as_text().count('custom_call_target="tpu_custom_call"') == 1
    assert compiled.memory_analysis().temp_size_in_bytes <= 64 * 1024, "no more than the page table and its like"


def test_the_compiler_is_told_what_the_flash_kernel_costs(tpu: Backend, kernels: Any) -> None:
    text = compile_kernel(kernels, "flash", "v5e", "bfloat16").as_text()
    pairs = 4 * int(np.tril(np.ones((320, 320))).sum())  # of four heads
    assert f'"flops":"{4 * 128 * pairs}"' in text
    assert f'"transcendentals":"{pairs}"' in text


@pytest.mark.parametrize("name", ["flash", "paged", "rms"])
def test_float16_is_left_out_because_the_compiler_refuses_it(tpu: Backend, kernels: Any, name: str) -> None:
    assert "float16" not in tpu.dtypes
    with pytest.raises(Exception, match="Invalid vector type for load"):
        compile_kernel(kernels, name, "v5e", "float16")


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_block_reaches_all_its_kernels_on_every_generation(tpu: Backend, generation: str, phase: Phase) -> None:
    c = case(phase=phase, n=256)
    workload, target = workloads.load("block"), Target("tpu", generation)
    arrays = {n: np.broadcast_to(np.zeros((), ml_dtypes.bfloat16), s.shape) for n, s in workload.specs(c).items()}
    compiled = tpu.compile(workload, c, arrays, "kernels", target)
    assert tpu.probe(target).kind is Kind.COMPILED
    assert compiled.executable is None
    lowering = compiled.capture(Detail.BRIEF)
    assert lowering.facts is not None
    assert lowering.facts.custom_calls["tpu_custom_call"] == 6, "q, k, v, gate and up with their norms, and attention"
    assert (lowering.facts.attributed or 0) >= 0.9
    name = "paged_attention" if phase is Phase.DECODE else "flash_attention"
    assert f"attention/{name}" in lowering.artifacts[-1].text


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_decode_over_pages_compiles_and_copies_no_pool(tpu: Backend, dtype: str) -> None:
    c, pages = case(config=replace(TINY, heads=8, kv_heads=4, head_width=128), phase=Phase.DECODE, B=2, n=512), 80
    workload = _pages.workload(pages)
    numbers = {"pages", "row", "position"}
    arrays = {n: np.zeros(s.shape, np.int32 if n in numbers else dtype_of(dtype)) for n, s in workload.specs(c).items()}
    text = tpu.compile(workload, c, arrays, "kernels", Target("tpu", "v5e")).capture(Detail.BRIEF).artifacts[-1].text
    assert "attention/paged_attention" in text
    pool = f"[1,{pages * _pages.PAGE},{4 * 128}]"
    assert pool in text
    copies = [line for line in text.splitlines() if re.search(r"= \S+ copy(-start)?\(", line)]
    assert [line for line in copies if str(pages * _pages.PAGE) in line.split(" copy")[0]] == []


def test_on_the_cpu_a_kernel_is_interpreted_and_no_mesh_splits_it(pallas: Backend) -> None:
    assert pallas.probe(Target("cpu")).kind is Kind.INTERPRETED
    for target in ("cpu@tp2", "tpu:v5e:2x4@tp8"):
        with pytest.raises(Unsupported, match="one device"):
            pallas.probe(Target.parse(target))
